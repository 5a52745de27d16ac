package verification

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Kind is one kind of verification of one provider, as data: what its signals can say, how
// the provider orders them, and when a verification without a decision is overdue.
type Kind struct {
	Provider string // the provider's name, as in subjects and ids
	Name     string // as in subjects and ids
	Scope    Scope
	// Order is how the provider orders the signals of one verification; position in the
	// stream and signal id come after it.
	Order []OrderField
	// Table has one row for each thing that a signal can say.
	Table []Row
	// Deadline is how long a status that waits may stand, counted from the signal that set
	// it; 0 means that nothing is ever overdue. DeadlineFor lists the statuses that wait;
	// empty means every status that is not final.
	Deadline    time.Duration
	DeadlineFor []Status
	// OneApplicant holds for a provider whose references are not all signed: all signals of
	// a verification must carry the applicant of the earliest one, else they have no effect.
	OneApplicant bool
}

// Row is what one kind of signal means.
type Row struct {
	Says   string // the name that the decoder gives to the signal
	Status Status
	By     By
	Phase  Phase
	// OpensAfter lists the statuses after which the signal opens a new attempt, provided that
	// the provider's own time of it is later than that of the signal which set the status.
	OpensAfter []Status
	// Anomaly is recorded whenever the signal has an effect.
	Anomaly string
}

// OrderField is one part of the order of signals.
type OrderField string

// The parts of an order. ByAttempt, BySecond and ByTime are the provider's own times.
const (
	ByAttempt OrderField = "attempt" // the attempt key, a missing time last
	ByPhase   OrderField = "phase"
	BySecond  OrderField = "second" // the time in whole seconds
	ByTime    OrderField = "time"
)

// Row returns the row of what a signal says. Two rows stand in every table: a known value
// that means no change, and an unknown value.
func (k *Kind) Row(says string) (Row, bool) {
	if i := slices.IndexFunc(k.Table, func(r Row) bool { return r.Says == says }); i >= 0 {
		return k.Table[i], true
	}
	switch says {
	case SaysNothing:
		return Row{Says: SaysNothing, Phase: PhaseProcessing}, true
	case SaysUnknown:
		return Row{Says: SaysUnknown, Phase: PhaseProcessing, Anomaly: AnomalyUnknownValue}, true
	}
	return Row{}, false
}

// Fill completes a decoded signal with what the row of the table means, so that readers of
// the event need not know the table. It returns an error for a row that the table lacks.
func (k *Kind) Fill(s *Signal) error {
	row, ok := k.Row(s.Says)
	if !ok {
		return fmt.Errorf("kind %s/%s has no row %q", k.Provider, k.Name, s.Says)
	}
	s.Status, s.By = row.Status, row.By
	return nil
}

// Compare orders two signals: negative when a comes before b. It is total: only copies of one
// signal are equal.
func (k *Kind) Compare(a, b *Signal) int {
	return cmp.Or(k.compareProvider(a, b), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.ID, b.ID))
}

// compareProvider orders two signals by what the provider says alone; 0 means that only the
// order of arrival can tell.
func (k *Kind) compareProvider(a, b *Signal) int {
	for _, field := range k.Order {
		if c := k.compareField(field, a, b); c != 0 {
			return c
		}
	}
	return 0
}

// later reports whether the provider's own time of a is later than that of b.
func (k *Kind) later(a, b *Signal) bool {
	for _, field := range k.Order {
		if field == ByPhase {
			continue
		}
		if c := k.compareField(field, a, b); c != 0 {
			return c > 0
		}
	}
	return false
}

func (k *Kind) compareField(field OrderField, a, b *Signal) int {
	switch field {
	case ByAttempt:
		aStart, aFinish := a.Attempt.times()
		bStart, bFinish := b.Attempt.times()
		return cmp.Or(cmp.Compare(aStart, bStart), cmp.Compare(aFinish, bFinish))
	case ByPhase:
		return cmp.Compare(k.phase(a), k.phase(b))
	case BySecond:
		return cmp.Compare(a.At.Unix(), b.At.Unix())
	default:
		return a.At.Compare(b.At)
	}
}

func (k *Kind) phase(s *Signal) Phase {
	row, _ := k.Row(s.Says)
	return row.Phase
}

func (a *AttemptKey) times() (start, finish int64) {
	start, finish = math.MaxInt64, math.MaxInt64
	if a != nil && a.Start != nil {
		start = *a.Start
	}
	if a != nil && a.Finish != nil {
		finish = *a.Finish
	}
	return start, finish
}
