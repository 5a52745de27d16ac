package consume

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// recoveryWait is the most that a request for events stays open while everything waits for the last of them.
	recoveryWait = 100 * time.Millisecond
	// minFetch and maxFetch bound the number of events asked for at a time.
	minFetch, maxFetch = 16, 256
	// looks is how often it is looked whether another process reads, and lookPause is between them: one that is busy does not ask all the time.
	looks, lookPause = 3, 50 * time.Millisecond
)

// reader reads from the consumer into the lanes.
type reader struct {
	*run
	consumer jetstream.Consumer
	// expected is the number of the next delivery: they are counted without gaps.
	expected uint64
	created  time.Time
}

// newReader binds to the consumer once no other process reads from it. What another process was given and has not acked is older than what
// comes next.
func (r *run) newReader(ctx context.Context, consumer jetstream.Consumer) (*reader, error) {
	info := consumer.CachedInfo()
	for look := 0; info.Delivered.Consumer > 0 && look < looks; look++ {
		if info.NumWaiting > 0 {
			r.config.Logger.Warn("another process reads with this name: waits until it ends", "consumer", r.config.Name)
		}
		for first := true; first || info.NumWaiting > 0; first = false {
			if !pause(ctx, lookPause) {
				return nil, ctx.Err()
			}
			var err error
			if consumer, err = r.find(ctx); err != nil {
				return nil, err
			}
			info = consumer.CachedInfo()
		}
	}
	// More may be out than the bound, where that was lowered.
	r.lanes.bound(max(info.Config.MaxAckPending, info.NumAckPending), shortest(info.Config))
	if info.NumAckPending > 0 {
		r.lanes.recover()
	}
	return &reader{run: r, consumer: consumer, expected: info.Delivered.Consumer + 1, created: info.Created}, nil
}

// shortest is the least time after which the consumer delivers again what was not acked.
func shortest(c jetstream.ConsumerConfig) time.Duration {
	wait := c.AckWait
	for _, again := range c.BackOff {
		wait = min(wait, again)
	}
	return wait
}

// read fetches until ctx ends. Whatever is away, it waits for it; what is gone is an error.
func (r *reader) read(ctx context.Context) error {
	failures := 0
	for r.wait(ctx) {
		failed := r.fetch()
		if failed == nil && r.lanes.isRecovering() {
			failed = r.recovered(ctx)
		}
		if failed == nil {
			failures = 0
			continue
		}
		failures++
		if err := r.look(ctx, failed); err != nil {
			return err
		}
		pause(ctx, backoff(awayMin, awayMax, failures))
	}
	return nil
}

// wait returns true once there is room for another event, false if ctx ends before. In recovery nothing may be handled that would make room,
// and its end is looked for after each request: the broker gives no more than there is room for.
func (r *reader) wait(ctx context.Context) bool {
	for ctx.Err() == nil {
		if r.lanes.room() > 0 || r.lanes.isRecovering() {
			return true
		}
		select {
		case <-ctx.Done():
		case <-r.lanes.freed:
		}
	}
	return false
}

// fetch asks once and takes what comes until the request is fulfilled or expires by itself. It is not cut short: an event on its way would be
// away until AckWait is over.
func (r *reader) fetch() error {
	open := r.config.fetchWait
	if r.lanes.isRecovering() {
		open = min(open, recoveryWait)
	}
	batch, err := r.consumer.Fetch(min(max(r.lanes.room(), minFetch), maxFetch), jetstream.FetchMaxWait(open))
	if err != nil {
		return err
	}
	for msg := range batch.Messages() {
		if err := r.take(msg); err != nil {
			return err
		}
	}
	return batch.Error()
}

// take gives one delivery to the lanes.
func (r *reader) take(msg jetstream.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return fmt.Errorf("read the place of a delivery: %w", err)
	}
	if meta.Sequence.Consumer != r.expected {
		// A delivery was lost on the way, and comes again when its AckWait is over.
		r.lanes.recover()
	}
	r.expected = meta.Sequence.Consumer + 1
	r.lanes.take(&held{key: keyOf(msg, meta.Sequence.Stream), event: placed(meta, r.config.Sandbox), msg: msg})
	return nil
}

// recovered ends the time of recovery once the broker has nothing more that was delivered, is not acked, and is not known here. No request for
// events is open meanwhile.
func (r *reader) recovered(ctx context.Context) error {
	known, acked := r.lanes.counts()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	info, err := r.consumer.Info(ctx)
	if err != nil {
		return err
	}
	// An ack may have been counted by the broker that was not sent when the known were counted.
	_, now := r.lanes.counts()
	if info.NumAckPending-known+(now-acked) <= 0 {
		r.lanes.recovered()
	}
	return nil
}

// look finds out why reading fails. No error means that it may go on.
func (r *reader) look(ctx context.Context, failure error) error {
	failure = r.classify(failure)
	if more, ok := r.failures.take(); ok {
		r.config.Logger.Warn("waits for the broker", "consumer", r.config.Name, "error", failure, "others_since", more)
	}
	if r.config.Conn.IsClosed() {
		return failure
	}
	asked, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	consumer, err := r.js.Consumer(asked, r.config.stream, r.config.Name)
	if err == nil && consumer.CachedInfo().Created.Equal(r.created) {
		r.consumer = consumer
		return nil
	}
	if err = r.classify(err); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) && !errors.Is(err, jetstream.ErrStreamNotFound) {
		if errors.Is(err, errAway) || ctx.Err() != nil {
			return nil
		}
		return err
	}
	return fmt.Errorf("%w: %s was deleted while it was read, by itself or with its stream. If the stream was made anew versions may count from 1 again: put what you have made of the old one aside. Begin again with Snapshot or FromBeginning",
		ErrGone, r.config.Name)
}
