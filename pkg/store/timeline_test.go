package store

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// sequences are the positions of the events of a page.
func sequences(page EventPage) []uint64 {
	var all []uint64
	for _, row := range page.Rows {
		all = append(all, row.Sequence)
	}
	return all
}

func testTimeline(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	first, other, second := testEventRow("a", 1, 3, 5), testEventRow("b", 1, 4, 7), testEventRow("a", 2, 8, 6)
	sandbox := testEventRow("a", 1, 5, 8)
	sandbox.Sandbox = true
	put(t, m, second, sandbox, other, first)
	must(t, m.PutProgress(t.Context(), Progress{Stream: verificationStream, Sequence: 9, At: start}))
	must(t, m.PutProgress(t.Context(), Progress{Stream: sandboxStream, Sequence: 5, At: start}))

	for _, test := range []struct {
		name    string
		sandbox bool
		after   uint64
		limit   int
		want    EventPage
	}{
		{"all", false, 0, 10, EventPage{[]EventRow{asStored(first), asStored(other), asStored(second)}, 9, ""}},
		{"sandbox", true, 0, 10, EventPage{[]EventRow{asStored(sandbox)}, 5, ""}},
		{"a part", false, 0, 2, EventPage{[]EventRow{asStored(first), asStored(other)}, 4, ""}},
		{"the rest", false, 4, 2, EventPage{[]EventRow{asStored(second)}, 9, ""}},
		{"between", false, 5, 1, EventPage{[]EventRow{asStored(second)}, 8, ""}},
		{"nothing is left", false, 8, 2, EventPage{nil, 9, ""}},
		{"at the end", false, 9, 2, EventPage{nil, 9, ""}},
		{"beyond the end", false, 12, 2, EventPage{nil, 12, ""}},
	} {
		page, err := m.Timeline(t.Context(), EventFilter{Sandbox: test.sandbox}, test.after, test.limit)
		must(t, err)
		if diff := cmp.Diff(test.want, page); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	if _, err := m.Timeline(t.Context(), EventFilter{}, 0, 0); !errors.Is(err, errLimit) {
		t.Errorf("without a limit: error %v", err)
	}
}

// testTimelineWaits writes an event before the one that precedes it in the stream, as a redelivery does.
func testTimelineWaits(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	put(t, m, testEventRow("a", 1, 1, 1), testEventRow("c", 1, 3, 3))
	for _, step := range []struct {
		asOf uint64
		want []uint64
	}{{0, nil}, {1, []uint64{1}}} {
		must(t, m.PutProgress(t.Context(), Progress{Stream: verificationStream, Sequence: step.asOf, At: start}))
		page, err := m.Timeline(t.Context(), EventFilter{}, 0, 10)
		must(t, err)
		if diff := cmp.Diff(step.want, sequences(page)); diff != "" || page.Through != step.asOf {
			t.Errorf("as of %d: through %d (-want +got):\n%s", step.asOf, page.Through, diff)
		}
	}
	put(t, m, testEventRow("b", 1, 2, 2))
	must(t, m.PutProgress(t.Context(), Progress{Stream: verificationStream, Sequence: 3, At: start}))
	page, err := m.Timeline(t.Context(), EventFilter{}, 1, 10)
	must(t, err)
	if diff := cmp.Diff([]uint64{2, 3}, sequences(page)); diff != "" {
		t.Errorf("after the gap was filled (-want +got):\n%s", diff)
	}
}

func testTimelineFilters(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	yes, no := true, false
	text := func(s string) *string { return &s }

	plain := testEventRow("a", 1, 1, 1)
	approved := testEventRow("a", 2, 2, 2)
	approved.Data.Status, approved.Data.Final, approved.Data.ExternalReference = verification.Approved, true, text("case-1")
	approved.Published = "approved"
	noted := testEventRow("a", 3, 3, 3)
	noted.Data.Status, noted.Data.Final, noted.Data.Applicant = verification.Approved, true, nil
	noted.Published = verification.Noted
	step := testEventRow("d", 1, 4, 4)
	step.Data.Provider, step.Data.Kind, step.Data.Scope, step.Data.Overdue = "treezor", "liveness", verification.Step, true
	put(t, m, plain, approved, noted, step)
	must(t, m.PutProgress(t.Context(), Progress{Stream: verificationStream, Sequence: 4, At: start}))

	for _, test := range []struct {
		name   string
		filter EventFilter
		want   []uint64
	}{
		{"all", EventFilter{}, []uint64{1, 2, 3, 4}},
		{"provider", EventFilter{Provider: "treezor"}, []uint64{4}},
		{"kind", EventFilter{Kind: "identity_document"}, []uint64{1, 2, 3}},
		{"scope", EventFilter{Scope: verification.Step}, []uint64{4}},
		{"status", EventFilter{Status: verification.Approved}, []uint64{2, 3}},
		{"published", EventFilter{Published: "approved"}, []uint64{2}},
		{"published otherwise", EventFilter{Published: verification.Noted, Status: verification.Approved}, []uint64{3}},
		{"applicant", EventFilter{Applicant: "person-a"}, []uint64{1, 2}},
		{"nobody", EventFilter{Applicant: "person"}, nil},
		{"external reference", EventFilter{ExternalReference: "case-1"}, []uint64{2}},
		{"final", EventFilter{Final: &yes}, []uint64{2, 3}},
		{"not final", EventFilter{Final: &no}, []uint64{1, 4}},
		{"overdue", EventFilter{Overdue: &yes}, []uint64{4}},
		{"not overdue", EventFilter{Overdue: &no, Final: &no}, []uint64{1}},
		{"sandbox", EventFilter{Sandbox: true}, nil},
	} {
		page, err := m.Timeline(t.Context(), test.filter, 0, 10)
		must(t, err)
		if diff := cmp.Diff(test.want, sequences(page)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if !test.filter.Sandbox && page.Through != 4 {
			t.Errorf("%s: through %d", test.name, page.Through)
		}
	}
}
