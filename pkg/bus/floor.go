package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Floor says how far a consumer has come without a gap.
type Floor struct {
	// Seq is the position up to which the consumer is done with every message, 0 where there is none.
	Seq uint64
	// Pending is the number of messages behind it that the consumer is not done with.
	Pending uint64
}

// AckFloor returns how far the durable consumer has come without a gap. It may fall behind what is done, shortly; it never runs ahead.
// Errors: ErrUnavailable, ErrNotFound where the consumer has never run.
func (b *Bus) AckFloor(ctx context.Context, stream, durable string) (Floor, error) {
	info, err := b.consumerInfo(ctx, stream, durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return Floor{}, fmt.Errorf("ack floor of %s: %w", durable, ErrNotFound)
	}
	if err != nil {
		return Floor{}, fmt.Errorf("ack floor of %s: %w", durable, classify(err))
	}
	return Floor{Seq: info.AckFloor.Stream, Pending: info.NumPending + uint64(info.NumAckPending)}, nil
}
