package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
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
	verifications, anomalies, traceparent, listed_at`

// putDelivery merges what is told now into what is known, and writes what that changes. Most often the receipt is the first that is known
// and an outcome the second: neither has to look first.
func (m *ReadModel) putDelivery(ctx context.Context, s statements, d Delivery) error {
	write := insertDelivery
	if d.ReceivedAt.IsZero() {
		write = endDelivery
	}
	if done, err := write(ctx, s, mergeDeliveries(d, d)); err != nil || done {
		return err
	}
	known, err := m.delivery(ctx, s, d)
	if err != nil {
		return err
	}
	if known == nil {
		made, err := insertDelivery(ctx, s, mergeDeliveries(d, d))
		if err != nil || made {
			return err
		}
		// Another process has made it meanwhile: it is there now.
		if known, err = m.delivery(ctx, s, d); err != nil || known == nil {
			return err
		}
	}
	return updateDelivery(ctx, s, *known, mergeDeliveries(*known, d))
}

// endDelivery reports whether all that was missing of a delivery was how it ended, and writes that.
func endDelivery(ctx context.Context, s statements, d Delivery) (bool, error) {
	if d.Outcome == "" || d.Traceparent != "" {
		return false, nil
	}
	columns, err := d.columns()
	if err != nil {
		return false, err
	}
	n, err := s.exec(ctx, `
		UPDATE delivery SET outcome = $3, outcome_at = $4, cause = $5, verifications = $6, anomalies = $7
		WHERE stream = $1 AND sequence = $2 AND outcome = '' AND verifications = '[]' AND anomalies = '[]'
			AND received_at IS NOT NULL AND event_id <> '' AND provider <> '' AND event <> ''`,
		append([]any{d.Stream, int64(d.Sequence)}, columns[outcomeColumn:outcomeColumn+5]...)...)
	return n > 0, err
}

// delivery returns what is known of a delivery, nil where that is nothing, and keeps other transactions from writing it.
func (m *ReadModel) delivery(ctx context.Context, s statements, d Delivery) (*Delivery, error) {
	known, err := list(ctx, s, scanDelivery,
		`SELECT `+deliveryColumns+` FROM delivery WHERE stream = $1 AND sequence = $2`+m.db.forUpdate(), d.Stream, int64(d.Sequence))
	if err != nil || len(known) == 0 {
		return nil, err
	}
	return &known[0], nil
}

// insertDelivery reports whether it has made the row; one that is there stays as it is.
func insertDelivery(ctx context.Context, s statements, d Delivery) (bool, error) {
	columns, err := d.row()
	if err != nil {
		return false, err
	}
	n, err := s.exec(ctx, intoDelivery+` VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`+keepDelivery, columns...)
	return n > 0, err
}

const (
	intoDelivery = `INSERT INTO delivery (stream, sequence, event_id, provider, event, received_at, outcome, outcome_at, cause,
	verifications, anomalies, traceparent, listed_at)`
	keepDelivery = ` ON CONFLICT (stream, sequence) DO NOTHING`
)

// row are the values of intoDelivery.
func (d *Delivery) row() ([]any, error) {
	columns, err := d.columns()
	return append([]any{d.Stream, int64(d.Sequence)}, columns...), err
}

// updatedColumns are those of columns, in their order.
var updatedColumns = []string{
	"event_id", "provider", "event", "received_at", "outcome", "outcome_at", "cause", "verifications", "anomalies", "traceparent", "listed_at",
}

// outcomeColumn is where the columns that tell how a delivery ended begin among updatedColumns.
const outcomeColumn = 4

// updateDelivery writes the columns that differ: every other would cost the indexes that it is in.
func updateDelivery(ctx context.Context, s statements, known, next Delivery) error {
	if known.equal(&next) {
		return nil
	}
	before, err := known.columns()
	if err != nil {
		return err
	}
	after, err := next.columns()
	if err != nil {
		return err
	}
	var set []string
	args := []any{known.Stream, int64(known.Sequence)}
	for i, column := range updatedColumns {
		if after[i] != before[i] {
			args = append(args, after[i])
			set = append(set, column+" = $"+strconv.Itoa(len(args)))
		}
	}
	if len(set) == 0 {
		return nil
	}
	_, err = s.exec(ctx, `UPDATE delivery SET `+strings.Join(set, ", ")+` WHERE stream = $1 AND sequence = $2`, args...)
	return err
}

// columns are the values of updatedColumns.
func (d *Delivery) columns() ([]any, error) {
	verifications, err := encodeList(d.Verifications)
	if err != nil {
		return nil, err
	}
	anomalies, err := encodeList(d.Anomalies)
	if err != nil {
		return nil, err
	}
	return []any{
		d.EventID, d.Provider, d.Event, optionalMicros(d.ReceivedAt), d.Outcome, optionalMicros(d.OutcomeAt), d.Cause,
		verifications, anomalies, d.Traceparent, d.listedAt(),
	}, nil
}

// equal reports whether both are the same in all that is written.
func (d *Delivery) equal(other *Delivery) bool {
	return d.Stream == other.Stream && d.Sequence == other.Sequence && d.EventID == other.EventID && d.Provider == other.Provider &&
		d.Event == other.Event && d.ReceivedAt.Equal(other.ReceivedAt) && d.Outcome == other.Outcome && d.OutcomeAt.Equal(other.OutcomeAt) &&
		d.Cause == other.Cause && slices.Equal(d.Verifications, other.Verifications) && slices.Equal(d.Anomalies, other.Anomalies) &&
		d.Traceparent == other.Traceparent
}

// noneListed is the text of an empty list, which most are.
const noneListed = "[]"

func encodeList(list []string) (string, error) {
	if list != nil && len(list) == 0 {
		return noneListed, nil
	}
	text, err := json.Marshal(list)
	if err != nil {
		return "", errUnreadable
	}
	return string(text), nil
}

func decodeList(text string) (list []string, err error) {
	if text == noneListed {
		return []string{}, nil
	}
	err = decode(text, &list)
	return list, err
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

// compareOutcomes puts the outcome that stands first: the later one in Outcomes, of equal ones the earlier known. Of two dead letters the
// later one stands: the message was handled once more in vain, and the letter before is no more in its stream.
func compareOutcomes(a, b Delivery) int {
	first, second := a, b
	if a.Outcome == OutcomeDead {
		first, second = b, a
	}
	return cmp.Or(
		cmp.Compare(outcomeRank(b.Outcome), outcomeRank(a.Outcome)),
		cmp.Compare(micros(first.OutcomeAt), micros(second.OutcomeAt)),
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
		&verifications, &anomalies, &d.Traceparent, new(int64))
	if err != nil {
		return Delivery{}, err
	}
	if received != nil {
		d.ReceivedAt = instant(*received)
	}
	if outcomeAt != nil {
		d.OutcomeAt = instant(*outcomeAt)
	}
	if d.Verifications, err = decodeList(verifications); err != nil {
		return Delivery{}, err
	}
	d.Anomalies, err = decodeList(anomalies)
	return d, err
}
