package projector

import (
	"context"
	"errors"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/store"
)

// resume lets the consumers go on from where the tables are. They may have acked more: for a read model that was lost, for one that is an
// old copy, or in the moment before a power cut, which SQLite's read model may forget. It waits while the broker or the database is away,
// and must return before anything else is written.
func (p *projector) resume(ctx context.Context) error {
	for {
		err := p.rewind(ctx)
		if !errors.Is(err, bus.ErrUnavailable) && !errors.Is(err, store.ErrUnavailable) {
			return err
		}
		p.logger.Warn("the read model cannot be looked at", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(progressInterval):
		}
	}
}

// rewind brings every consumer back to the position that the tables hold.
func (p *projector) rewind(ctx context.Context) error {
	for _, c := range p.consumers() {
		held, err := p.model.Progress(ctx, c.Stream)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := p.bus.Rewind(ctx, c, held.Sequence); err != nil {
			return err
		}
	}
	return nil
}
