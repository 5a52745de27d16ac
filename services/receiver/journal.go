package receiver

import (
	"context"
	"fmt"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
)

// journal is what makes a webhook durable. It is the one place that knows how: here by waiting
// for the stream's own ack of each webhook, which on a single node costs a sync of the disk
// each. A journal that commits many at once, and takes them while the broker is away, needs no
// more than these parameters and gives no more than this result.
type journal struct {
	bus *bus.Bus
}

// append returns once the webhook is durable on the subject. A webhook whose key is there
// already, and durable, is a duplicate and not stored again. After any error nothing is known:
// it may have been stored, and its next delivery is recognised by its key.
func (j journal) append(ctx context.Context, subject, key string, w event.Webhook) (duplicate bool, err error) {
	envelope, err := w.Envelope()
	if err != nil {
		return false, fmt.Errorf("append to the journal: %w", err)
	}
	header, data, err := event.Encode(envelope)
	if err != nil {
		return false, fmt.Errorf("append to the journal: %w", err)
	}
	header[event.MessageID] = []string{key}
	ack, err := j.bus.Publish(ctx, bus.Message{Subject: subject, Header: header, Data: data})
	if err != nil {
		return false, fmt.Errorf("append to the journal: %w", err)
	}
	return ack.Duplicate, nil
}
