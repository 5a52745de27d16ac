package bus

import (
	"context"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"
)

// subscription reads one source:
//
//	fetch ──▶ queue ──▶ workers, as many as the concurrency ──▶ out ──▶ handler ──▶ ack or nak
//
// Everything between fetch and ack is held, and the broker is told so in time, however long it takes.
type subscription struct {
	bus  *Bus
	from source
	out  chan *message.Message

	// As long as no more than enough messages and maxFetchBytes are held, the next ones are asked for: they come while these are handled.
	fetchSize, enough int
	queue             chan *delivery
	pause             pause

	mu        sync.Mutex
	held      map[*delivery]struct{}
	heldBytes int // of their data
	freed     chan struct{}
}

func newSubscription(bus *Bus, from source) *subscription {
	size := min(max(minFetch, 2*from.concurrency), maxFetch)
	enough := from.concurrency + size/2
	return &subscription{
		bus: bus, from: from, out: make(chan *message.Message),
		fetchSize: size, enough: enough, queue: make(chan *delivery, enough+size),
		pause: pause{base: bus.timing.backoffBase, longest: bus.timing.pauseMax},
		held:  map[*delivery]struct{}{}, freed: make(chan struct{}, 1),
	}
}

// run reads until ctx ends, and returns once nothing is held any more and out is closed.
func (s *subscription) run(ctx context.Context) {
	defer close(s.out)
	var workers, keeper sync.WaitGroup
	for range s.from.concurrency {
		workers.Go(func() {
			for d := range s.queue {
				s.deliver(ctx, d)
				s.drop(d)
			}
		})
	}
	stop := make(chan struct{})
	keeper.Go(func() { s.keepAlive(stop) })
	s.read(ctx)
	close(s.queue)
	workers.Wait()
	close(stop)
	keeper.Wait()
}

// read fetches until ctx ends. Whatever fails, it starts again: the position may have been deleted, the broker restarted.
func (s *subscription) read(ctx context.Context) {
	for ctx.Err() == nil {
		consumer, err := s.bus.ensureConsumer(ctx, s.from)
		for err == nil && s.wait(ctx) {
			err = s.fetch(consumer)
		}
		if ctx.Err() != nil {
			return
		}
		s.bus.logger.Warn("consumer waits for the broker", "consumer", s.from.durable, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(s.bus.timing.backoffBase):
		}
	}
}

// wait returns true once there is room for another fetch and no pause, false if ctx ends before.
func (s *subscription) wait(ctx context.Context) bool {
	for ctx.Err() == nil {
		var resume <-chan time.Time
		if left := s.pause.left(); left > 0 {
			resume = time.After(left)
		} else if s.room() {
			return true
		}
		select {
		case <-ctx.Done():
		case <-s.freed:
		case <-resume:
		}
	}
	return false
}

// fetch asks once and takes what comes until the request is fulfilled or expires by itself. It is not cut short when the subscription ends:
// a message on its way would be lost until its ackWait is over.
func (s *subscription) fetch(consumer jetstream.Consumer) error {
	batch, err := consumer.Fetch(s.fetchSize, jetstream.FetchMaxWait(s.bus.timing.fetchWait), jetstream.FetchMaxBytes(maxFetchBytes))
	if err != nil {
		return err
	}
	for msg := range batch.Messages() {
		stored, _, err := storedFromDelivery(msg)
		if err != nil {
			return err
		}
		d := &delivery{
			msg: msg, stored: stored, since: time.Now(),
			retryAfter: backoff(s.bus.timing.backoffBase, s.bus.timing.backoffMax, stored.Attempt),
		}
		s.hold(d)
		s.queue <- d
	}
	return batch.Error()
}

// deliver hands d over and waits for its ack or nack. When ctx ends meanwhile, the handler has the time of grace left to finish.
func (s *subscription) deliver(ctx context.Context, d *delivery) {
	if ctx.Err() != nil {
		s.handBack(d, 0)
		return
	}
	messageContext, cancel := context.WithCancel(ctx)
	defer cancel()
	msg := d.message(messageContext)
	select {
	case s.out <- msg:
	case <-ctx.Done():
		s.handBack(d, 0)
		return
	}
	var late <-chan time.Time
	ended := ctx.Done()
	for {
		select {
		case <-msg.Acked():
			s.pause.end()
			s.report(d.msg.Ack())
			return
		case <-msg.Nacked():
			s.nacked(ctx, d)
			return
		case <-ended:
			ended, late = nil, time.After(s.bus.timing.grace)
		case <-late:
			s.handBack(d, 0)
			return
		}
	}
}

func (s *subscription) nacked(ctx context.Context, d *delivery) {
	switch {
	case ctx.Err() != nil:
		s.handBack(d, 0)
	case d.unavailable:
		s.handBack(d, s.pause.begin())
	default:
		s.handBack(d, d.retryAfter)
	}
}

// handBack has the broker deliver d again after the given time.
func (s *subscription) handBack(d *delivery, after time.Duration) {
	if after == 0 {
		s.report(d.msg.Nak())
		return
	}
	s.report(d.msg.NakWithDelay(after))
}

// report logs an ack or nak that did not get through; the message comes again when its ackWait is over.
func (s *subscription) report(err error) {
	if err != nil {
		s.bus.logger.Warn("ack not sent", "consumer", s.from.durable, "error", err)
	}
}

// keepAlive tells the broker in time that what is held is still being worked on.
func (s *subscription) keepAlive(stop <-chan struct{}) {
	// Each has two heartbeats before its time is over, one of which may be lost. What has only just come needs none yet.
	interval := s.bus.timing.ackWait / 4
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		s.mu.Lock()
		for d := range s.held {
			if time.Since(d.since) >= interval {
				// One that is acked at this moment refuses; one that does not get through is repeated.
				_ = d.msg.InProgress()
			}
		}
		s.mu.Unlock()
	}
}

func (s *subscription) hold(d *delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[d] = struct{}{}
	s.heldBytes += len(d.stored.Data)
}

func (s *subscription) drop(d *delivery) {
	s.mu.Lock()
	delete(s.held, d)
	s.heldBytes -= len(d.stored.Data)
	s.mu.Unlock()
	select {
	case s.freed <- struct{}{}:
	default:
	}
}

// room reports whether so little is held that the next fetch may come: never more than twice maxFetchBytes are.
func (s *subscription) room() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held) <= s.enough && s.heldBytes <= maxFetchBytes
}
