package receiver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"time"

	"golang.org/x/time/rate"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
)

// How much of what is refused is recorded. The rate is per provider, so that a flood at one
// endpoint leaves room for the refusals of the others.
const (
	recordsPerSecond = 10
	recordsBurst     = 50
	// recordQueue holds the bursts of a handful of providers while the broker is slow.
	recordQueue = 256
	// recordTimeout bounds the write of one record.
	recordTimeout = 2 * time.Second
)

// refusals records refused webhooks apart from the requests: a record is dropped and counted
// where it would have to wait. Nobody was promised that it is kept.
type refusals struct {
	limits  map[string]*rate.Limiter // by provider
	queue   chan event.Rejection
	dropped func(provider string)
}

func newRefusals(providers []Served, dropped func(string)) *refusals {
	q := &refusals{
		limits: map[string]*rate.Limiter{},
		queue:  make(chan event.Rejection, recordQueue), dropped: dropped,
	}
	for _, s := range providers {
		q.limits[s.Provider.Name] = rate.NewLimiter(recordsPerSecond, recordsBurst)
	}
	return q
}

// record never waits. It must not be called after close.
func (q *refusals) record(r event.Rejection) {
	if !q.limits[r.Provider].Allow() {
		q.dropped(r.Provider)
		return
	}
	select {
	case q.queue <- r:
	default:
		q.dropped(r.Provider)
	}
}

// close lets write end once it has written what waits.
func (q *refusals) close() { close(q.queue) }

// write publishes records until the queue is closed and empty. Where ctx ends before, what
// still waits is dropped.
func (q *refusals) write(ctx context.Context, broker func(context.Context) (*bus.Bus, error)) {
	for r := range q.queue {
		if err := publishRejection(ctx, broker, r); err != nil {
			q.dropped(r.Provider)
		}
	}
}

func publishRejection(ctx context.Context, broker func(context.Context) (*bus.Bus, error), r event.Rejection) error {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	b, err := broker(ctx)
	if err != nil {
		return fmt.Errorf("record a refusal: %w", err)
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("record a refusal: %w", err)
	}
	subject := event.RejectedSubject(r.Provider, string(r.Cause))
	if _, err := b.Publish(ctx, bus.Message{Subject: subject, Data: data}); err != nil {
		return fmt.Errorf("record a refusal: %w", err)
	}
	return nil
}

// fingerprint is what is kept of a body: its hash and length.
type fingerprint struct {
	sum   hash.Hash
	bytes int64
}

func newFingerprint(body []byte) *fingerprint {
	f := &fingerprint{sum: sha256.New()}
	_, _ = f.Write(body)
	return f
}

// Write adds more of the body.
func (f *fingerprint) Write(part []byte) (int, error) {
	f.bytes += int64(len(part))
	return f.sum.Write(part)
}

func (f *fingerprint) rejection(provider string, cause event.Cause, at time.Time) event.Rejection {
	return event.Rejection{
		Provider: provider, Cause: cause, ReceivedAt: at.UTC(),
		BodySHA256: hex.EncodeToString(f.sum.Sum(nil)), BodyBytes: f.bytes,
	}
}
