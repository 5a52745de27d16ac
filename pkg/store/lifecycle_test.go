package store

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/verdict-stream/verdict/pkg/verification"
)

func testID(reference string) verification.ID {
	return verification.NewID(testProvider, "identity_document", reference)
}

// waitingRecord is one that waits for a decision until due.
func waitingRecord(reference string, due time.Time) *verification.Record {
	return &verification.Record{
		ID: testID(reference), Version: 1,
		State: verification.State{
			Status: verification.Pending, Attempt: 1, ReviewDueAt: &due,
			Reasons: []verification.Reason{{Code: "blurry", Category: verification.CategoryDocument, Source: "status_codes"}},
		},
		Signals: []verification.Entry{{
			Signal:  verification.Signal{ID: "aa11#0", Seq: 7, At: start, ReceivedAt: start, Event: "done", Says: "pending", Decoder: 1},
			Version: 1,
		}},
	}
}

func save(t *testing.T, l *Lifecycle, rec *verification.Record, dates Dates) {
	t.Helper()
	must(t, l.Update(t.Context(), func(tx *Tx) error { return tx.Save(t.Context(), rec, dates) }))
}

func load(t *testing.T, l *Lifecycle, id verification.ID, sandbox bool) (rec *verification.Record) {
	t.Helper()
	must(t, l.Update(t.Context(), func(tx *Tx) (err error) {
		rec, err = tx.Record(t.Context(), id, sandbox)
		return err
	}))
	return rec
}

func testRecord(t *testing.T, at place) {
	l := newLifecycle(t, at(t))
	id := testID("doc/1 é")

	empty := &verification.Record{ID: id, Sandbox: true}
	if diff := cmp.Diff(empty, load(t, l, id, true)); diff != "" {
		t.Errorf("a record that is not there (-want +got):\n%s", diff)
	}

	rec := waitingRecord("doc/1 é", start)
	rec.Sandbox = true
	save(t, l, rec, Dates{})
	if diff := cmp.Diff(rec, load(t, l, id, true)); diff != "" {
		t.Errorf("saved record (-want +got):\n%s", diff)
	}
	if got := load(t, l, id, false); got.Version != 0 {
		t.Errorf("the record is also there without sandbox, with version %d", got.Version)
	}

	rec.Version, rec.State.Status, rec.Signals = 2, verification.Approved, append(rec.Signals, verification.Entry{Version: 2})
	save(t, l, rec, Dates{})
	if diff := cmp.Diff(rec, load(t, l, id, true)); diff != "" {
		t.Errorf("record saved again (-want +got):\n%s", diff)
	}
}

func testRecordsOfProviders(t *testing.T, at place) {
	place := at(t)
	mine := newLifecycle(t, place)
	other, err := OpenLifecycle(t.Context(), place, "idenfy")
	must(t, err)
	defer func() { check(t, other.Close()) }()

	save(t, mine, waitingRecord("a", start), Dates{})
	save(t, mine, waitingRecord("b", start), Dates{})
	foreign := waitingRecord("c", start)
	foreign.ID.Provider = "idenfy"
	save(t, other, foreign, Dates{})

	for _, test := range []struct {
		l    *Lifecycle
		want []string
	}{{mine, []string{testID("a").String(), testID("b").String()}}, {other, []string{foreign.ID.String()}}} {
		var got []string
		must(t, test.l.Records(t.Context(), func(rec *verification.Record) error {
			got = append(got, rec.ID.String())
			return nil
		}))
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("records of %s (-want +got):\n%s", test.l.provider, diff)
		}
	}

	stop := errors.New("stop")
	if err := mine.Records(t.Context(), func(*verification.Record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("an error of the function was reported as %v", err)
	}
}

