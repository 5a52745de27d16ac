// Package verificationtest checks the law of verifications on any kind's table: for a given
// content of the stream of deliveries, any order of processing, any number of repetitions and
// any crash ends in the same state.
package verificationtest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// Law checks a kind with random contents. It fails with the smallest content it can find.
func Law(t *testing.T, k *verification.Kind) {
	t.Helper()
	t.Run("any order of processing", rapid.MakeCheck(func(t *rapid.T) { anyOrder(t, k) }))
	t.Run("any order of arrival", rapid.MakeCheck(func(t *rapid.T) { anyArrival(t, k) }))
	t.Run("an old state catches up", rapid.MakeCheck(func(t *rapid.T) { oldState(t, k) }))
	t.Run("a final status stays final", rapid.MakeCheck(func(t *rapid.T) { finalStays(t, k) }))
}

// anyOrder processes one content in two orders, with repetitions, and compares the states.
func anyOrder(t *rapid.T, k *verification.Kind) {
	content := contents(t, k)
	first := newLedger(k)
	first.process(t, content)
	second := newLedger(k)
	second.process(t, rapid.Permutation(content).Draw(t, "order"))
	second.process(t, rapid.SliceOf(rapid.SampledFrom(content)).Draw(t, "repetitions"))
	same(t, first.record.State, second.record.State)
	first.check(t, content)
	second.check(t, content)
}

// anyArrival gives one set of signals two orders of arrival. Where the provider itself orders
// the signals, the arrival must not matter.
func anyArrival(t *rapid.T, k *verification.Kind) {
	signals := onePerson(orderedByProvider(k, distinct(t, k)))
	first := newLedger(k)
	first.process(t, arrive(signals))
	second := newLedger(k)
	second.process(t, arrive(rapid.Permutation(signals).Draw(t, "arrival")))
	same(t, first.record.State, second.record.State, cmpopts.IgnoreFields(verification.State{}, "AnonymizedThrough"))
}

// oldState restores a state from before some deliveries, adopts what the stream holds and
// goes on: nothing is lost, nothing is announced under a version twice.
func oldState(t *rapid.T, k *verification.Kind) {
	content := contents(t, k)
	cut := rapid.IntRange(0, len(content)).Draw(t, "cut")
	whole := newLedger(k)
	whole.process(t, content[:cut])
	restored := newLedger(k)
	restored.process(t, content[:cut])
	backup := restored.record
	backup.Signals = append([]verification.Entry(nil), backup.Signals...)
	restored.process(t, content[cut:])
	whole.process(t, content[cut:])

	// What the old state does before it looks at the stream was never published: it is taken
	// back and must be announced again.
	late := newLedger(k)
	late.record = backup
	late.process(t, rapid.SliceOfN(rapid.SampledFrom(content), 0, 2).Draw(t, "before looking"))
	late.events = nil
	late.record.Retract(backup.Version + 1)
	for _, event := range restored.events {
		if err := k.Adopt(&late.record, event); err != nil {
			t.Fatal(err)
		}
	}
	late.events = append(late.events, restored.events...)
	late.events = append(late.events, k.Reannounce(&late.record)...)
	late.process(t, content)
	same(t, whole.record.State, late.record.State)
	late.check(t, content)
}

// finalStays looks at every event: a status that is not final follows a final one only in a
// new attempt.
func finalStays(t *rapid.T, k *verification.Kind) {
	signals := onePerson(distinct(t, k))
	for n := range signals {
		before, after := k.Fold(sortedPrefix(k, signals, n)), k.Fold(sortedPrefix(k, signals, n+1))
		if n > 0 && before.Status.Final() && !after.Status.Final() && after.Attempt == before.Attempt {
			t.Fatalf("%s became %s in attempt %d", before.Status, after.Status, after.Attempt)
		}
		if after.Decision != nil && after.Decision.Attempt > after.Attempt {
			t.Fatalf("decision of attempt %d in attempt %d", after.Decision.Attempt, after.Attempt)
		}
	}
}

// ledger is a record and all the events that it made.
type ledger struct {
	kind   *verification.Kind
	record verification.Record
	events []verification.Change
}

func newLedger(k *verification.Kind) *ledger { return &ledger{kind: k} }

func (l *ledger) process(t *rapid.T, signals []verification.Signal) {
	for _, s := range signals {
		change, err := l.kind.Apply(&l.record, s)
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			l.events = append(l.events, *change)
		}
	}
}

// check holds the events to what subscribers rely on: versions without gaps, each telling the
// status before it, every signal announced.
func (l *ledger) check(t *rapid.T, content []verification.Signal) {
	announced := map[string]bool{}
	var before verification.Status
	for i, e := range l.events {
		if e.Version != i+1 {
			t.Fatalf("event %d has version %d", i+1, e.Version)
		}
		if e.PreviousStatus != before {
			t.Fatalf("version %d says previous status %q, want %q", e.Version, e.PreviousStatus, before)
		}
		before = e.State.Status
		announced[e.Signal.ID] = true
	}
	for _, s := range content {
		if !announced[s.ID] {
			t.Fatalf("signal %s was never announced", s.ID)
		}
	}
	if n := len(l.events); n > 0 {
		same(t, l.events[n-1].State, l.record.State)
	}
}

func same(t *rapid.T, a, b verification.State, options ...cmp.Option) {
	if diff := cmp.Diff(a, b, append(options, cmpopts.EquateEmpty())...); diff != "" {
		t.Fatal(fmt.Sprintf("states differ (-one +other):\n%s", diff))
	}
}
