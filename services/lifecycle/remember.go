package lifecycle

import (
	"context"
	"time"

	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// remember records that signed payloads were seen under an event that tells of nothing. Where
// one has told of a verification already, in a delivery that lies behind this one and was
// handled before it, that is dated back.
func (w *worker) remember(ctx context.Context, d delivery, seen []verification.Signal) (*result, error) {
	if len(seen) == 0 {
		return &result{}, nil
	}
	var res *result
	err := w.state.Update(ctx, func(tx *store.Tx) error {
		c := w.change(tx, d.Traceparent)
		for _, s := range seen {
			// To be the same as it is read back.
			s.Received(d.seq, d.ReceivedAt.Truncate(time.Microsecond), d.ID)
			s.At = s.At.Truncate(time.Microsecond)
			if err := c.sighting(ctx, s); err != nil {
				return err
			}
		}
		res = &c.result
		return c.save(ctx)
	})
	return res, err
}

// sighting records one payload.
func (c *change) sighting(ctx context.Context, s verification.Signal) error {
	err := c.tx.AddSighting(ctx, s.ID, store.Sighting{Seq: s.Seq, At: s.At, ReceivedAt: s.ReceivedAt, Delivery: s.Delivery, Decoder: s.Decoder})
	if err != nil {
		return err
	}
	owner, known, err := c.tx.Owner(ctx, s.ID)
	if err != nil || !known {
		return err
	}
	kind, ok := c.provider.Kind(owner.Verification.Kind)
	if !ok {
		return nil
	}
	t, err := c.record(ctx, kind, owner.Verification, s.Sandbox)
	if err != nil {
		return err
	}
	told, ok := t.record.Find(s.ID)
	if !ok {
		return nil
	}
	t.changed, t.now = true, nil
	copied := told.Signal
	copied.Redate(s.Seq, s.At, s.ReceivedAt, s.Delivery, s.Decoder)
	made, err := kind.ApplyFor(t.record, copied, verification.Cause{ID: s.Delivery, Seq: s.Seq})
	if err != nil {
		return err
	}
	return c.event(ctx, t, made)
}
