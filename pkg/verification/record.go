package verification

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxSignals bounds the signals of one verification, so that no sender can make one state
// grow without end.
const MaxSignals = 500

// ErrTooManySignals is returned for a new signal of a verification that has MaxSignals.
var ErrTooManySignals = errors.New("too many signals for one verification")

// Record is one verification as it is kept: the set of its signals, and how far it has been
// announced. State is what the last event said.
type Record struct {
	ID      ID
	Sandbox bool
	// Version is that of the last event, 0 before the first.
	Version int
	State   State
	Signals []Entry
}

// Entry is a signal of a record, with the version of the event that announced it last; 0
// means that it still has to be announced.
type Entry struct {
	Signal
	Version int `json:"version"`
	// Cause is the position of the delivery that caused that event.
	Cause uint64 `json:"cause,omitempty"`
}

// Change is one event to be published: what one signal changed.
type Change struct {
	Event          string // the status that the event is published under, see EventStatuses
	Version        int
	PreviousStatus Status // of the version before, empty for the first
	State          State
	Signal         Signal
	Cause          Cause
	// Reread reports that deliveries were read once more by a newer version: only then, or because a signal is disowned, may a final
	// status be taken back.
	Reread bool
}

// Cause is the delivery that brought a change, or the made signal that is its own cause. It
// need not be the delivery that brought the first copy of the signal.
type Cause struct {
	ID  string
	Seq uint64
}

// cause is the delivery that a signal came with just now.
func (s *Signal) cause() Cause {
	if s.made() {
		return Cause{ID: s.ID}
	}
	return Cause{ID: s.Delivery, Seq: s.Seq}
}

// Apply merges a signal into the record: one that was received, or a made one. A new signal always makes exactly one change. A copy
// makes one only where it alters the state: then the earlier position or the better decoder
// of the copy decides otherwise. Else the change is nil: nothing happened, though the record
// may know an earlier position now. It returns ErrTooManySignals, and the record as it was.
func (k *Kind) Apply(r *Record, s Signal) (*Change, error) { return k.ApplyFor(r, s, s.cause()) }

// ApplyFor is Apply for a signal whose first copy is known to be another delivery than the
// one that brings it now.
func (k *Kind) ApplyFor(r *Record, s Signal, cause Cause) (*Change, error) {
	i := r.index(s.ID)
	if i < 0 {
		// What the lifecycle makes itself is bounded by what it is made of.
		if len(r.Signals) >= MaxSignals && !s.made() {
			return nil, fmt.Errorf("%w: %d", ErrTooManySignals, MaxSignals)
		}
		r.Signals = append(r.Signals, Entry{Signal: s})
		return r.announce(k.Fold(r.set()), len(r.Signals)-1, cause), nil
	}
	merged, err := merge(r.Signals[i].Signal, s)
	if err != nil {
		return nil, err
	}
	r.Signals[i].Signal = merged
	return k.changed(r, i, cause), nil
}

// Disown takes the effect of a signal away, or gives it back: the payload belongs to another
// verification, where it was seen first. The change is nil where that was known.
func (k *Kind) Disown(r *Record, signal string, disowned bool, cause Cause) *Change {
	i := r.index(signal)
	if i < 0 || r.Signals[i].Disowned == disowned {
		return nil
	}
	r.Signals[i].Disowned = disowned
	return r.announce(k.Fold(r.set()), i, cause)
}

// Adopt merges an event of the stream into a record that may be behind it. What the record
// has announced under the same version, and the stream has not, must be announced again.
func (k *Kind) Adopt(r *Record, c Change) error {
	for i := range r.Signals {
		if e := &r.Signals[i]; e.Version == c.Version && e.ID != c.Signal.ID {
			e.Version = 0
		}
	}
	if c.Version >= r.Version {
		r.Version, r.State = c.Version, c.State
	}
	i := r.index(c.Signal.ID)
	if i < 0 {
		r.Signals = append(r.Signals, Entry{Signal: c.Signal, Version: c.Version, Cause: c.Cause.Seq})
		return nil
	}
	e := &r.Signals[i]
	ours, theirs := e.Signal, c.Signal
	if c.Version >= e.Version {
		ours, theirs = theirs, ours
		e.Cause = c.Cause.Seq
	}
	merged, err := merge(ours, theirs)
	if err != nil {
		return err
	}
	e.Signal, e.Version = merged, max(e.Version, c.Version)
	return nil
}

