package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// maxUnacked bounds the messages that are held or wait for another attempt: beyond it a consumer gets no new ones.
	maxUnacked = 2048
	// minFetch and maxFetch bound the number of messages asked for at a time, and maxFetchBytes their size. It is more than the largest
	// message, which otherwise would never come. No more are asked for while larger ones are held: a consumer holds at most twice that.
	minFetch, maxFetch = 64, 512
	maxFetchBytes      = 4 * maxPayload
)

var errSubscriberClosed = errors.New("subscriber closed")

// source is a durable position in a stream.
type source struct {
	stream, filter, durable string
	concurrency             int
}

// subscriber is a Watermill subscriber. What a topic stands for is decided by resolve.
//
// At most the source's concurrency of messages are out at the same time, and none is lost: what was not acked when a subscription ends
// is offered again at once, to whoever subscribes next.
type subscriber struct {
	bus     *Bus
	resolve func(topic string) (source, error)

	closing chan struct{}
	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

var _ message.Subscriber = (*subscriber)(nil)

func newSubscriber(bus *Bus, resolve func(topic string) (source, error)) *subscriber {
	return &subscriber{bus: bus, resolve: resolve, closing: make(chan struct{})}
}

// Subscribe starts reading. While the broker is away it waits for it; any other reason not to read is an error.
func (s *subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	from, err := s.resolve(topic)
	if err != nil {
		return nil, err
	}
	if _, err := s.bus.ensureConsumer(ctx, from); err != nil && !errors.Is(err, ErrUnavailable) {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errSubscriberClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	reading := newSubscription(s.bus, from)
	s.running.Go(func() {
		defer cancel()
		reading.run(ctx)
	})
	s.running.Go(func() {
		defer cancel()
		select {
		case <-s.closing:
		case <-ctx.Done():
		}
	})
	return reading.out, nil
}

// Close ends all subscriptions and returns once everything that they held is acked or handed back.
func (s *subscriber) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

// ensureConsumer makes the durable position, or changes its settings in place; where it began stays. Errors: ErrUnavailable, or what is
// wrong with the source.
func (b *Bus) ensureConsumer(ctx context.Context, from source) (jetstream.Consumer, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	config := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy}
	existing, err := b.js.Consumer(ctx, from.stream, from.durable)
	if err == nil {
		config = existing.CachedInfo().Config
	}
	return b.putConsumer(ctx, from, config)
}

// putConsumer makes or updates the durable position with everything that does not say where it begins.
func (b *Bus) putConsumer(ctx context.Context, from source, config jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	config.Durable, config.FilterSubject = from.durable, from.filter
	config.AckPolicy, config.AckWait, config.MaxAckPending = jetstream.AckExplicitPolicy, b.timing.ackWait, maxUnacked
	consumer, err := b.js.CreateOrUpdateConsumer(ctx, from.stream, config)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("consumer %s: stream %s does not exist", from.durable, from.stream)
	}
	if err != nil {
		return nil, fmt.Errorf("consumer %s: %w", from.durable, classify(err))
	}
	return consumer, nil
}