func testDates(t *testing.T, at place) {
	l := newLifecycle(t, at(t))
	hour := func(n int) time.Time { return start.Add(time.Duration(n) * time.Hour) }

	save(t, l, waitingRecord("late", start), Dates{Due: hour(2), RetainUntil: hour(20)})
	save(t, l, waitingRecord("early", start), Dates{Due: hour(1), RetainUntil: hour(10)})
	save(t, l, waitingRecord("kept", start), Dates{RetainUntil: hour(30)})
	save(t, l, waitingRecord("gone", start), Dates{Due: hour(3)})
	save(t, l, waitingRecord("never", start), Dates{Due: hour(1), RetainUntil: hour(10)})
	save(t, l, waitingRecord("never", start), Dates{})
	sandbox := waitingRecord("sandbox", start)
	sandbox.Sandbox = true
	save(t, l, sandbox, Dates{Due: hour(1), RetainUntil: hour(10)})

	due := func(reference string, n int) Due { return Due{ID: testID(reference), At: stored(hour(n))} }
	inSandbox := Due{ID: testID("sandbox"), Sandbox: true, At: stored(hour(1))}
	for _, test := range []struct {
		before time.Time
		limit  int
		want   []Due
	}{
		{hour(1).Add(-time.Millisecond), 10, nil},
		{hour(1), 10, []Due{due("early", 1), inSandbox}},
		{hour(9), 10, []Due{due("early", 1), inSandbox, due("late", 2), due("gone", 3)}},
		{hour(9), 1, []Due{due("early", 1)}},
	} {
		got, err := l.Due(t.Context(), test.before, test.limit)
		must(t, err)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("due before %v, at most %d (-want +got):\n%s", test.before, test.limit, diff)
		}
	}

	retained := func(reference string, n int) Retained { return Retained{ID: testID(reference), Until: stored(hour(n))} }
	got, err := l.Retained(t.Context(), hour(20), 10)
	must(t, err)
	want := []Retained{retained("early", 10), {ID: testID("sandbox"), Sandbox: true, Until: stored(hour(10))}, retained("late", 20)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("retained (-want +got):\n%s", diff)
	}
}

func testOwner(t *testing.T, at place) {
	l := newLifecycle(t, at(t))
	first := Owner{Verification: testID("a"), Event: "qes_created", Seq: 9}
	second := Owner{Verification: testID("b"), Event: "qes_finalized", Seq: 4}
	must(t, l.Update(t.Context(), func(tx *Tx) error {
		if _, found, err := tx.Owner(t.Context(), "s1"); err != nil || found {
			t.Errorf("owner of a new signal: found %v, error %v", found, err)
		}
		for _, want := range []Owner{first, second} {
			check(t, tx.SetOwner(t.Context(), "s1", want))
			got, found, err := tx.Owner(t.Context(), "s1")
			if diff := cmp.Diff(want, got); err != nil || !found || diff != "" {
				t.Errorf("owner: found %v, error %v (-want +got):\n%s", found, err, diff)
			}
		}
		return nil
	}))
}

func testPayload(t *testing.T, at place) {
	l := newLifecycle(t, at(t))
	owner := Owner{Verification: testID("a"), Event: "qes_created", Seq: 9}
	seen := start.Truncate(time.Microsecond)
	sighting := Sighting{Seq: 4, At: seen, ReceivedAt: seen.Add(time.Second), Delivery: "p:d"}
	must(t, l.Update(t.Context(), func(tx *Tx) error {
		check(t, tx.SetOwner(t.Context(), "owned", owner))
		check(t, tx.SetOwner(t.Context(), "both", owner))
		check(t, tx.AddSighting(t.Context(), "sighted", sighting))
		check(t, tx.AddSighting(t.Context(), "both", sighting))
		for signal, want := range map[string]Payload{
			"neither": {},
			"owned":   {Owner: owner, Owned: true},
			"sighted": {Sighting: sighting, Sighted: true},
			"both":    {Owner: owner, Owned: true, Sighting: sighting, Sighted: true},
		} {
			got, err := tx.Payload(t.Context(), signal)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s: error %v (-want +got):\n%s", signal, err, diff)
			}
		}
		return nil
	}))
}

func testUpdateAllOrNothing(t *testing.T, at place) {
	l := newLifecycle(t, at(t))
	before := dump(t, l.db, lifecycleTables...)
	failure := errors.New("failure")
	everything := func(tx *Tx) error {
		check(t, tx.Save(t.Context(), waitingRecord("a", start), Dates{}))
		check(t, tx.SetOwner(t.Context(), "s1", Owner{Verification: testID("a")}))
		check(t, tx.Append(t.Context(), OutboxRow{Lane: "L", EventID: "x@1"}))
		check(t, tx.SetPosition(t.Context(), "L", Position{Stream: "s", Seq: 3}))
		return failure
	}
	if err := l.Update(t.Context(), everything); !errors.Is(err, failure) {
		t.Errorf("the error of the function was reported as %v", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a panic was swallowed")
			}
		}()
		_ = l.Update(t.Context(), func(tx *Tx) error { panic(everything(tx)) })
	}()
	if diff := cmp.Diff(before, dump(t, l.db, lifecycleTables...)); diff != "" {
		t.Errorf("what a failed transaction left (-want +got):\n%s", diff)
	}
}

