package store

import (
	"context"
	"encoding/json"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// Draft is what a transaction may write to a state, without writing there: it is kept in front of the state, in a staging. It is for one
// goroutine.
type Draft struct {
	state   *Lifecycle
	staging *Staging
}

// NewDraft returns a draft of changes to a state that may be open for reading only.
func NewDraft(state *Lifecycle, staging *Staging) *Draft { return &Draft{state, staging} }

// Record is Tx.Record.
func (d *Draft) Record(ctx context.Context, id verification.ID, sandbox bool) (*verification.Record, error) {
	rec := &verification.Record{ID: id, Sandbox: sandbox}
	var state, signals string
	found, err := d.staging.db.read().one(ctx, []any{&rec.Version, &state, &signals},
		`SELECT version, state, signals FROM draft_record WHERE id = $1 AND sandbox = $2`, id.String(), sandbox)
	if err != nil {
		return nil, wrap("read draft", err)
	}
	if !found {
		return d.state.Record(ctx, id, sandbox)
	}
	return rec, decodeRecord(rec, state, signals)
}

// Save is Tx.Save. The dates are not kept.
func (d *Draft) Save(ctx context.Context, rec *verification.Record, _ Dates) error {
	state, err := json.Marshal(rec.State)
	if err != nil {
		return errUnreadable
	}
	signals, err := json.Marshal(rec.Signals)
	if err != nil {
		return errUnreadable
	}
	return d.write(ctx, `
		INSERT INTO draft_record (id, sandbox, version, state, signals) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (id, sandbox) DO UPDATE SET version = excluded.version, state = excluded.state, signals = excluded.signals`,
		rec.ID.String(), rec.Sandbox, rec.Version, string(state), string(signals))
}

// Append is Tx.Append. The rows are not kept.
func (d *Draft) Append(context.Context, ...OutboxRow) error { return nil }

// Payload is Tx.Payload.
func (d *Draft) Payload(ctx context.Context, signal string) (Payload, error) {
	p, err := d.state.Payload(ctx, signal)
	if err != nil {
		return p, err
	}
	var id, event string
	var seq uint64
	found, err := d.staging.db.read().one(ctx, []any{&id, &event, &seq}, `SELECT verification, event, seq FROM draft_owner WHERE signal = $1`, signal)
	if err == nil && found {
		p.Owned, p.Owner = id != "", Owner{Event: event, Seq: seq}
		if p.Owned {
			p.Owner.Verification, err = decodeID(id)
		}
	}
	if err != nil {
		return p, wrap("read draft", err)
	}
	var s Sighting
	var at, received int64
	found, err = d.staging.db.read().one(ctx, []any{&s.Seq, &at, &received, &s.Delivery, &s.Decoder},
		`SELECT seq, at, received_at, delivery, decoder FROM draft_sighting WHERE signal = $1`, signal)
	if err == nil && found {
		s.At, s.ReceivedAt = instant(at), instant(received)
		p.Sighted, p.Sighting = true, s
	}
	return p, wrap("read draft", err)
}

// Owner is Tx.Owner.
func (d *Draft) Owner(ctx context.Context, signal string) (Owner, bool, error) {
	p, err := d.Payload(ctx, signal)
	return p.Owner, p.Owned, err
}

// SetOwner is Tx.SetOwner.
func (d *Draft) SetOwner(ctx context.Context, signal string, o Owner) error {
	return d.setOwner(ctx, signal, o.Verification.String(), o.Event, o.Seq)
}

// DropOwner is Tx.DropOwner.
func (d *Draft) DropOwner(ctx context.Context, signal string) error {
	return d.setOwner(ctx, signal, "", "", 0)
}

func (d *Draft) setOwner(ctx context.Context, signal, id, event string, seq uint64) error {
	return d.write(ctx, `
		INSERT INTO draft_owner (signal, verification, event, seq) VALUES ($1, $2, $3, $4)
		ON CONFLICT (signal) DO UPDATE SET verification = excluded.verification, event = excluded.event, seq = excluded.seq`,
		signal, id, event, int64(seq))
}

// AddSighting is Tx.AddSighting.
func (d *Draft) AddSighting(ctx context.Context, signal string, s Sighting) error {
	p, err := d.Payload(ctx, signal)
	if err != nil || p.Sighted && !s.before(p.Sighting) {
		return err
	}
	return d.write(ctx, `
		INSERT INTO draft_sighting (signal, seq, at, received_at, delivery, decoder) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (signal) DO UPDATE SET seq = excluded.seq, at = excluded.at, received_at = excluded.received_at,
			delivery = excluded.delivery, decoder = excluded.decoder`,
		signal, int64(s.Seq), micros(s.At), micros(s.ReceivedAt), s.Delivery, s.Decoder)
}

// before reports whether a sighting takes the place of another.
func (s Sighting) before(o Sighting) bool {
	return s.Seq < o.Seq || s.Seq == o.Seq && s.Decoder > o.Decoder
}

func (d *Draft) write(ctx context.Context, query string, args ...any) error {
	err := d.staging.db.update(ctx, func(on statements) error {
		_, err := on.exec(ctx, query, args...)
		return err
	})
	return wrap("write draft", err)
}
