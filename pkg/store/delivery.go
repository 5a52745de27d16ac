package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// Delivery is what is known of one webhook that came in: where and when, and what became of it.
type Delivery struct {
	Stream        string
	Sequence      uint64
	EventID       string
	Provider      string
	Event         string
	ReceivedAt    time.Time // the zero time where only the outcome is known
	Outcome       string    // one of Outcomes; empty where there is none yet
	OutcomeAt     time.Time // when the outcome was known
	Cause         string    // of the outcome
	Verifications []string  // that it is about, sorted
	Anomalies     []string  // sorted
	Traceparent   string
}

var errUnknownOutcome = errors.New("not one of the outcomes")

// PutDelivery records a delivery. What is known of it already stays.
func (m *ReadModel) PutDelivery(ctx context.Context, d Delivery) error {
	return wrap("put delivery", m.put(ctx, d))
}

func (m *ReadModel) put(ctx context.Context, d Delivery) error {
	if d.Outcome != "" && outcomeRank(d.Outcome) < 0 {
		return errUnknownOutcome
	}
	return m.db.update(ctx, func(s statements) error { return m.putDelivery(ctx, s, d) })
}

const deliveryColumns = `stream, sequence, event_id, provider, event, received_at, outcome, outcome_at, cause,
	verifications, anomalies, traceparent`

// putDelivery merges what is told now into what is known. The row is made first, so that of two transactions about a new
// delivery the second waits for the first.
func (m *ReadModel) putDelivery(ctx context.Context, s statements, d Delivery) error {
	_, err := s.exec(ctx, `INSERT INTO delivery (stream, sequence) VALUES ($1, $2) ON CONFLICT (stream, sequence) DO NOTHING`,
		d.Stream, int64(d.Sequence))
	if err != nil {
		return err
	}
	known, err := list(ctx, s, scanDelivery,
		`SELECT `+deliveryColumns+` FROM delivery WHERE stream = $1 AND sequence = $2`+m.db.forUpdate(), d.Stream, int64(d.Sequence))
	if err != nil {
		return err
	}
	for _, k := range known {
		d = mergeDeliveries(k, d)
	}
	verifications, err := json.Marshal(d.Verifications)
	if err != nil {
		return errUnreadable
	}
	anomalies, err := json.Marshal(d.Anomalies)
	if err != nil {
		return errUnreadable
	}
	_, err = s.exec(ctx, `
		UPDATE delivery SET event_id = $3, provider = $4, event = $5, received_at = $6, outcome = $7, outcome_at = $8, cause = $9,
			verifications = $10, anomalies = $11, traceparent = $12, listed_at = $13
		WHERE stream = $1 AND sequence = $2`,
		d.Stream, int64(d.Sequence), d.EventID, d.Provider, d.Event, optionalMicros(d.ReceivedAt), d.Outcome, optionalMicros(d.OutcomeAt),
		d.Cause, string(verifications), string(anomalies), d.Traceparent, d.listedAt())
	return err
}

// listedAt is the place of the delivery in the order of lists. One of which only the outcome is known, because its message was gone
// before it was read, stands where that became known.
func (d *Delivery) listedAt() int64 {
	if d.ReceivedAt.IsZero() {
		return optional(d.OutcomeAt)
	}
	return micros(d.ReceivedAt)
}

// mergeDeliveries returns what two reports about one delivery say together. It is commutative, associative and idempotent,
// given that both say the same of where and when it came in, as far as they say it.
func mergeDeliveries(a, b Delivery) Delivery {
	d := Delivery{
		Stream: a.Stream, Sequence: a.Sequence,
		EventID: cmp.Or(a.EventID, b.EventID), Provider: cmp.Or(a.Provider, b.Provider), Event: cmp.Or(a.Event, b.Event),
		ReceivedAt: a.ReceivedAt, Traceparent: cmp.Or(a.Traceparent, b.Traceparent),
		Verifications: union(a.Verifications, b.Verifications), Anomalies: union(a.Anomalies, b.Anomalies),
	}
	if a.ReceivedAt.IsZero() {
		d.ReceivedAt = b.ReceivedAt
	}
	stands := a
	if compareOutcomes(a, b) > 0 {
		stands = b
	}
	d.Outcome, d.OutcomeAt, d.Cause = stands.Outcome, stands.OutcomeAt, stands.Cause
	return d
}

// compareOutcomes puts the outcome that stands first: the later one in Outcomes, of equal ones the earlier known.
func compareOutcomes(a, b Delivery) int {
	return cmp.Or(
		cmp.Compare(outcomeRank(b.Outcome), outcomeRank(a.Outcome)),
		cmp.Compare(micros(a.OutcomeAt), micros(b.OutcomeAt)),
		cmp.Compare(a.Cause, b.Cause))
}

// union returns what is in either list, sorted, each once, and never nil.
func union(a, b []string) []string {
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return append([]string{}, slices.Compact(all)...)
}

func scanDelivery(scan scanner) (Delivery, error) {
	var d Delivery
	var received, outcomeAt *int64
	var verifications, anomalies string
	err := scan(&d.Stream, &d.Sequence, &d.EventID, &d.Provider, &d.Event, &received, &d.Outcome, &outcomeAt, &d.Cause,
		&verifications, &anomalies, &d.Traceparent)
	if err != nil {
		return Delivery{}, err
	}
	if received != nil {
		d.ReceivedAt = instant(*received)
	}
	if outcomeAt != nil {
		d.OutcomeAt = instant(*outcomeAt)
	}
	if err := decode(verifications, &d.Verifications); err != nil {
		return Delivery{}, err
	}
	return d, decode(anomalies, &d.Anomalies)
}
