package bus

import (
	"errors"
	"sync/atomic"

	"github.com/ThreeDotsLabs/watermill/message"
)

var errPublisherClosed = errors.New("publisher closed")

// publisher is a Watermill publisher whose topics are subjects. Publish returns once every message is durable. A message's UUID is its id
// for deduplication, so publishing it again within the stream's window changes nothing.
type publisher struct {
	bus    *Bus
	closed atomic.Bool
}

var _ message.Publisher = (*publisher)(nil)

// Publish stores the messages one after the other and stops at the first that fails.
func (p *publisher) Publish(topic string, messages ...*message.Message) error {
	if p.closed.Load() {
		return errPublisherClosed
	}
	for _, msg := range messages {
		header := make(map[string][]string, len(msg.Metadata)+1)
		for name, value := range msg.Metadata {
			header[name] = []string{value}
		}
		if msg.UUID != "" {
			header[MessageIDHeader] = []string{msg.UUID}
		}
		if _, err := p.bus.Publish(msg.Context(), Message{Subject: topic, Header: header, Data: msg.Payload}); err != nil {
			return err
		}
	}
	return nil
}

// Close keeps the publisher from publishing more. Nothing is waiting: Publish has returned for everything that was accepted.
func (p *publisher) Close() error {
	p.closed.Store(true)
	return nil
}
