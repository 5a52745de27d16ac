package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Lag is how far a consumer is behind, for figures: shortly after a start the broker may not have counted yet. FirstUnacked is exact.
type Lag struct {
	// Waiting is the number of messages that it has never been given.
	Waiting uint64
	// Unacked is the number of messages that it was given and that are neither done nor dead.
	Unacked uint64
}

// Oldest is the oldest message that a consumer is not done with.
type Oldest struct {
	Seq  uint64
	Time time.Time
}

// ResetConsumer makes the durable consumer start again from the stream's beginning; a consumer that does not exist does so anyway.
// One that runs meanwhile notices and starts again by itself.
func (b *Bus) ResetConsumer(ctx context.Context, stream, durable string) error {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	err := b.js.DeleteConsumer(ctx, stream, durable)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("reset consumer %s: %w", durable, classify(err))
	}
	return nil
}

// FirstUnacked returns the oldest message that the durable consumer of this filter is not done with, and whether there is one.
// Everything older is done. It may name a message that is done, shortly; it never leaves one out that is not. Errors: ErrUnavailable.
func (b *Bus) FirstUnacked(ctx context.Context, stream, durable, filter string) (Oldest, bool, error) {
	floor := uint64(0)
	info, err := b.consumerInfo(ctx, stream, durable)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
	case err != nil:
		return Oldest{}, false, fmt.Errorf("first unacked of %s: %w", durable, classify(err))
	default:
		floor = info.AckFloor.Stream
	}
	next, err := b.get(ctx, stream, floor+1, jetstream.WithGetMsgSubject(filter))
	if errors.Is(err, ErrNotFound) {
		return Oldest{}, false, nil
	}
	if err != nil {
		return Oldest{}, false, fmt.Errorf("first unacked of %s: %w", durable, err)
	}
	return Oldest{Seq: next.Seq, Time: next.Time}, true, nil
}

// Pending returns how far the durable consumer is behind. Errors: ErrUnavailable, ErrNotFound where the consumer has never run.
func (b *Bus) Pending(ctx context.Context, stream, durable string) (Lag, error) {
	info, err := b.consumerInfo(ctx, stream, durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return Lag{}, fmt.Errorf("pending of %s: %w", durable, ErrNotFound)
	}
	if err != nil {
		return Lag{}, fmt.Errorf("pending of %s: %w", durable, classify(err))
	}
	return Lag{Waiting: info.NumPending, Unacked: uint64(info.NumAckPending)}, nil
}

func (b *Bus) consumerInfo(ctx context.Context, stream, durable string) (*jetstream.ConsumerInfo, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	consumer, err := b.js.Consumer(ctx, stream, durable)
	if err != nil {
		return nil, err
	}
	return consumer.CachedInfo(), nil
}
