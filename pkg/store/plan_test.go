package store

import (
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// TestPlans asks SQLite how it would run the queries. A plan that does not use the index meant for it reads the whole table
// one day.
func TestPlans(t *testing.T) {
	at := sqlitePlace(t)
	lifecycle, readModel := newLifecycle(t, at).db, newReadModel(t, at).db
	yes, no := true, false
	// Two kinds of one provider, and one of another: more than one group for most filters.
	put(t, &ReadModel{db: readModel}, groupRow("p", "k", verification.Case, 1), groupRow("p", "l", verification.Step, 2), groupRow("q", "k", verification.Case, 3))
	verifications := func(f VerificationFilter) (string, []any) {
		f.Limit = 10
		query, args, err := (&ReadModel{db: readModel}).query(t.Context(), f, f.After.Through)
		must(t, err)
		return query, args
	}
	deliveries := func(f DeliveryFilter) (string, []any) { f.Limit = 10; return f.query([]string{"p", "q"}) }
	fixed := func(query string, args ...any) func() (string, []any) {
		return func() (string, []any) { return query, args }
	}
	filter := func(f VerificationFilter) func() (string, []any) {
		return func() (string, []any) { return verifications(f) }
	}
	delivery := func(f DeliveryFilter) func() (string, []any) {
		return func() (string, []any) { return deliveries(f) }
	}
	after := VerificationCursor{Through: 5}
	type planned struct {
		name  string
		db    *database
		query func() (string, []any)
		index string
	}
	tests := []planned{
		{"all", readModel, filter(VerificationFilter{}), "verification_by_sequence"},
		{"sandbox", readModel, filter(VerificationFilter{Sandbox: true}), "verification_by_sequence"},
		{"after", readModel, filter(VerificationFilter{After: after}), "verification_by_sequence"},
		{"updated since", readModel, filter(VerificationFilter{UpdatedSince: start}), "verification_by_sequence"},
		{"updated since, next page", readModel, filter(VerificationFilter{UpdatedSince: start, After: after}), "verification_by_sequence"},
		{"where updated since begins", readModel, fixed(selectSince, false, 1), "COVERING INDEX verification_by_update"},
		{"not overdue", readModel, filter(VerificationFilter{Overdue: &no}), "verification_by_sequence"},
		{"groups", readModel, fixed(nextGroup, false, "a", "b", "c"), "COVERING INDEX verification_by_group"},
		{"one verification", readModel, fixed(selectVerification+` WHERE id = $1 AND sandbox = $2`, "a", false), "sqlite_autoindex_verification_1"},
		{"timeline", readModel, fixed(selectTimeline, false, 1, 9, 10), "verification_event_by_sequence"},
		{"applicant's numbers", readModel, fixed(selectApplicant, false, "a", "p"), "verification_by_applicant"},
		{"deliveries", readModel, delivery(DeliveryFilter{}), "delivery_by_time"},
		{"deliveries since, next page", readModel, delivery(DeliveryFilter{Since: start, After: DeliveryCursor{1, "s", 1}}), "delivery_by_time"},
		{"deliveries of a provider", readModel, delivery(DeliveryFilter{Provider: "p", After: DeliveryCursor{1, "s", 1}}), "delivery_by_group"},
		{"providers of deliveries", readModel, fixed(nextDeliveryProvider, "p"), "COVERING INDEX delivery_by_group"},
		{"pending deliveries", readModel, delivery(DeliveryFilter{Outcome: OutcomePending, Since: start}), "delivery_by_group"},
		{"deliveries by cause", readModel, delivery(DeliveryFilter{Cause: "c"}), "delivery_by_cause"},
		{"deliveries by everything", readModel, delivery(DeliveryFilter{Cause: "c", Provider: "p", Outcome: OutcomeDead}), "delivery_by_cause"},
		{"expire", readModel, fixed(expireUnprocessed, "o", 1, 2, "p", "s"), "delivery_by_group"},
		{"count verifications", readModel, fixed(countVerifications), "COVERING INDEX verification_by_group"},
		{"count deliveries", readModel, fixed(countDeliveries), "COVERING INDEX delivery_by_group"},
		{"open since", readModel, fixed(openSince, false), "verification_open"},
		{"due", lifecycle, fixed(selectDue, "p", 1, 10), "COVERING INDEX lifecycle_record_due"},
		{"retained", lifecycle, fixed(selectRetained, "p", 1, 10), "COVERING INDEX lifecycle_record_retained"},
		{"reschedule", lifecycle, fixed(selectChunk, "p", "a", false, 10), "sqlite_autoindex_lifecycle_record_1"},
		{"waiting", lifecycle, fixed(selectWaiting, "p", "l", 1, 10), "COVERING INDEX lifecycle_outbox_lane"},
		{"rows of the outbox", lifecycle, fixed(selectRows, "p", "l", 1, 9), "lifecycle_outbox_lane"},
		{"outbox of a verification", lifecycle, fixed(selectOutbox, "p", "l", "v"), "lifecycle_outbox_verification"},
	}
	// Every filter alone and together with every other one: the first of the two says by which index.
	settings := []struct {
		name, index string
		set         func(f *VerificationFilter)
	}{
		{"applicant", "verification_by_applicant", func(f *VerificationFilter) { f.Applicant = "a" }},
		{"external reference", "verification_by_external_reference", func(f *VerificationFilter) { f.ExternalReference = "a" }},
		{"overdue", "verification_overdue", func(f *VerificationFilter) { f.Overdue = &yes }},
		{"provider", "verification_by_group", func(f *VerificationFilter) { f.Provider = "p" }},
		{"kind", "verification_by_group", func(f *VerificationFilter) { f.Kind = "k" }},
		{"scope", "verification_by_group", func(f *VerificationFilter) { f.Scope = "case" }},
		{"status", "verification_by_group", func(f *VerificationFilter) { f.Status = "approved" }},
		{"final", "verification_by_group", func(f *VerificationFilter) { f.Final = &yes }},
		{"not final", "verification_by_group", func(f *VerificationFilter) { f.Final, f.Status = &no, "" }},
		{"not overdue", "", func(f *VerificationFilter) {
			if f.Overdue == nil {
				f.Overdue = &no
			}
		}},
		{"updated since", "", func(f *VerificationFilter) { f.UpdatedSince = start }},
		{"after", "", func(f *VerificationFilter) { f.After = after }},
	}
	for i, one := range settings {
		for _, other := range settings[i:] {
			f := VerificationFilter{}
			one.set(&f)
			other.set(&f)
			if one.index != "" && (f.Applicant == "" || f.ExternalReference == "") { // Of those two either may serve.
				tests = append(tests, planned{one.name + " with " + other.name, readModel, filter(f), one.index})
			}
		}
	}
	for _, test := range tests {
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
		if strings.Contains(text, "verification_by_sequence") && test.index != "verification_by_sequence" {
			t.Errorf("%s reads what it does not choose: %s", test.name, text)
		}
		if test.name == "groups" {
			continue // It sorts the three rows that it has found.
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

// groupRow is the first event of a verification of a kind.
func groupRow(provider, kind string, scope verification.Scope, sequence uint64) EventRow {
	row := testEventRow(provider+kind, 1, sequence, sequence)
	row.Data.Provider, row.Data.Kind, row.Data.Scope = provider, kind, scope
	row.StoredAt = start
	return row
}
