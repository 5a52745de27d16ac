package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Rewind makes a consumer that is done with more than the messages up to a position start again behind it: what it wrote for the others
// was lost. One that is not that far is left as it is. A position that the stream has not reached belongs to another stream of that name:
// the consumer starts from the beginning. Errors: ErrUnavailable.
func (b *Bus) Rewind(ctx context.Context, c Consumer, position uint64) error {
	state, err := b.StreamState(ctx, c.Stream)
	if err != nil {
		return fmt.Errorf("rewind consumer %s: %w", c.Name, err)
	}
	if position > state.LastSeq {
		position = 0
	}
	floor, err := b.AckFloor(ctx, c.Stream, c.Name)
	if errors.Is(err, ErrNotFound) || err == nil && floor.Seq <= position {
		return nil
	}
	if err != nil {
		return fmt.Errorf("rewind consumer %s: %w", c.Name, err)
	}
	if err := b.ResetConsumer(ctx, c.Stream, c.Name); err != nil {
		return err
	}
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	_, err = b.putConsumer(ctx, source{stream: c.Stream, filter: c.Filter, durable: c.Name}, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: position + 1,
	})
	return err
}
