package projector

import (
	"slices"
	"sync"

	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// basis is what the claims of one verification follow from: what its events say of its signals, and the row that stands. Whoever settles
// the claims locks it, so that those of one verification are settled one after the other, and often for several events at once. What it
// knows is settled as soon as it is unlocked.
type basis struct {
	sync.Mutex
	arrived arrived
	// complete says that it once knew all events that are in the tables. It has been told of those that this process wrote since.
	complete bool
	versions map[int]struct{}  // of the events that it knows, all of which are in the tables
	signals  map[string]latest // by their ids
	// version is the highest one, and applicant that of its event.
	version   int
	applicant *string
	through   uint64 // up to which position the events say that personal data is gone
	// current is the row of claims as it was read or written last.
	current store.ClaimsRow
}

// latest is what the last of the events of a signal says of it.
type latest struct {
	version int
	signal  verification.Signal
}

// arrived are the events that a basis is told of while somebody else has it.
type arrived struct {
	sync.Mutex
	rows []*store.EventRow
}

// tell has the basis learn of an event, which is in the tables, before its claims are settled next.
func (b *basis) tell(e *store.EventRow) {
	b.arrived.Lock()
	defer b.arrived.Unlock()
	b.arrived.rows = append(b.arrived.rows, e)
}

// collect learns what the basis was told, and reports whether any of that was new.
func (b *basis) collect() (news bool) {
	b.arrived.Lock()
	rows := b.arrived.rows
	b.arrived.rows = nil
	b.arrived.Unlock()
	for _, e := range rows {
		news = b.learn(e) || news
	}
	return news
}

// untold reports whether it knows nothing, and nothing waits to be learned.
func (b *basis) untold() bool {
	b.arrived.Lock()
	defer b.arrived.Unlock()
	return len(b.versions) == 0 && len(b.arrived.rows) == 0
}

func newBasis() *basis {
	b := &basis{}
	b.forget()
	return b
}

// forget makes it a basis that knows nothing.
func (b *basis) forget() {
	b.complete = false
	b.versions, b.signals = map[int]struct{}{}, map[string]latest{}
	b.version, b.applicant, b.through, b.current = 0, nil, 0, store.ClaimsRow{}
}

// knows reports whether it has learned of an event.
func (b *basis) knows(e *store.EventRow) bool {
	_, known := b.versions[e.Data.Version]
	return known
}

// learn adds what an event says, in any order, and reports whether it was new.
func (b *basis) learn(e *store.EventRow) bool {
	if b.knows(e) {
		return false
	}
	v := &e.Data
	b.versions[v.Version] = struct{}{}
	if known, ok := b.signals[v.Signal.ID]; !ok || known.version < v.Version {
		b.signals[v.Signal.ID] = latest{version: v.Version, signal: v.Signal}
	}
	if v.Version > b.version {
		b.version, b.applicant = v.Version, v.Applicant
	}
	b.through = max(b.through, v.AnonymizedThrough)
	return true
}

// effective lists the signals whose claims may be shown, the last in the order of the fold first.
func (b *basis) effective(kind *verification.Kind) []verification.Signal {
	through := max(b.through, b.current.AnonymizedThrough)
	var signals []verification.Signal
	for _, l := range b.signals {
		s := l.signal
		mismatch := kind.OneApplicant && b.applicant != nil && s.Applicant != "" && s.Applicant != *b.applicant
		// Made signals have no position, and so lie before everything that is anonymized.
		if s.Seq > through && !s.Disowned && !mismatch {
			signals = append(signals, s)
		}
	}
	slices.SortFunc(signals, func(a, b verification.Signal) int { return kind.Compare(&b, &a) })
	return signals
}
