package verification

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

// Reading is what a delivery says of a verification when it is read once more.
type Reading struct {
	Signal Signal
	Cause  Cause // the delivery that was read
}

// Said is all that deliveries say of a verification when they are read once more.
type Said struct {
	// Readings are in the order of their deliveries.
	Readings []Reading
	// Withdrawn are the signals that their deliveries do not tell any more, and Misplaced those that the delivery does not tell any more
	// which they are dated by: the first that still tells it counts.
	Withdrawn, Misplaced []string
}

// Reread is what reading deliveries once more does to a record.
type Reread struct {
	// Changes are the events to be published.
	Changes []Change
	// Saved reports whether the record is another than before, with or without an event.
	Saved bool
	// Left are the deliveries whose signals are left out, because the record is full.
	Left []uint64
}

// Reread merges what deliveries say when they are read by a newer decoder, all at once: a state in which only some of the readings count
// is never announced. Every signal that is new, withdrawn or means
// something else than before makes one change, which says what all of them come to. Where the table alone has changed what the record
// comes to, there is one change. A signal that means what it meant before makes none.
func (k *Kind) Reread(r *Record, said Said) (Reread, error) {
	before := slices.Clone(r.Signals)
	var result Reread
	causes := map[string]Cause{}
	for _, reading := range said.Readings {
		i := r.index(reading.Signal.ID)
		_, read := causes[reading.Signal.ID]
		if !read {
			causes[reading.Signal.ID] = reading.Cause
		}
		if i >= 0 {
			if s := &reading.Signal; !read && slices.Contains(said.Misplaced, s.ID) {
				r.Signals[i].Redate(s.Seq, s.At, s.ReceivedAt, s.Delivery, s.datedBy())
				r.Signals[i].ahead(slices.Contains(s.Anomalies, AnomalyClockAhead))
			}
			merged, err := merge(r.Signals[i].Signal, reading.Signal)
			if err != nil {
				return Reread{}, err
			}
			merged.Disowned = false
			r.Signals[i].Signal = merged
			continue
		}
		if len(r.Signals) >= MaxSignals {
			result.Left = append(result.Left, reading.Cause.Seq)
			continue
		}
		r.Signals = append(r.Signals, Entry{Signal: reading.Signal})
	}
	for _, id := range said.Withdrawn {
		if i := r.index(id); i >= 0 {
			r.Signals[i].Disowned = true
		}
	}
	var announced []int
	for i := range r.Signals {
		if i >= len(before) || !sameMeaning(before[i].Signal, r.Signals[i].Signal) {
			announced = append(announced, i)
		}
		result.Saved = result.Saved || i >= len(before) || !equalJSON(before[i], r.Signals[i])
	}
	slices.SortFunc(announced, func(a, b int) int { return k.Compare(&r.Signals[a].Signal, &r.Signals[b].Signal) })
	next := k.Fold(r.set())
	if len(announced) == 0 && r.Version > 0 && !next.Equal(r.State) {
		if i := k.latest(r); i >= 0 {
			announced = []int{i}
		}
	}
	for _, i := range announced {
		cause, read := causes[r.Signals[i].ID]
		if !read {
			cause = r.Signals[i].cause()
		}
		change := r.announce(next, i, cause)
		change.Reread = true
		result.Changes = append(result.Changes, *change)
	}
	result.Saved = result.Saved || len(result.Changes) > 0
	return result, nil
}

// latest is the last signal of the record, in the order of the kind, that a provider sent; -1 where there is none.
func (k *Kind) latest(r *Record) int {
	latest := -1
	for i := range r.Signals {
		if s := &r.Signals[i].Signal; !s.made() && !s.Disowned && (latest < 0 || k.Compare(&r.Signals[latest].Signal, s) < 0) {
			latest = i
		}
	}
	return latest
}

// sameMeaning reports whether two readings of one signal say the same. Which decoder has read it, and which copy was the first, is no
// part of what it says.
func sameMeaning(a, b Signal) bool { return equalJSON(a.meaning(), b.meaning()) }

func (s Signal) meaning() Signal {
	s.Decoder, s.DatedBy, s.Seq, s.ReceivedAt, s.Delivery = 0, 0, 0, time.Time{}, ""
	return s
}

func equalJSON[T any](a, b T) bool {
	ja, errA := json.Marshal(a)
	jb, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(ja, jb)
}
