//go:build postgres

package store

import (
	"strings"
	"testing"
)

// fillPlanned makes so many verifications of a few kinds that reading all of them is not the cheapest plan. Few of them wait.
const fillPlanned = `INSERT INTO verification
	SELECT 'v' || i, FALSE, 1, i, i, CASE WHEN i % 100 = 0 THEN 'q' ELSE 'p' END, CASE WHEN i % 2 = 0 THEN 'k' ELSE 'l' END,
		CASE WHEN i % 100 = 0 THEN 'step' ELSE 'case' END, CASE WHEN i % 500 = 0 THEN 'pending' ELSE 'approved' END,
		i % 500 <> 0, i % 1000 = 0, 'a' || i / 3, 'r' || i, '{}'
	FROM generate_series(1, 50000) i`

// TestPostgresPlans asks PostgreSQL how it would run the lists that choose little of much.
func TestPostgresPlans(t *testing.T) {
	m := newReadModel(t, postgresPlace(t))
	for _, statement := range []string{fillPlanned, "ANALYZE verification"} {
		_, err := m.db.write().exec(t.Context(), statement)
		must(t, err)
	}
	yes, no := true, false
	for name, test := range map[string]struct {
		filter VerificationFilter
		index  string
	}{
		"all":                    {VerificationFilter{}, "verification_by_sequence"},
		"applicant":              {VerificationFilter{Applicant: "a7", Status: "approved"}, "verification_by_applicant"},
		"external reference":     {VerificationFilter{ExternalReference: "r7", Provider: "p"}, "verification_by_external_reference"},
		"overdue":                {VerificationFilter{Overdue: &yes}, "verification_overdue"},
		"overdue of a provider":  {VerificationFilter{Overdue: &yes, Provider: "p"}, "verification_overdue"},
		"provider":               {VerificationFilter{Provider: "q"}, "verification_by_group"},
		"scope":                  {VerificationFilter{Scope: "step"}, "verification_by_group"},
		"provider and kind":      {VerificationFilter{Provider: "q", Kind: "k"}, "verification_by_group"},
		"not final":              {VerificationFilter{Final: &no}, "verification_by_group"},
		"status":                 {VerificationFilter{Status: "pending"}, "verification_by_group"},
		"status of a provider":   {VerificationFilter{Status: "approved", Provider: "q"}, "verification_by_group"},
		"status that nobody has": {VerificationFilter{Status: "expired"}, "verification_by_group"},
	} {
		test.filter.Limit = 50
		query, args, err := m.query(t.Context(), test.filter, 0)
		must(t, err)
		plan, err := list(t.Context(), m.db.read(), func(scan scanner) (line string, err error) { err = scan(&line); return line, err }, "EXPLAIN "+query, args...)
		must(t, err)
		text := strings.Join(plan, "\n")
		if !strings.Contains(text, test.index) || strings.Contains(text, "Seq Scan") {
			t.Errorf("%s does not use %s:\n%s", name, test.index, text)
		}
		if strings.Contains(text, "verification_by_sequence") && test.index != "verification_by_sequence" {
			t.Errorf("%s reads what it does not choose:\n%s", name, text)
		}
	}
}
