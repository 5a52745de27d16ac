package projector

import (
	"context"
	"time"

	"github.com/verdict-stream/verdict/pkg/store"
)

const (
	sweepInterval = time.Minute
	// expiredGrace is how long after its retention a delivery may still be readable: its key protects a whole hour.
	expiredGrace = time.Hour
)

// What the read model keeps of refusals, which anybody can cause: about as much as their stream.
const (
	refusalsAge  = 7 * 24 * time.Hour
	refusalsKept = 100_000
)

// sweep removes old refusals and gives every delivery an outcome whose body can be read no more and that nobody has told the end of. Should its true outcome
// come after all, that one stands.
func (p *projector) sweep(ctx context.Context) {
	if !p.sweeping.TryLock() {
		return
	}
	defer p.sweeping.Unlock()
	p.gate.RLock()
	defer p.gate.RUnlock()
	now := time.Now().UTC()
	if err := prune(ctx, p.model, now); err != nil && ctx.Err() == nil {
		p.logger.Warn("old refusals not removed", "error", err)
	}
	for name := range p.providers {
		count, err := p.model.ExpireUnprocessed(ctx, name, now.Add(-p.retention(name)-expiredGrace), now)
		if err != nil {
			if ctx.Err() == nil {
				p.logger.Warn("expired deliveries not marked", "provider", name, "error", err)
			}
			continue
		}
		if count > 0 {
			p.logger.Error("deliveries expired before they were processed", "provider", name, "count", count)
		}
	}
}

// prune removes old refusals.
func prune(ctx context.Context, model *store.ReadModel, now time.Time) error {
	return model.PruneRefusals(ctx, now.Add(-refusalsAge), refusalsKept)
}
