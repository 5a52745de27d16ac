package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// scanBatch is how many messages a scan asks for at a time, the next ones when half of them have been read: with scanBytes it bounds what a scan
	// holds in memory.
	scanBatch = 1000
	// scanBytes is how many bytes it asks for at a time, where no message can be larger than half of it.
	scanBytes = 8 << 20
	// scanExpiry is how long the broker keeps a request for messages.
	scanExpiry = 30 * time.Second
	// scanIdle is how long a scan to which nothing comes waits before it looks whether there is anything.
	scanIdle = 250 * time.Millisecond
	// readIdle is how long the broker keeps the position of a read that has stopped asking: of one that was killed no longer than that.
	readIdle = 5 * time.Minute
)

// Span is a part of a stream.
type Span struct {
	Stream string
	// Filters choose messages by their subjects; none of them may overlap another, and none at all chooses everything.
	Filters []string
	// From is the first sequence. Through is the last one; 0 stands for that of the last message there is.
	From, Through uint64
	// Ahead is how many messages are asked for at a time, where that are to be fewer than serve a reader best who is to be fast: whoever reads
	// slowly spares others the rush of all that comes at once.
	Ahead int
}

// ahead is how many messages are asked for at a time.
func (s *Span) ahead() int {
	if s.Ahead <= 0 {
		return scanBatch
	}
	return min(s.Ahead, scanBatch)
}

// Scan hands every message of the span to fn, in order, and returns the sequence of the last one handed over, 0 if there was none. It reads ahead while fn works,
// which may take as long as it needs. It stops at the first error of fn and returns it as it is. Messages that expire meanwhile are left out. Errors of
// its own: ErrUnavailable; what fn has seen by then is in order and without gaps.
func (b *Bus) Scan(ctx context.Context, span Span, fn func(Stored) error) (last uint64, err error) {
	state, err := b.StreamState(ctx, span.Stream)
	if err != nil {
		return 0, fmt.Errorf("scan: %w", err)
	}
	if span.Through == 0 || span.Through > state.LastSeq {
		span.Through = state.LastSeq
	}
	if state.Messages == 0 || span.Through < span.From {
		return 0, nil
	}
	s := &scan{bus: b, span: span, created: state.Created, idle: time.NewTimer(scanIdle)}
	defer s.idle.Stop()
	if err := s.open(ctx); err != nil {
		return 0, fmt.Errorf("scan stream %s: %w", span.Stream, classify(err))
	}
	defer func() { s.close(ctx) }()
	for {
		stored, more, err := s.next(ctx)
		if err != nil {
			return s.last, fmt.Errorf("scan stream %s: %w", span.Stream, classify(err))
		}
		if !more {
			return s.last, nil
		}
		if err := fn(stored); err != nil {
			return s.last, err
		}
		s.last = stored.Seq
	}
}

// scan is a reading of a span. It speaks the broker's protocol itself: the client's own iterators set up timers for each message.
type scan struct {
	bus       *Bus
	span      Span
	created   time.Time // when the stream was made
	consumer  string
	inbox     string
	messages  chan *nats.Msg
	sub       *nats.Subscription
	idle      *time.Timer
	delivered uint64 // by the broker, as the consumer counts
	requested int    // and not come yet
	pending   uint64 // by the broker's last word, which may be early
	last      uint64
}

// open makes a position behind what was read, and listens for what is asked for from there.
func (s *scan) open(ctx context.Context) error {
	rest := s.rest()
	reader, err := s.bus.spanConsumer(ctx, rest, rest.From)
	if err != nil {
		return err
	}
	s.consumer, s.inbox, s.messages = reader.CachedInfo().Name, s.bus.conn.NewInbox(), make(chan *nats.Msg, 2*scanBatch)
	s.delivered, s.requested, s.pending = 0, 0, reader.CachedInfo().NumPending
	s.sub, err = s.bus.conn.ChanSubscribe(s.inbox, s.messages)
	return err
}

// reopen is open where the broker has forgotten the position, because nothing was asked for in a long time.
func (s *scan) reopen(ctx context.Context) error {
	state, err := s.bus.StreamState(ctx, s.span.Stream)
	if err != nil {
		return err
	}
	if !state.Created.Equal(s.created) {
		return fmt.Errorf("%w: the stream was made anew", ErrUnavailable)
	}
	s.close(ctx)
	return s.open(ctx)
}

// rest is what has not been read of the span.
func (s *scan) rest() Span {
	rest := s.span
	rest.From = max(s.span.From, s.last+1)
	return rest
}

// spanConsumer makes a position of its own at the broker that nobody else knows.
func (b *Bus) spanConsumer(ctx context.Context, span Span, from uint64) (jetstream.Consumer, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	return b.js.CreateConsumer(ctx, span.Stream, jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(from, 1),
		FilterSubjects: span.Filters, MemoryStorage: true, Replicas: 1, InactiveThreshold: readIdle,
	})
}

func (s *scan) close(ctx context.Context) {
	_ = s.sub.Unsubscribe() // The connection may be gone.
	s.bus.dropConsumer(ctx, s.span.Stream, s.consumer)
}

// dropConsumer removes a position. One that stays behind costs nothing and is forgotten by itself.
func (b *Bus) dropConsumer(ctx context.Context, stream, consumer string) {
	cleanup, cancel := withTimeout(context.WithoutCancel(ctx))
	defer cancel()
	_ = b.js.DeleteConsumer(cleanup, stream, consumer)
}

