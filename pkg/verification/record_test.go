package verification_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// apply applies signals and returns their changes; a signal that makes none is nil.
func apply(t *testing.T, r *verification.Record, set ...verification.Signal) []*verification.Change {
	t.Helper()
	var changes []*verification.Change
	for _, s := range set {
		change, err := sample.Apply(r, s)
		if err != nil {
			t.Fatal(err)
		}
		changes = append(changes, change)
	}
	return changes
}

// copied returns a later copy of a signal.
func copied(s verification.Signal, seq uint64) verification.Signal {
	s.Received(seq, s.ReceivedAt.Add(time.Hour), fmt.Sprintf("d%d again", seq))
	return s
}

func TestApplyAnnouncesEachSignal(t *testing.T) {
	set := told("started", "noted", "yes", "human_yes", "no", "started")
	set[1].Anonymized = true
	set = append(set, verification.NewOverdue(noon, noon, false), verification.NewAnonymized(9, noon, false))
	want := []struct {
		event  string
		before verification.Status
	}{
		{"pending", ""}, {"anonymized", "pending"}, {"approved", "pending"}, {"approved", "approved"}, // decided by a human now
		{"rejected", "approved"}, {"noted", "rejected"}, {"overdue", "rejected"}, {"anonymized", "rejected"},
	}
	var record verification.Record
	for i := range set {
		change := apply(t, &record, set[i])[0]
		if change == nil {
			t.Fatalf("signal %d made no change", i)
		}
		if change.Event != want[i].event || change.PreviousStatus != want[i].before || change.Version != i+1 {
			t.Errorf("signal %d made version %d, %s after %q; want %s after %q",
				i, change.Version, change.Event, change.PreviousStatus, want[i].event, want[i].before)
		}
		if diff := cmp.Diff(set[i], change.Signal); diff != "" {
			t.Errorf("signal %d is announced as another (-signal +announced):\n%s", i, diff)
		}
		cause := verification.Cause{ID: set[i].Delivery, Seq: set[i].Seq}
		if set[i].Delivery == "" {
			cause = verification.Cause{ID: set[i].ID}
		}
		if change.Cause != cause {
			t.Errorf("signal %d was caused by %+v, want %+v", i, change.Cause, cause)
		}
		if record.Version != change.Version || !record.State.Equal(change.State) || record.Signals[i].Version != change.Version {
			t.Errorf("signal %d: the record is at version %d, the change at %d", i, record.Version, change.Version)
		}
	}
}

// An event is published under its status if any of what subscribers decide by changed.
func TestWhatIsNoted(t *testing.T) {
	reason := []verification.Reason{{Code: "c"}}
	for _, c := range []struct {
		name string
		set  []verification.Signal
		want string
	}{
		{"nothing", told("review", "noted"), "noted"},
		{"the same again", told("review", "review"), "noted"},
		{"an anomaly", told("review", "unknown_value"), "noted"},
		{"a status refused", told("yes", "review"), "noted"},
		{"a reference", func() []verification.Signal {
			set := told("review", "noted")
			set[1].ExternalReference = "x"
			return set
		}(), "noted"},
		{"the decider", told("yes", "human_yes"), "approved"},
		{"the reasons", func() []verification.Signal { set := told("no", "no"); set[1].Reasons = reason; return set }(), "rejected"},
		{"the opinion", func() []verification.Signal {
			set := told("review", "review")
			set[1].Preliminary = verification.Rejected
			return set
		}(), "awaiting_review"},
		{"what is superseded alone", told("yes@5", "no@1"), "approved"},
		{"the attempt", told("left", "started"), "pending"},
		{"the first, without a status", told("noted"), "processing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var record verification.Record
			changes := apply(t, &record, c.set...)
			if got := changes[len(changes)-1].Event; got != c.want {
				t.Errorf("event is %s, want %s", got, c.want)
			}
		})
	}
}