// Retract takes back what the record has announced from a version on: it never got into the
// stream. An event of the stream must be adopted next, since it alone tells the state.
func (r *Record) Retract(from int) {
	if from > r.Version {
		return
	}
	for i := range r.Signals {
		if r.Signals[i].Version >= from {
			r.Signals[i].Version = 0
		}
	}
	r.Version = from - 1
}

// Reannounce makes the changes for all signals that still have to be announced, in the order
// of their deliveries.
func (k *Kind) Reannounce(r *Record) []Change {
	var waiting []int
	for i := range r.Signals {
		if r.Signals[i].Version == 0 {
			waiting = append(waiting, i)
		}
	}
	slices.SortFunc(waiting, func(a, b int) int {
		return cmp.Or(cmp.Compare(r.Signals[a].Seq, r.Signals[b].Seq), cmp.Compare(r.Signals[a].ID, r.Signals[b].ID))
	})
	changes := make([]Change, 0, len(waiting))
	for _, i := range waiting {
		changes = append(changes, *r.announce(k.Fold(r.set()), i, r.Signals[i].cause()))
	}
	return changes
}

// set returns the signals of the record without their versions.
func (r *Record) set() []Signal {
	set := make([]Signal, len(r.Signals))
	for i := range r.Signals {
		set[i] = r.Signals[i].Signal
	}
	return set
}

// ReceivedLast is when the newest delivery of the record was received: retention counts from
// it. It is zero where no delivery has an effect.
func (r *Record) ReceivedLast() time.Time {
	var last time.Time
	for i := range r.Signals {
		if s := &r.Signals[i]; !s.made() && s.ReceivedAt.After(last) {
			last = s.ReceivedAt
		}
	}
	return last
}

// Through is the position of the newest delivery of the record.
func (r *Record) Through() uint64 {
	var through uint64
	for i := range r.Signals {
		through = max(through, r.Signals[i].Seq)
	}
	return through
}

// Find returns the entry of a signal.
func (r *Record) Find(signal string) (Entry, bool) {
	if i := r.index(signal); i >= 0 {
		return r.Signals[i], true
	}
	return Entry{}, false
}

func (r *Record) index(signal string) int {
	return slices.IndexFunc(r.Signals, func(e Entry) bool { return e.ID == signal })
}

// changed announces the entry where the set comes to another state than the last event said.
func (k *Kind) changed(r *Record, i int, cause Cause) *Change {
	next := k.Fold(r.set())
	if next.Equal(r.State) {
		return nil
	}
	return r.announce(next, i, cause)
}

// announce makes the next version's change of the entry.
func (r *Record) announce(next State, i int, cause Cause) *Change {
	before := r.State
	if r.Version == 0 {
		before = State{}
	}
	r.Version++
	r.State = next
	r.Signals[i].Version, r.Signals[i].Cause = r.Version, cause.Seq
	return &Change{
		Event: eventOf(before, next, &r.Signals[i].Signal), Version: r.Version,
		PreviousStatus: before.Status, State: next, Signal: r.Signals[i].Signal, Cause: cause,
	}
}

// eventOf names the event: the status where anything that a subscriber decides by changed.
func eventOf(before, next State, s *Signal) string {
	switch {
	case s.made():
		return s.Says
	case before.Status != next.Status, !equalJSON(before.decisive(), next.decisive()):
		return string(next.Status)
	case next.DataAnonymized && !before.DataAnonymized:
		return Anonymized
	default:
		return Noted
	}
}

// decisive is the part of the state that subscribers decide by.
func (s State) decisive() State {
	return State{
		Status: s.Status, Attempt: s.Attempt, By: s.By, Reasons: s.Reasons,
		Supersedes: s.Supersedes, Preliminary: s.Preliminary,
	}
}

// Equal reports whether two states say the same.
func (s State) Equal(o State) bool { return equalJSON(s, o) }
