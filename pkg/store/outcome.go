package store

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// What became of a delivery; exactly one in the end.
const (
	OutcomeHeld      = "held"                // waits to be released
	OutcomeRejected  = "rejected"            // was refused
	OutcomeDead      = "dead"                // could not be processed
	OutcomeExpired   = "expired_unprocessed" // its time ran out before it was processed
	OutcomeUnhandled = "unhandled"           // is of an event that is not known
	OutcomeRepeat    = "repeat"              // said what was known
	OutcomeApplied   = "applied"             // made an event
)

// OutcomePending is a delivery without an outcome yet, in filters and counts.
const OutcomePending = "pending"

// Outcomes lists every outcome. A later one is never replaced by an earlier one: a delivery that failed may still be
// applied, and what was applied stays so.
var Outcomes = []string{
	OutcomeHeld, OutcomeRejected, // of deliveries in streams of their own
	OutcomeDead, OutcomeExpired, OutcomeUnhandled, OutcomeRepeat, OutcomeApplied,
}

// outcomeRank orders the outcomes; none at all comes before the first.
func outcomeRank(outcome string) int { return slices.Index(Outcomes, outcome) }

// Outcome says what became of a delivery.
type Outcome struct {
	Stream        string
	Sequence      uint64
	EventID       string
	Provider      string
	Event         string
	Outcome       string // one of Outcomes
	Cause         string // of a closed list; may be empty
	Verifications []string
	Anomalies     []string
	At            time.Time
}

// PutOutcome records what became of a delivery, whose own row may come later. An outcome that comes before the known one
// in Outcomes does not replace it; of two equal ones the earlier stands.
func (m *ReadModel) PutOutcome(ctx context.Context, o Outcome) error {
	err := m.put(ctx, Delivery{
		Stream: o.Stream, Sequence: o.Sequence, EventID: o.EventID, Provider: o.Provider, Event: o.Event,
		Outcome: o.Outcome, OutcomeAt: o.At, Cause: o.Cause, Verifications: o.Verifications, Anomalies: o.Anomalies,
	})
	return wrap("put outcome", err)
}

const expireUnprocessed = `UPDATE delivery SET outcome = $1, outcome_at = $2
	WHERE outcome = '' AND received_at < $3 AND listed_at < $3 AND provider = $4 AND stream = $5`

// ExpireUnprocessed gives the provider's webhooks that were received before a time and have no outcome the outcome
// expired_unprocessed, and returns how many there were.
func (m *ReadModel) ExpireUnprocessed(ctx context.Context, provider string, receivedBefore, now time.Time) (int, error) {
	var n int64
	err := m.db.update(ctx, func(s statements) (err error) {
		n, err = s.exec(ctx, expireUnprocessed, OutcomeExpired, micros(now), micros(receivedBefore), provider, webhookStream)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("expire deliveries: %w", err)
	}
	return int(n), nil
}

// PruneRefusals removes the refused deliveries that were received before a time, and all but the newest ones.
func (m *ReadModel) PruneRefusals(ctx context.Context, receivedBefore time.Time, keep int) error {
	err := m.db.update(ctx, func(s statements) error {
		_, err := s.exec(ctx, `
			DELETE FROM delivery WHERE stream = $1 AND (received_at < $2
				OR sequence <= (SELECT max(sequence) FROM delivery WHERE stream = $1) - $3)`,
			rejectedStream, micros(receivedBefore), keep)
		return err
	})
	return wrap("prune refusals", err)
}
