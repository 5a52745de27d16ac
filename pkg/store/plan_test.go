package store

import (
	"strings"
	"testing"
)

// TestPlans asks SQLite how it would run the queries. A plan that does not use the index meant for it reads the whole table
// one day.
func TestPlans(t *testing.T) {
	at := sqlitePlace(t)
	lifecycle, readModel := newLifecycle(t, at).db, newReadModel(t, at).db
	yes := true
	verifications := func(f VerificationFilter) (string, []any) { f.Limit = 10; return f.query() }
	deliveries := func(f DeliveryFilter) (string, []any) { f.Limit = 10; return f.query() }
	fixed := func(query string, args ...any) func() (string, []any) {
		return func() (string, []any) { return query, args }
	}
	filter := func(f VerificationFilter) func() (string, []any) {
		return func() (string, []any) { return verifications(f) }
	}
	delivery := func(f DeliveryFilter) func() (string, []any) {
		return func() (string, []any) { return deliveries(f) }
	}
	for _, test := range []struct {
		name  string
		db    *database
		query func() (string, []any)
		index string
	}{
		{"all", readModel, filter(VerificationFilter{}), "verification_by_sequence"},
		{"after", readModel, filter(VerificationFilter{After: 5}), "verification_by_sequence"},
		{"applicant", readModel, filter(VerificationFilter{Applicant: "a"}), "verification_by_applicant"},
		{"applicant of a kind", readModel, filter(VerificationFilter{Applicant: "a", Provider: "p", Kind: "k", Status: "s"}), "verification_by_applicant"},
		{"applicant since", readModel, filter(VerificationFilter{Applicant: "a", UpdatedSince: start, Overdue: &yes}), "verification_by_applicant"},
		{"external reference", readModel, filter(VerificationFilter{ExternalReference: "a"}), "verification_by_external_reference"},
		{"external reference of a kind", readModel, filter(VerificationFilter{ExternalReference: "a", Provider: "p", Kind: "k"}), "verification_by_external_reference"},
		{"status", readModel, filter(VerificationFilter{Status: "pending"}), "verification_by_status"},
		{"provider", readModel, filter(VerificationFilter{Provider: "p"}), "verification_by_"},
		{"provider and kind", readModel, filter(VerificationFilter{Provider: "p", Kind: "k"}), "verification_by_kind"},
		{"overdue", readModel, filter(VerificationFilter{Overdue: &yes}), "verification_overdue"},
		{"updated since", readModel, filter(VerificationFilter{UpdatedSince: start}), "COVERING INDEX verification_by_update"},
		{"updated since, next page", readModel, filter(VerificationFilter{UpdatedSince: start, After: 5}), "verification_by_sequence"},
		{"one verification", readModel, fixed(selectVerification+` WHERE id = $1 AND sandbox = $2`, "a", false), "sqlite_autoindex_verification_1"},
		{"timeline", readModel, fixed(selectTimeline, false, 1, 9, 10), "verification_event_by_sequence"},
		{"applicant's numbers", readModel, fixed(selectApplicant, false, "a", "p"), "verification_by_applicant"},
		{"applicant of a provider", readModel, filter(VerificationFilter{Applicant: "a", Provider: "p", After: 5}), "verification_by_applicant"},
		{"external reference since", readModel, filter(VerificationFilter{ExternalReference: "a", UpdatedSince: start, Status: "s"}), "verification_by_external_reference"},
		{"status of a kind", readModel, filter(VerificationFilter{Provider: "p", Kind: "k", Status: "s"}), "verification_by_"},
		{"scope", readModel, filter(VerificationFilter{Scope: "case"}), "verification_by_sequence"},
		{"final", readModel, filter(VerificationFilter{Final: &yes}), "verification_by_sequence"},
		{"sandbox", readModel, filter(VerificationFilter{Sandbox: true}), "verification_by_sequence"},
		{"deliveries", readModel, delivery(DeliveryFilter{}), "delivery_by_time"},
		{"deliveries since, next page", readModel, delivery(DeliveryFilter{Since: start, After: DeliveryCursor{1, "s", 1}}), "delivery_by_time"},
		{"deliveries of a provider", readModel, delivery(DeliveryFilter{Provider: "p", After: DeliveryCursor{1, "s", 1}}), "delivery_by_provider"},
		{"pending deliveries", readModel, delivery(DeliveryFilter{Outcome: OutcomePending, Since: start}), "delivery_by_outcome"},
		{"deliveries by cause", readModel, delivery(DeliveryFilter{Cause: "c"}), "delivery_by_cause"},
		{"expire", readModel, fixed(expireUnprocessed, "o", 1, 2, "p", "s"), "delivery_counts"},
		{"count verifications", readModel, fixed(countVerifications), "COVERING INDEX verification_counts"},
		{"count deliveries", readModel, fixed(countDeliveries), "COVERING INDEX delivery_counts"},
		{"open since", readModel, fixed(openSince, false), "verification_open"},
		{"due", lifecycle, fixed(selectDue, "p", 1, 10), "COVERING INDEX lifecycle_record_due"},
		{"retained", lifecycle, fixed(selectRetained, "p", 1, 10), "COVERING INDEX lifecycle_record_retained"},
		{"waiting", lifecycle, fixed(selectWaiting, "p", "l", 10), "lifecycle_outbox_lane"},
		{"outbox of a verification", lifecycle, fixed(selectOutbox, "p", "l", "v"), "lifecycle_outbox_verification"},
	} {
		query, args := test.query()
		plan, err := list(t.Context(), test.db.read(), func(scan scanner) (detail string, err error) {
			err = scan(new(int), new(int), new(int), &detail)
			return detail, err
		}, "EXPLAIN QUERY PLAN "+query, args...)
		must(t, err)
		text := strings.Join(plan, "; ")
		if !strings.Contains(text, "INDEX "+strings.TrimPrefix(test.index, "COVERING INDEX ")) || !strings.Contains(text, test.index) {
			t.Errorf("%s does not use %s: %s\n%s", test.name, test.index, text, query)
		}
		for _, step := range plan {
			if strings.HasPrefix(step, "SCAN") && !strings.Contains(step, "INDEX") {
				t.Errorf("%s reads a whole table: %s", test.name, text)
			}
		}
		if strings.Contains(text, "USE TEMP B-TREE") {
			t.Errorf("%s sorts: %s", test.name, text)
		}
	}
}
