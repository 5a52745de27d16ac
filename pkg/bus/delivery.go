package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"
)

// delivery is one message that a subscription holds, from its arrival to its ack or nak.
type delivery struct {
	msg    jetstream.Msg
	stored Stored
	// since is when it arrived.
	since time.Time
	// retryAfter is the pause before the next delivery if this one is nacked.
	retryAfter time.Duration
	// unavailable says that a nack was not the message's fault: its whole subscription pauses.
	unavailable bool
	// result is how handling ended, for metrics and traces.
	result string
}

type deliveryKey struct{}

// deliveryOf returns the delivery that a subscription of this package made msg from.
func deliveryOf(msg *message.Message) *delivery {
	d, _ := msg.Context().Value(deliveryKey{}).(*delivery)
	return d
}

// message makes what Watermill handles. Its metadata is the first value of each header; the delivery has all of them.
func (d *delivery) message(ctx context.Context) *message.Message {
	metadata := make(message.Metadata, len(d.stored.Header))
	for name, values := range d.stored.Header {
		if len(values) > 0 {
			metadata[name] = values[0]
		}
	}
	id := metadata[MessageIDHeader]
	if id == "" {
		id = fmt.Sprintf("%s:%d", d.stored.Stream, d.stored.Seq)
	}
	msg := message.NewMessageWithContext(context.WithValue(ctx, deliveryKey{}, d), id, d.stored.Data)
	msg.Metadata = metadata
	return msg
}
