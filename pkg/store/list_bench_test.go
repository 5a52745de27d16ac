package store

import (
	"context"
	"encoding/json"
	"testing"
)

// fillListed makes verifications of which most are decided, and of one kind.
const fillListed = `
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
	INSERT INTO verification SELECT 'v' || i, FALSE, 1, i, i,
		CASE WHEN i % 10 = 0 THEN 'treezor' ELSE 'idenfy' END, CASE WHEN i % 10 > 0 THEN 'id_verification' WHEN i % 20 = 0 THEN 'qes' ELSE 'document' END,
		CASE WHEN i % 10 = 0 THEN 'step' ELSE 'case' END, CASE WHEN i % 100 = 7 THEN 'pending' WHEN i % 9 = 0 THEN 'rejected' ELSE 'approved' END,
		i % 100 <> 7, i % 1000 = 7, 'a' || (i / 3), 'r' || i, $1 FROM n`

// BenchmarkVerifications reads pages of the greatest length.
func BenchmarkVerifications(b *testing.B) {
	m, err := OpenReadModel(context.Background(), Location{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	data := dataOf(b, testEventRow("a", 1, 1, 1))
	if _, err := m.db.write().exec(context.Background(), fillListed, data); err != nil {
		b.Fatal(err)
	}
	yes, no := true, false
	for _, test := range []struct {
		name   string
		filter VerificationFilter
	}{
		{"all", VerificationFilter{}},
		{"provider and kind", VerificationFilter{Provider: "idenfy", Kind: "id_verification"}},
		{"provider", VerificationFilter{Provider: "treezor"}},
		{"kind", VerificationFilter{Kind: "qes"}},
		{"scope", VerificationFilter{Scope: "step"}},
		{"status", VerificationFilter{Status: "approved"}},
		{"final", VerificationFilter{Final: &yes}},
		{"not final", VerificationFilter{Final: &no}},
		{"overdue of a provider", VerificationFilter{Overdue: &yes, Provider: "idenfy"}},
		{"applicant", VerificationFilter{Applicant: "a7"}},
	} {
		test.filter.Limit = 500
		b.Run(test.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := m.Verifications(b.Context(), test.filter); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func dataOf(b *testing.B, e EventRow) string {
	b.Helper()
	text, err := json.Marshal(e.Data)
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}
