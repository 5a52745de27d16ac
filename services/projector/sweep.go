package projector

import (
	"context"
	"time"
)

const (
	sweepInterval = time.Minute
	// expiredGrace is how long after its retention a delivery may still be readable: its key protects a whole hour.
	expiredGrace = time.Hour
)

// sweep gives every delivery an outcome whose body can be read no more and that nobody has told the end of. Should its true outcome
// come after all, that one stands.
func (p *projector) sweep(ctx context.Context) {
	now := time.Now().UTC()
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