func TestApplyCopies(t *testing.T) {
	var record verification.Record
	set := told("no", "yes")
	apply(t, &record, set...)
	before := record.State
	if changes := apply(t, &record, set[0], copied(set[1], 9)); changes[0] != nil || changes[1] != nil {
		t.Errorf("copies made changes: %+v", changes)
	}
	if record.Version != 2 || len(record.Signals) != 2 || !record.State.Equal(before) {
		t.Errorf("copies changed the record: %+v", record)
	}

	better := copied(set[1], 9)
	better.Decoder, better.Says = 1, "human_yes"
	change := apply(t, &record, better)[0]
	if change == nil || change.Event != "approved" || change.State.By != verification.ByHuman || change.Version != 3 {
		t.Fatalf("a better decoder made %+v", change)
	}
	if change.Signal.Seq != 2 || change.Cause != (verification.Cause{ID: "d9 again", Seq: 9}) {
		t.Errorf("it stands at %d and was caused by %+v", change.Signal.Seq, change.Cause)
	}
	if got, known := record.Find("s1"); !known || got.Says != "human_yes" {
		t.Errorf("the record has %+v", got)
	}
	if _, known := record.Find("s2"); known {
		t.Error("the record has a signal that it was never given")
	}
}

// An earlier copy that comes late can decide otherwise: its position orders the signals.
func TestApplyEarlierCopy(t *testing.T) {
	var record verification.Record
	set := told("yes@0", "no@0")
	set[0].Seq = 5
	apply(t, &record, set...)
	if record.State.Status != verification.Approved {
		t.Fatalf("status is %s", record.State.Status)
	}
	set[0].Seq = 1
	change := apply(t, &record, set[0])[0]
	if change == nil || change.State.Status != verification.Rejected || change.Version != 3 {
		t.Errorf("the earlier copy made %+v", change)
	}
}

func TestTooManySignals(t *testing.T) {
	var record verification.Record
	for i := range verification.MaxSignals {
		s := verification.Signal{ID: fmt.Sprintf("s%d", i), Says: "review", Seq: uint64(i + 1), At: noon}
		apply(t, &record, s)
	}
	before := record
	_, err := sample.Apply(&record, verification.Signal{ID: "more", Says: "yes", Seq: 9999})
	if !errors.Is(err, verification.ErrTooManySignals) {
		t.Errorf("error is %v", err)
	}
	if diff := cmp.Diff(before, record); diff != "" {
		t.Errorf("the record was changed (-before +after):\n%s", diff)
	}
	if change := apply(t, &record, copied(record.Signals[0].Signal, 999))[0]; change != nil {
		t.Errorf("a copy made %+v", change)
	}
}

func TestDisown(t *testing.T) {
	var record verification.Record
	cause := verification.Cause{ID: "d7", Seq: 7}
	apply(t, &record, told("review", "yes")...)
	if change := sample.Disown(&record, "s9", true, cause); change != nil {
		t.Errorf("an unknown signal made %+v", change)
	}
	if change := sample.Disown(&record, "s1", false, cause); change != nil {
		t.Errorf("what was known made %+v", change)
	}
	taken := sample.Disown(&record, "s1", true, cause)
	if taken == nil || taken.Event != "awaiting_review" || taken.Version != 3 || !taken.Signal.Disowned || taken.Cause != cause {
		t.Errorf("disowning made %+v", taken)
	}
	given := sample.Disown(&record, "s1", false, cause)
	if given == nil || given.Event != "approved" || given.Version != 4 || given.Signal.Disowned {
		t.Errorf("giving back made %+v", given)
	}
}

func TestRecordCounts(t *testing.T) {
	var record verification.Record
	if !record.ReceivedLast().IsZero() || record.Through() != 0 {
		t.Error("an empty record has deliveries")
	}
	set := told("started", "yes")
	set[0].Seq = 9
	apply(t, &record, append(set, verification.NewAnonymized(99, noon.AddDate(1, 0, 0), false))...)
	if got, want := record.ReceivedLast(), noon.Add(24*time.Hour); !got.Equal(want) || record.Through() != 9 {
		t.Errorf("received last at %s through %d, want %s through 9", got, record.Through(), want)
	}
}

func TestFill(t *testing.T) {
	s := verification.Signal{Says: "human_yes"}
	if err := sample.Fill(&s); err != nil || s.Status != verification.Approved || s.By != verification.ByHuman {
		t.Errorf("filled as %s by %q, %v", s.Status, s.By, err)
	}
	for _, says := range []string{verification.SaysNothing, verification.SaysUnknown} {
		if err := sample.Fill(&verification.Signal{Says: says}); err != nil {
			t.Error(err)
		}
	}
	if err := sample.Fill(&verification.Signal{Says: "telepathy"}); err == nil {
		t.Error("a row that the table lacks was filled")
	}
}
