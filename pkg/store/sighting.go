package store

import (
	"context"
	"time"
)

// Sighting is the first delivery in which a signed payload was seen that told of no verification then.
type Sighting struct {
	Seq        uint64 // the position of that delivery
	At         time.Time
	ReceivedAt time.Time
	Delivery   string
}

// Sighting returns the sighting of a signal, and whether there is one.
func (tx *Tx) Sighting(ctx context.Context, signal string) (Sighting, bool, error) {
	var s Sighting
	var at, received int64
	found, err := tx.one(ctx, []any{&s.Seq, &at, &received, &s.Delivery},
		`SELECT seq, at, received_at, delivery FROM lifecycle_sighting WHERE provider = $1 AND signal = $2`, tx.provider, signal)
	if err != nil || !found {
		return Sighting{}, false, wrap("read sighting", err)
	}
	s.At, s.ReceivedAt = instant(at), instant(received)
	return s, true, nil
}

// AddSighting records a sighting. Of several the one with the lowest position stays.
func (tx *Tx) AddSighting(ctx context.Context, signal string, s Sighting) error {
	_, err := tx.exec(ctx, `
		INSERT INTO lifecycle_sighting (provider, signal, seq, at, received_at, delivery) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (provider, signal) DO UPDATE SET
			seq = excluded.seq, at = excluded.at, received_at = excluded.received_at, delivery = excluded.delivery
		WHERE excluded.seq < lifecycle_sighting.seq`,
		tx.provider, signal, int64(s.Seq), micros(s.At), micros(s.ReceivedAt), s.Delivery)
	return wrap("add sighting", err)
}
