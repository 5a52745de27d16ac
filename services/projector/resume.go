package projector

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/store"
)

// resume lets the consumers go on from where the tables are. They may have acked more: for a read model that was lost, for one that is an
// old copy, or in the moment before a power cut, which SQLite's read model may forget. What came from a stream that was deleted and made
// anew since is forgotten: the positions of the two mean different messages. It waits while the broker or the database is away,
// and must return before anything else is written. That ctx ends is no error.
func (p *projector) resume(ctx context.Context) error {
	for {
		err := p.rewind(ctx)
		away := errors.Is(err, bus.ErrUnavailable) || errors.Is(err, store.ErrUnavailable)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil: // Whatever failed, it may have been for that.
		case !away:
			return err
		default:
			p.logger.Warn("the read model cannot be looked at", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(progressInterval):
		}
	}
}

// rewind brings every consumer back to the position that the tables hold.
func (p *projector) rewind(ctx context.Context) error {
	if err := p.identify(ctx); err != nil {
		return err
	}
	for _, c := range p.consumers() {
		held, err := p.model.Progress(ctx, c.Stream)
		first := errors.Is(err, store.ErrNotFound)
		if err != nil && !first {
			return err
		}
		if err := p.bus.Rewind(ctx, c, held.Sequence); err != nil {
			return err
		}
		if !first {
			continue
		}
		// Before the first row: whatever is in the tables, it is known of which stream.
		if err := p.begin(ctx, c.Stream); err != nil {
			return err
		}
	}
	return nil
}

// identify finds out which streams there are, and forgets what came from others of the same name.
func (p *projector) identify(ctx context.Context) error {
	var anew []string
	for _, c := range p.consumers() {
		identity, err := p.bus.StreamIdentity(ctx, c.Stream)
		if err != nil {
			return err
		}
		p.streams[c.Stream] = identity
		held, err := p.model.Progress(ctx, c.Stream)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err == nil && held.Identity != identity {
			anew = append(anew, c.Stream)
		}
	}
	state, err := p.bus.StreamState(ctx, bus.Webhooks)
	if err != nil {
		return err
	}
	p.webhooksSince = state.Created
	return p.forget(ctx, anew)
}

// forget takes what came from streams that are no more out of the tables. The consumers go first, so that a crash on the way only repeats
// it: all of them, where the deliveries are forgotten, since events, outcomes and dead letters tell how deliveries ended.
func (p *projector) forget(ctx context.Context, streams []string) error {
	if len(streams) == 0 {
		return nil
	}
	p.logger.WarnContext(ctx, "streams were made anew: what came from those before them is forgotten", "streams", streams)
	for _, c := range p.consumers() {
		if !slices.Contains(streams, c.Stream) && !slices.Contains(streams, bus.Webhooks) {
			continue
		}
		if err := p.bus.Rewind(ctx, c, 0); err != nil {
			return err
		}
	}
	for _, stream := range streams {
		if err := p.model.Forget(ctx, stream); err != nil {
			return err
		}
	}
	return nil
}

// begin records that nothing of a stream is in the tables yet.
func (p *projector) begin(ctx context.Context, stream string) error {
	state, err := p.bus.StreamState(ctx, stream)
	if err != nil {
		return err
	}
	return p.model.PutProgress(ctx, store.Progress{
		Stream: stream, Identity: p.streams[stream], Pending: state.Messages, At: time.Now().UTC(),
	})
}

// former reports whether a message that tells of deliveries tells of those of a KYC_WEBHOOKS that is no more: what has their positions now
// are others.
func (p *projector) former(message bus.Stored) bool { return message.Time.Before(p.webhooksSince) }
