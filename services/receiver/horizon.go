package receiver

import (
	"context"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/spool"
)

// horizonInterval is how often a receiver tells how far its spool is.
const horizonInterval = 2 * time.Second

// tellHorizon tells again and again, until ctx ends, before which time no webhook waits in the
// spool: a webhook that came before the deadline of its verification must not be overtaken by it,
// however long it waits for the broker. While the broker is away the last word stands.
func (r *receiver) tellHorizon(ctx context.Context) {
	ticker := time.NewTicker(horizonInterval)
	defer ticker.Stop()
	for {
		if err := r.broker.bus.TellHorizon(ctx, horizonOf(r.stores.Spool, time.Now())); err != nil && ctx.Err() == nil {
			r.complaints.Warn("deadlines wait for word of this spool", "error", err)
		}
		select {
		case <-ctx.Done():
			r.closeHorizon(ctx)
			return
		case <-ticker.C:
		}
	}
}

// closeHorizon tells that nobody has to wait for this spool while the receiver is away, if it
// is empty.
func (r *receiver) closeHorizon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainGrace)
	defer cancel()
	h := horizonOf(r.stores.Spool, time.Now())
	h.Closed = r.stores.Spool.Size().Entries == 0
	if !r.broker.connected() || r.broker.bus.TellHorizon(ctx, h) != nil || !h.Closed {
		r.logger.Warn("deadlines wait until this receiver is back")
	}
}

// horizonOf is what can be told now. A request under way is not in the spool yet: who asks
// allows for as long as one may take.
func horizonOf(s *spool.Spool, now time.Time) bus.SpoolHorizon {
	h := bus.SpoolHorizon{Receiver: s.Name(), Until: now.UTC()}
	if oldest := s.Size().Oldest; !oldest.IsZero() && oldest.Before(h.Until) {
		h.Until = oldest.UTC()
	}
	return h
}
