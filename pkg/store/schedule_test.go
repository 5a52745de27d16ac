package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// everything is behind all dates of these tests.
var everything = start.AddDate(1, 0, 0)

// dueDates returns when the verifications are due, by their ids.
func dueDates(t *testing.T, l *Lifecycle) map[string]time.Time {
	t.Helper()
	due, err := l.Due(t.Context(), everything, 10*rescheduleChunk)
	must(t, err)
	dates := map[string]time.Time{}
	for _, d := range due {
		dates[fmt.Sprint(d.Sandbox, d.ID)] = d.At
	}
	return dates
}

// testReschedule gives more verifications their dates than one transaction does.
func testReschedule(t *testing.T, at place) {
	place := at(t)
	l := newLifecycle(t, place)
	other, err := OpenLifecycle(t.Context(), place, "idenfy")
	must(t, err)
	defer func() { check(t, other.Close()) }()
	foreign := waitingRecord("x", start)
	foreign.ID.Provider = "idenfy"
	save(t, other, foreign, Dates{Due: start})
	want := map[string]time.Time{}
	must(t, l.Update(t.Context(), func(tx *Tx) error {
		for i := range rescheduleChunk + 1 {
			rec := waitingRecord(fmt.Sprint("r", i), start)
			for _, rec.Sandbox = range []bool{false, true} {
				want[fmt.Sprint(rec.Sandbox, rec.ID)] = stored(start.Add(time.Hour))
				check(t, tx.Save(t.Context(), rec, Dates{Due: start, RetainUntil: start}))
			}
		}
		return nil
	}))
	delete(want, fmt.Sprint(true, testID("r7")))
	looked := 0
	later := func(rec *verification.Record) Dates {
		looked++
		if rec.State.Status != verification.Pending || len(rec.Signals) != 1 {
			t.Errorf("asked about %+v", rec)
		}
		if rec.Sandbox && rec.ID == testID("r7") {
			return Dates{RetainUntil: start}
		}
		return Dates{Due: start.Add(time.Hour)}
	}
	must(t, l.Reschedule(t.Context(), "later", later))
	if diff := cmp.Diff(want, dueDates(t, l)); diff != "" {
		t.Errorf("due (-want +got):\n%s", diff)
	}
	retained, err := l.Retained(t.Context(), everything, 10)
	must(t, err)
	if diff := cmp.Diff([]Retained{{ID: testID("r7"), Sandbox: true, Until: stored(start)}}, retained); diff != "" {
		t.Errorf("retained (-want +got):\n%s", diff)
	}
	if got := dueDates(t, other); len(got) != 1 || got[fmt.Sprint(false, foreign.ID)] != stored(start) {
		t.Errorf("dates of another provider: %v", got)
	}

	looked = 0
	must(t, l.Reschedule(t.Context(), "later", later))
	if looked != 0 {
		t.Errorf("looked at %d verifications under the same settings", looked)
	}
	must(t, l.Reschedule(t.Context(), "never", func(*verification.Record) Dates { return Dates{} }))
	if got := dueDates(t, l); len(got) != 0 {
		t.Errorf("due: %v", got)
	}
	must(t, l.Reset(t.Context()))
	save(t, l, waitingRecord("a", start), Dates{})
	must(t, l.Reschedule(t.Context(), "never", later))
	if got := dueDates(t, l); len(got) != 1 {
		t.Errorf("after the state was forgotten, its settings were not: %v", got)
	}
}

// testRescheduleAgain ends on the way from one setting to another, and goes back to the first.
func testRescheduleAgain(t *testing.T, at place) {
	l := newLifecycle(t, at(t))
	for i := range rescheduleChunk + 1 {
		save(t, l, waitingRecord(fmt.Sprint("r", i), start), Dates{})
	}
	by := func(d time.Duration) func(*verification.Record) Dates {
		return func(*verification.Record) Dates { return Dates{Due: start.Add(d)} }
	}
	must(t, l.Reschedule(t.Context(), "first", by(time.Hour)))
	looked := 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := l.Reschedule(ctx, "second", func(*verification.Record) Dates {
		if looked++; looked > rescheduleChunk {
			cancel()
		}
		return Dates{Due: start.Add(time.Minute)}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the end of the context was reported as %v", err)
	}
	if half := dueDates(t, l); half[fmt.Sprint(false, testID("r0"))] != stored(start.Add(time.Minute)) {
		t.Fatalf("the first transaction has left %v", half)
	}
	must(t, l.Reschedule(t.Context(), "first", by(time.Hour)))
	for id, due := range dueDates(t, l) {
		if due != stored(start.Add(time.Hour)) {
			t.Errorf("%s is due at %v", id, due)
		}
	}
}