// testUpdatesTakeTurns counts in a record from several goroutines: a lost update is a number missing.
func testUpdatesTakeTurns(t *testing.T, at place) {
	l := newLifecycle(t, at(t))
	const goroutines, each = 4, 10
	var group sync.WaitGroup
	for range goroutines {
		group.Go(func() {
			for range each {
				check(t, l.Update(t.Context(), func(tx *Tx) error {
					rec, err := tx.Record(t.Context(), testID("a"), false)
					if err != nil {
						return err
					}
					rec.Version++
					rec.State.Status = verification.Pending
					return tx.Save(t.Context(), rec, Dates{})
				}))
			}
		})
	}
	group.Wait()
	if got := load(t, l, testID("a"), false).Version; got != goroutines*each {
		t.Errorf("%d updates counted %d", goroutines*each, got)
	}
}

func testPosition(t *testing.T, at place) {
	l := newLifecycle(t, at(t))
	position := func(want Position) {
		t.Helper()
		got, err := l.Position(t.Context(), "KYC_VERIFICATIONS")
		must(t, err)
		if got != want {
			t.Errorf("position is %v, want %v", got, want)
		}
	}
	position(Position{})
	for _, p := range []Position{{"first", 9}, {"second", 4}} {
		must(t, l.SetPosition(t.Context(), "KYC_VERIFICATIONS", p))
		position(p)
	}
	must(t, l.SetPosition(t.Context(), "KYC_SANDBOX", Position{"third", 1}))
	position(Position{"second", 4})
	must(t, l.Update(t.Context(), func(tx *Tx) error {
		check(t, tx.SetPosition(t.Context(), "KYC_VERIFICATIONS", Position{"fourth", 5}))
		got, err := tx.Position(t.Context(), "KYC_VERIFICATIONS")
		if want := (Position{"fourth", 5}); got != want {
			t.Errorf("position within the transaction is %v, want %v", got, want)
		}
		return err
	}))
	position(Position{"fourth", 5})
}

func testReset(t *testing.T, at place) {
	place := at(t)
	l := newLifecycle(t, place)
	other, err := OpenLifecycle(t.Context(), place, "idenfy")
	must(t, err)
	defer func() { check(t, other.Close()) }()
	for _, l := range []*Lifecycle{l, other} {
		must(t, l.Update(t.Context(), func(tx *Tx) error {
			return errors.Join(
				tx.Save(t.Context(), waitingRecord("a", start), Dates{}),
				tx.SetOwner(t.Context(), "s1", Owner{Verification: testID("a")}),
				tx.Append(t.Context(), OutboxRow{Lane: "L", EventID: "x@1"}),
				tx.SetPosition(t.Context(), "L", Position{Stream: "s", Seq: 3}))
		}))
	}
	before, err := l.Waiting(t.Context(), "L", 0, 10)
	must(t, err)

	must(t, l.Reset(t.Context()))

	var left []*verification.Record
	must(t, l.Records(t.Context(), func(rec *verification.Record) error { left = append(left, rec); return nil }))
	waiting, err := l.Waiting(t.Context(), "L", 0, 10)
	must(t, err)
	at0, err := l.Position(t.Context(), "L")
	must(t, err)
	if len(left) != 0 || len(waiting) != 0 || at0 != (Position{}) {
		t.Errorf("after the reset there are records %v, outbox %v, position %v", left, waiting, at0)
	}
	must(t, l.Update(t.Context(), func(tx *Tx) error {
		if _, found, err := tx.Owner(t.Context(), "s1"); err != nil || found {
			t.Errorf("after the reset an owner is there: %v, error %v", found, err)
		}
		return tx.Append(t.Context(), OutboxRow{Lane: "L", EventID: "x@1"})
	}))
	after, err := l.Waiting(t.Context(), "L", 0, 10)
	must(t, err)
	if after[0].ID <= before[0].ID {
		t.Errorf("the outbox numbers go on with %d after %d", after[0].ID, before[0].ID)
	}
	others, err := other.Waiting(t.Context(), "L", 0, 10)
	must(t, err)
	if diff := cmp.Diff([]OutboxRow{{Lane: "L", EventID: "x@1"}}, others, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(OutboxRow{}, "ID")); diff != "" {
		t.Errorf("the other provider's outbox (-want +got):\n%s", diff)
	}
}