// next returns the next message, if there is one in the span.
func (s *scan) next(ctx context.Context) (stored Stored, more bool, err error) {
	if s.last == s.span.Through {
		return Stored{}, false, nil
	}
	if s.pending == 0 {
		if left, err := s.left(ctx); err != nil || !left {
			return Stored{}, false, err
		}
	}
	for waited := time.Duration(0); ; {
		if s.requested <= s.span.ahead()/2 {
			if err := s.request(); err != nil {
				return Stored{}, false, err
			}
		}
		msg, err := s.receive(ctx)
		switch {
		case err != nil:
			return Stored{}, false, err
		case msg != nil && (len(msg.Data) > 0 || msg.Header.Get("Status") == ""):
			return s.stored(msg)
		case msg != nil:
			if err := s.answered(ctx, msg); err != nil {
				return Stored{}, false, err
			}
			continue
		}
		// Nothing has come for a while: either nothing is left, or the broker is slow or away.
		waited += scanIdle
		if left, err := s.left(ctx); err != nil || !left {
			return Stored{}, false, err
		}
		if waited > defaultTimeout {
			return Stored{}, false, fmt.Errorf("%w: the broker sends nothing", ErrUnavailable)
		}
	}
}

// receive returns what comes next, nil where nothing does for scanIdle.
func (s *scan) receive(ctx context.Context) (*nats.Msg, error) {
	select {
	case msg := <-s.messages:
		return msg, ctx.Err()
	default:
	}
	s.idle.Reset(scanIdle)
	select {
	case msg := <-s.messages:
		return msg, ctx.Err()
	case <-s.idle.C:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// request asks for the next messages.
func (s *scan) request() error {
	text, err := json.Marshal(map[string]int64{
		"batch": int64(s.span.ahead()), "expires": int64(scanExpiry), "max_bytes": max(scanBytes, 2*s.bus.MaxPayload()),
	})
	if err != nil {
		return err
	}
	s.requested += s.span.ahead()
	return s.bus.conn.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+s.span.Stream+"."+s.consumer, s.inbox, text)
}

// answered notes how much of a request has not come, where the broker says that it is over for its time or its size. Where it
// knows the position no more, from which something has come, the scan goes on from another one.
func (s *scan) answered(ctx context.Context, msg *nats.Msg) error {
	pending, err := strconv.Atoi(msg.Header.Get("Nats-Pending-Messages"))
	switch {
	case err == nil:
		s.requested = max(0, s.requested-pending)
		return nil
	case s.delivered > 0:
		return s.reopen(ctx)
	default:
		return fmt.Errorf("%w: the broker has ended the scan: %s", ErrUnavailable, msg.Header.Get("Description"))
	}
}

func (s *scan) stored(msg *nats.Msg) (stored Stored, more bool, err error) {
	meta, err := msg.Metadata()
	if err != nil {
		return Stored{}, false, fmt.Errorf("read the metadata of a delivery: %w", err)
	}
	s.requested--
	s.delivered++
	s.pending = meta.NumPending
	if meta.Sequence.Consumer != s.delivered {
		return Stored{}, false, fmt.Errorf("%w: a message was lost on the way", ErrUnavailable)
	}
	return Stored{
		Message: Message{Subject: msg.Subject, Header: msg.Header, Data: msg.Data},
		Stream:  meta.Stream, Seq: meta.Sequence.Stream, Time: meta.Timestamp,
	}, meta.Sequence.Stream <= s.span.Through, nil
}

// left reports whether the span has a message that has not been read.
func (s *scan) left(ctx context.Context) (bool, error) {
	_, err := s.bus.First(ctx, s.rest())
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// First returns the first message of the span. Errors: ErrNotFound where it has none, ErrUnavailable.
func (b *Bus) First(ctx context.Context, span Span) (Stored, error) {
	filters := span.Filters
	if len(filters) == 0 {
		filters = []string{allSubjects}
	}
	var first Stored
	for _, filter := range filters {
		found, err := b.get(ctx, span.Stream, max(span.From, 1), jetstream.WithGetMsgSubject(filter))
		if errors.Is(err, ErrNotFound) || err == nil && span.Through > 0 && found.Seq > span.Through {
			continue
		}
		if err != nil {
			return Stored{}, fmt.Errorf("first message of %s: %w", span.Stream, err)
		}
		if first.Seq == 0 || found.Seq < first.Seq {
			first = found
		}
	}
	if first.Seq == 0 {
		return Stored{}, fmt.Errorf("first message of %s: %w", span.Stream, ErrNotFound)
	}
	return first, nil
}

// Count returns how many messages the span has, as the broker counts them by their subjects. What is stored meanwhile behind the span makes it
// count too few, so it is for plans and progress. Errors: ErrUnavailable.
func (b *Bus) Count(ctx context.Context, span Span) (uint64, error) {
	var counts [2]uint64
	for i, from := range []uint64{span.From, span.Through + 1} {
		if i > 0 && span.Through == 0 {
			break
		}
		reader, err := b.spanConsumer(ctx, span, from)
		if err != nil {
			return 0, fmt.Errorf("count stream %s: %w", span.Stream, classify(err))
		}
		counts[i] = reader.CachedInfo().NumPending
		b.dropConsumer(ctx, span.Stream, reader.CachedInfo().Name)
	}
	return counts[0] - min(counts[0], counts[1]), nil
}
