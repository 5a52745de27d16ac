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
	Decoder    int // the version of the decoder that has read At
}

// AddSighting records a sighting. Of several the one with the lowest position stays, as the highest version of the decoder has read it.
func (tx *Tx) AddSighting(ctx context.Context, signal string, s Sighting) error {
	_, err := tx.exec(ctx, `
		INSERT INTO lifecycle_sighting (provider, signal, seq, at, received_at, delivery, decoder) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (provider, signal) DO UPDATE SET seq = excluded.seq, at = excluded.at, received_at = excluded.received_at,
			delivery = excluded.delivery, decoder = excluded.decoder
		WHERE excluded.seq < lifecycle_sighting.seq OR excluded.seq = lifecycle_sighting.seq AND excluded.decoder > lifecycle_sighting.decoder`,
		tx.key, signal, int64(s.Seq), micros(s.At), micros(s.ReceivedAt), s.Delivery, s.Decoder)
	return wrap("add sighting", err)
}
