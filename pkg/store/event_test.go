package store

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// testEventRow is the event of a version of a verification, caused by the delivery at the position seq.
func testEventRow(reference string, version int, sequence, seq uint64) EventRow {
	id := testID(reference)
	signal := verification.Signal{
		ID: id.Reference + "-signal", Seq: seq, At: start, ReceivedAt: start, Delivery: "delivery-" + id.Reference,
		Event: "done", Says: "pending", Status: verification.Pending, Decoder: 1,
	}
	change := verification.Change{
		Event: string(verification.Pending), Version: version,
		State:  verification.State{Status: verification.Pending, Attempt: 1, Applicant: "person-" + id.Reference},
		Signal: signal, Cause: verification.Cause{ID: signal.Delivery, Seq: seq},
	}
	return EventRow{
		Sequence: sequence, Published: string(verification.Pending),
		StoredAt: start.Add(time.Duration(sequence) * time.Second), Data: event.NewVerification(id, verification.Case, change),
	}
}

func put(t *testing.T, m *ReadModel, events ...EventRow) {
	t.Helper()
	for _, e := range events {
		must(t, m.PutEvent(t.Context(), e))
	}
}

// asStored is an event as the database gives it back.
func asStored(e EventRow) EventRow {
	e.StoredAt = stored(e.StoredAt)
	return e
}

// asRow is an event as the state of its verification.
func asRow(e EventRow) VerificationRow {
	return VerificationRow{Sequence: e.Sequence, UpdatedAt: stored(e.StoredAt), Sandbox: e.Sandbox, Data: e.Data}
}

func testEvent(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	first, second, other := testEventRow("a", 1, 10, 5), testEventRow("a", 2, 12, 6), testEventRow("b", 1, 11, 7)
	sandbox := testEventRow("a", 1, 3, 8)
	sandbox.Sandbox = true
	put(t, m, second, other, first, sandbox, first)

	events, err := m.Events(t.Context(), first.Data.ID, false)
	must(t, err)
	if diff := cmp.Diff([]EventRow{asStored(first), asStored(second)}, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	events, err = m.Events(t.Context(), first.Data.ID, true)
	must(t, err)
	if diff := cmp.Diff([]EventRow{asStored(sandbox)}, events); diff != "" {
		t.Errorf("sandbox events (-want +got):\n%s", diff)
	}
	for _, id := range []string{"yousign/identity_document/none", "nul \x00", "not UTF-8 \xff"} {
		if events, err := m.Events(t.Context(), id, false); err != nil || len(events) != 0 {
			t.Errorf("events of %q: %v, error %v", id, events, err)
		}
	}
}

func testLatestEventStands(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	first, second, third := testEventRow("a", 1, 10, 5), testEventRow("a", 2, 12, 6), testEventRow("a", 3, 15, 9)
	third.Data.Status, third.Data.Final, third.Data.Overdue = verification.Approved, true, true

	for _, step := range []struct{ put, want EventRow }{{second, second}, {first, second}, {third, third}, {second, third}} {
		put(t, m, step.put)
		got, err := m.Verification(t.Context(), first.Data.ID, false)
		must(t, err)
		if diff := cmp.Diff(asRow(step.want), got); diff != "" {
			t.Errorf("after version %d (-want +got):\n%s", step.put.Data.Version, diff)
		}
	}
	for _, id := range []string{testID("none").String(), "nul \x00", "not UTF-8 \xff"} {
		notFound(t, func() error { _, err := m.Verification(t.Context(), id, false); return err })
	}
	notFound(t, func() error { _, err := m.Verification(t.Context(), first.Data.ID, true); return err })
}

// testOddReferences puts references that a database would refuse to store or to index.
func testOddReferences(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	for i, odd := range []string{"nul \x00 in it", strings.Repeat("long", 2000), strings.Repeat("x", maxReference), "\u00e9\U0001f600", "'; --"} {
		e := testEventRow(string(rune('a'+i)), 1, uint64(i+1), uint64(i+1))
		e.Data.Applicant, e.Data.ExternalReference = &odd, &odd
		put(t, m, e)
		for _, filter := range []VerificationFilter{{Applicant: odd, Limit: 9}, {ExternalReference: odd, Limit: 9}} {
			page, err := m.Verifications(t.Context(), filter)
			must(t, err)
			if diff := cmp.Diff([]VerificationRow{asRow(e)}, page.Rows); diff != "" {
				t.Errorf("by %.20q (-want +got):\n%s", odd, diff)
			}
		}
	}
}

func testUnknownValues(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	first, again, other := testEventRow("a", 1, 1, 1), testEventRow("a", 2, 2, 1), testEventRow("b", 1, 3, 2)
	first.Data.Signal.Unknown = []string{"status", "reason"}
	again.Data.Signal.Unknown = []string{"status"} // the same signal, announced again
	other.Data.Signal.Unknown = []string{"status"}
	put(t, m, first, again, other, again)

	st, err := m.Stats(t.Context())
	must(t, err)
	want := []UnknownCount{{testProvider, "reason", 1}, {testProvider, "status", 2}}
	if diff := cmp.Diff(want, st.Unknown); diff != "" {
		t.Errorf("unknown values (-want +got):\n%s", diff)
	}
}
