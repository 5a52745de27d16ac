package store

import "context"

// Payload is what is known of a signed payload.
type Payload struct {
	Owner    Owner
	Owned    bool // there is an owner
	Sighting Sighting
	Sighted  bool // there is a sighting
}

const selectPayload = `
	SELECT TRUE AS owner, seq, verification, event, 0 AS at, 0 AS received_at, 0 AS decoder FROM lifecycle_owner WHERE provider = $1 AND signal = $2
	UNION ALL SELECT FALSE, seq, delivery, '', at, received_at, decoder FROM lifecycle_sighting WHERE provider = $1 AND signal = $2`

// Payload returns the owner and the sighting of a signal at once.
func (tx *Tx) Payload(ctx context.Context, signal string) (Payload, error) {
	return payload(ctx, tx.statements, tx.key, signal)
}

func payload(ctx context.Context, s statements, provider, signal string) (Payload, error) {
	var p Payload
	err := s.each(ctx, func(scan scanner) error {
		var owner bool
		var seq uint64
		var name, event string
		var at, received int64
		var decoder int
		err := scan(&owner, &seq, &name, &event, &at, &received, &decoder)
		switch {
		case err != nil:
		case owner:
			p.Owned, p.Owner = true, Owner{Event: event, Seq: seq}
			p.Owner.Verification, err = decodeID(name)
		default:
			p.Sighted, p.Sighting = true, Sighting{Seq: seq, At: instant(at), ReceivedAt: instant(received), Delivery: name, Decoder: decoder}
		}
		return err
	}, selectPayload, provider, signal)
	return p, wrap("read payload", err)
}
