package store

import "context"

// SignalPayload is what is known of a signed payload, with its signal.
type SignalPayload struct {
	Signal string
	Payload
}

const selectPayloadSignals = `SELECT signal FROM (
		SELECT signal FROM lifecycle_owner WHERE provider = $1 AND signal > $2
		UNION SELECT signal FROM lifecycle_sighting WHERE provider = $1 AND signal > $2) known
	ORDER BY signal LIMIT $3`

// Payloads returns what is known of the first signed payloads behind one.
func (l *Lifecycle) Payloads(ctx context.Context, after string, limit int) ([]SignalPayload, error) {
	page, err := list(ctx, l.db.read(), func(scan scanner) (p SignalPayload, err error) {
		err = scan(&p.Signal)
		return p, err
	}, selectPayloadSignals, l.key, after, limit)
	for i := range page {
		if err == nil {
			page[i].Payload, err = l.Payload(ctx, page[i].Signal)
		}
	}
	return page, wrap("read payloads", err)
}

// PutPayload sets what is known of a signed payload.
func (tx *Tx) PutPayload(ctx context.Context, p SignalPayload) error {
	if p.Sighted {
		if err := tx.AddSighting(ctx, p.Signal, p.Sighting); err != nil {
			return err
		}
	}
	if !p.Owned {
		return tx.DropOwner(ctx, p.Signal)
	}
	return tx.SetOwner(ctx, p.Signal, p.Owner)
}
