package store

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/verification"
)

func testListVerifications(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	yes, no := true, false
	text := func(s string) *string { return &s }

	plain := testEventRow("a", 1, 11, 1)
	approved := testEventRow("b", 1, 12, 2)
	approved.Data.Status, approved.Data.Final, approved.Data.ExternalReference = verification.Approved, true, text("case-1")
	overdue := testEventRow("c", 1, 13, 3)
	overdue.Data.Overdue, overdue.Data.Applicant = true, text("person-a")
	step := testEventRow("d", 1, 14, 4)
	step.Data.Provider, step.Data.Kind, step.Data.Scope = "treezor", "liveness", verification.Step
	nobody := testEventRow("e", 1, 15, 5)
	nobody.Data.Applicant = nil
	sandbox := testEventRow("f", 1, 16, 6)
	sandbox.Sandbox = true
	put(t, m, plain, approved, overdue, step, nobody, sandbox)
	must(t, m.PutProgress(t.Context(), Progress{Stream: verificationStream, Sequence: 15, At: start}))
	must(t, m.PutProgress(t.Context(), Progress{Stream: sandboxStream, Sequence: 16, At: start}))

	for _, test := range []struct {
		name   string
		filter VerificationFilter
		want   []EventRow
	}{
		{"all", VerificationFilter{}, []EventRow{plain, approved, overdue, step, nobody}},
		{"sandbox", VerificationFilter{Sandbox: true}, []EventRow{sandbox}},
		{"provider", VerificationFilter{Provider: "treezor"}, []EventRow{step}},
		{"kind", VerificationFilter{Kind: "identity_document"}, []EventRow{plain, approved, overdue, nobody}},
		{"provider and kind", VerificationFilter{Provider: "treezor", Kind: "qes"}, nil},
		{"scope", VerificationFilter{Scope: "step"}, []EventRow{step}},
		{"status", VerificationFilter{Status: "approved"}, []EventRow{approved}},
		{"applicant", VerificationFilter{Applicant: "person-a"}, []EventRow{plain, overdue}},
		{"applicant and more", VerificationFilter{Applicant: "person-a", Provider: testProvider, Kind: "identity_document", Status: "pending", Overdue: &no}, []EventRow{plain}},
		{"external reference", VerificationFilter{ExternalReference: "case-1"}, []EventRow{approved}},
		{"external reference of another", VerificationFilter{ExternalReference: "case-1", Provider: "treezor"}, nil},
		{"final", VerificationFilter{Final: &yes}, []EventRow{approved}},
		{"not final", VerificationFilter{Final: &no}, []EventRow{plain, overdue, step, nobody}},
		{"overdue", VerificationFilter{Overdue: &yes}, []EventRow{overdue}},
		{"updated since", VerificationFilter{UpdatedSince: step.StoredAt}, []EventRow{step, nobody}},
		{"after", VerificationFilter{After: VerificationCursor{Through: 13}}, []EventRow{step, nobody}},
		{"not UTF-8", VerificationFilter{Provider: "\xff", Status: "nul \x00"}, nil},
	} {
		test.filter.Limit = 10
		page, err := m.Verifications(t.Context(), test.filter)
		must(t, err)
		want := VerificationPage{AsOf: 15}
		if test.filter.Sandbox {
			want.AsOf = 16
		}
		for _, e := range test.want {
			want.Rows = append(want.Rows, asRow(e))
		}
		if diff := cmp.Diff(want, page); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	if _, err := m.Verifications(t.Context(), VerificationFilter{}); !errors.Is(err, errLimit) {
		t.Errorf("without a limit: error %v", err)
	}
}

// testVerificationPages changes the table while it is read: no verification is missed, and one that changes comes again.
func testVerificationPages(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	for i := range 4 {
		put(t, m, testEventRow(string(rune('a'+i)), 1, uint64(i+1), uint64(i+1)))
	}
	var got []string
	filter := VerificationFilter{Limit: 2}
	for change := testEventRow("a", 2, 9, 9); ; {
		page, err := m.Verifications(t.Context(), filter)
		must(t, err)
		for _, row := range page.Rows {
			got = append(got, row.Data.Reference)
		}
		if page.Next.IsZero() {
			break
		}
		filter.After = page.Next
		put(t, m, change)
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "d", "a"}, got); diff != "" {
		t.Errorf("all pages (-want +got):\n%s", diff)
	}
}

func testProgress(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	notFound(t, func() error { _, err := m.Progress(t.Context(), "S"); return err })
	first := Progress{Stream: "S", Identity: "s", Sequence: 5, Pending: 3, At: stored(start)}
	later := Progress{Stream: "S", Identity: "s", Sequence: 5, Pending: 4, At: stored(start.Add(time.Second))}
	further := Progress{Stream: "S", Identity: "s", Sequence: 9, Pending: 0, At: stored(start)}
	for _, step := range []struct{ put, want Progress }{{first, first}, {later, later}, {first, later}, {further, further}, {later, further}} {
		must(t, m.PutProgress(t.Context(), step.put))
		got, err := m.Progress(t.Context(), "S")
		must(t, err)
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("progress after %+v (-want +got):\n%s", step.put, diff)
		}
	}
	another := Progress{Stream: "S", Identity: "another", Sequence: 10, At: stored(start.Add(time.Hour))}
	must(t, m.PutProgress(t.Context(), another))
	if got, err := m.Progress(t.Context(), "S"); err != nil || !cmp.Equal(further, got) {
		t.Errorf("progress of another stream was taken for that of the recorded one: %+v, error %v", got, err)
	}
	must(t, m.Forget(t.Context(), "S"))
	must(t, m.PutProgress(t.Context(), another))
	if got, err := m.Progress(t.Context(), "S"); err != nil || !cmp.Equal(another, got) {
		t.Errorf("progress of another stream after the first was forgotten is %+v, error %v", got, err)
	}
	if got, err := m.AsOf(t.Context(), false); err != nil || got != 0 {
		t.Errorf("as of %d, error %v, where nothing is in the tables", got, err)
	}
}

func testStats(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	if st, err := m.Stats(t.Context()); err != nil || !cmp.Equal(st, Stats{}) {
		t.Errorf("stats of nothing are %+v, error %v", st, err)
	}
	done := testEventRow("a", 1, 1, 1)
	done.Data.Status, done.Data.Final = verification.Approved, true
	oldest, newer, update := testEventRow("b", 1, 2, 2), testEventRow("c", 1, 3, 3), testEventRow("b", 2, 4, 4)
	sandbox := testEventRow("d", 1, 1, 5)
	sandbox.Sandbox = true
	put(t, m, done, oldest, newer, update, sandbox)
	must(t, m.PutDelivery(t.Context(), testDeliveryOf(1)))
	must(t, m.PutDelivery(t.Context(), testDeliveryOf(7)))
	must(t, m.PutDelivery(t.Context(), testDeliveryOf(8)))
	progress := Progress{Stream: verificationStream, Sequence: 4, Pending: 2, At: stored(start)}
	must(t, m.PutProgress(t.Context(), progress))

	got, err := m.Stats(t.Context())
	must(t, err)
	kind := done.Data.Kind
	want := Stats{
		Verifications: []VerificationCount{
			{testProvider, kind, verification.Approved, false, 1},
			{testProvider, kind, verification.Pending, false, 2},
			{testProvider, kind, verification.Pending, true, 1},
		},
		Deliveries: []DeliveryCount{{testProvider, OutcomePending, 2}, {testProvider, OutcomeApplied, 5}},
		Progress:   []Progress{progress},
		Open:       []OpenSince{{testProvider, stored(oldest.StoredAt)}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}
