package baseline

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// Reader reads streams as plainly as can be.
type Reader struct {
	conn *nats.Conn
	js   jetstream.JetStream
}

// URL is where the server at the address is, for who may do everything.
func URL(addr, password string) string {
	return "nats://" + adminUser + ":" + password + "@" + addr
}

// Connect connects to a server.
func Connect(url string) (*Reader, error) {
	conn, err := nats.Connect(url)
	if err != nil {
		return nil, fmt.Errorf("connect to the server: %w", err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to the server: %w", err)
	}
	return &Reader{conn, js}, nil
}

// Close ends the connection.
func (r *Reader) Close() { r.conn.Close() }

const (
	ackOnly = "bench-ack-only"
	// fetch is how many messages are asked for at a time.
	fetch     = 500
	fetchWait = 5 * time.Second
)

// AckOnly reads a stream with a durable consumer that does nothing but to ack each message, and
// returns how long that took for so many of them.
func (r *Reader) AckOnly(ctx context.Context, stream string, count int) (time.Duration, error) {
	// The server may still write the files of a consumer of that name that was deleted just now.
	name := ackOnly + "-" + nuid.Next()
	consumer, err := r.js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
		Durable: name, AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverAllPolicy, MaxAckPending: 2 * fetch,
	})
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", stream, err)
	}
	start := time.Now()
	for seen := 0; seen < count; {
		batch, err := consumer.Fetch(min(fetch, count-seen), jetstream.FetchMaxWait(fetchWait))
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", stream, err)
		}
		before := seen
		for msg := range batch.Messages() {
			if err := msg.Ack(); err != nil {
				return 0, fmt.Errorf("ack of %s: %w", stream, err)
			}
			seen++
		}
		if err := batch.Error(); err != nil {
			return 0, fmt.Errorf("read %s: %w", stream, err)
		}
		if seen == before {
			return 0, fmt.Errorf("read %s: %d of %d messages came", stream, seen, count)
		}
	}
	if err := r.conn.FlushTimeout(fetchWait); err != nil {
		return 0, fmt.Errorf("ack of %s: %w", stream, err)
	}
	took := time.Since(start)
	if err := r.js.DeleteConsumer(ctx, stream, name); err != nil {
		return 0, fmt.Errorf("leave %s: %w", stream, err)
	}
	return took, nil
}

// CountOnly reads a stream with a consumer that acks nothing and only counts, and returns how long that took for so many messages.
func (r *Reader) CountOnly(ctx context.Context, stream string, count int) (time.Duration, error) {
	consumer, err := r.js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverAllPolicy, MemoryStorage: true,
	})
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", stream, err)
	}
	start := time.Now()
	seen, done := 0, make(chan struct{})
	reading, err := consumer.Consume(func(jetstream.Msg) {
		if seen++; seen == count {
			close(done)
		}
	}, jetstream.PullMaxMessages(2*fetch))
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", stream, err)
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	took := time.Since(start)
	reading.Stop()
	<-reading.Closed()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := r.js.DeleteConsumer(ctx, stream, consumer.CachedInfo().Name); err != nil {
		return 0, fmt.Errorf("leave %s: %w", stream, err)
	}
	return took, nil
}

// Follow calls seen with a header of every message that is stored from now on, until stop is called.
func (r *Reader) Follow(ctx context.Context, stream, header string, seen func(value string, at time.Time)) (stop func(), err error) {
	consumer, err := r.js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy})
	if err != nil {
		return nil, fmt.Errorf("follow %s: %w", stream, err)
	}
	following, err := consumer.Consume(func(msg jetstream.Msg) { seen(msg.Headers().Get(header), time.Now()) })
	if err != nil {
		return nil, fmt.Errorf("follow %s: %w", stream, err)
	}
	return func() {
		following.Stop()
		<-following.Closed()
	}, nil
}

// Count is how many messages a stream holds.
func (r *Reader) Count(ctx context.Context, name string) (int, error) {
	handle, err := r.js.Stream(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", name, err)
	}
	return int(handle.CachedInfo().State.Msgs), nil
}

// Pending is how many messages a durable consumer is not done with.
func (r *Reader) Pending(ctx context.Context, name, durable string) (int, error) {
	consumer, err := r.js.Consumer(ctx, name, durable)
	if err != nil {
		return 0, fmt.Errorf("consumer %s: %w", durable, err)
	}
	info := consumer.CachedInfo()
	return int(info.NumPending) + info.NumAckPending, nil
}
