package receiver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/relay"
)

const (
	// openPause is the pause before something is opened again; it doubles up to openPauseMax.
	openPause    = 250 * time.Millisecond
	openPauseMax = 5 * time.Second

	// envelope is the room that a message needs besides the body: the seal, the subject and
	// the headers. A fifth of it is used.
	envelope = 8 << 10

	// recallTime bounds how long the start may take to learn which webhooks the stream got last,
	// and recallShare is the part of its budget that a request waits for that.
	recallTime  = 2 * time.Second
	recallShare = 2
	// drainGrace is how long a receiver that stops goes on to empty its spool.
	drainGrace = 2 * time.Second
	// readSpool is how many entries of the spool are read at a time.
	readSpool = 1000
)

var errNotOpen = errors.New("the stores are not open yet")

// again calls do until it succeeds, for as long as it returns bus.ErrUnavailable. Any other
// error is returned, nil where ctx has ended.
func (r *receiver) again(ctx context.Context, what string, do func(context.Context) error) error {
	for pause := openPause; ctx.Err() == nil; pause = min(2*pause, openPauseMax) {
		err := do(ctx)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, bus.ErrUnavailable):
			r.complaints.Warn(what+" cannot be opened yet", "error", err)
		case ctx.Err() == nil:
			return fmt.Errorf("open %s: %w", what, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

// openStores opens the stores and lets requests in. They are open once it has returned nil and
// ctx has not ended.
func (r *receiver) openStores(ctx context.Context) error {
	return r.again(ctx, "the stores", func(ctx context.Context) error {
		stores, err := r.config.Open(ctx)
		if err != nil {
			return err
		}
		return r.use(ctx, stores)
	})
}

// use lets requests in, once it is known what is durable already.
func (r *receiver) use(ctx context.Context, stores Stores) error {
	r.stores = stores
	r.journal = journal{
		mode: r.config.Spool, window: newWindow(r.config.DeduplicationWindow), spool: stores.Spool, disk: stores.Disk,
		wake: func() {}, broker: r.broker,
	}
	if stores.Spool != nil {
		r.outgoing = &outgoing{spool: stores.Spool, window: r.journal.window, logger: r.complaints, aside: r.config.Aside}
		r.relay = relay.New(r.outgoing, r.complaints)
		r.journal.wake = r.relay.Wake
		if err := r.recallSpool(ctx); err != nil {
			return err
		}
		go r.recallStream(ctx)
	} else {
		close(r.recalled)
	}
	r.canary = &canary{stores: stores, broker: r.broker, spools: r.spools()}
	for name := range r.endpoints {
		r.canary.provider = name
	}
	close(r.opened)
	return nil
}

// spools tells whether webhooks may go through the spool. Where they do not, there may be one that
// still has to be emptied.
func (r *receiver) spools() bool { return r.config.Spool != SpoolOff }

// recallSpool remembers the webhooks that wait in the spool.
func (r *receiver) recallSpool(ctx context.Context) error {
	for from := r.stores.Spool.First(); ; {
		entries, err := r.stores.Spool.Read(ctx, from, readSpool, readBytes)
		if err != nil || len(entries) == 0 {
			return err
		}
		keys := make([]string, len(entries))
		for i := range entries {
			keys[i] = entries[i].Key
		}
		r.journal.window.know(keys...)
		from = entries[len(entries)-1].Index + 1
	}
}

// recallStream remembers the webhooks that the stream got within the deduplication window. What
// cannot be learnt in time is left to the stream, which drops what it has.
func (r *receiver) recallStream(ctx context.Context) {
	defer close(r.recalled)
	ctx, cancel := context.WithTimeout(ctx, recallTime)
	defer cancel()
	b, err := r.broker.await(ctx)
	if err != nil {
		return
	}
	first, err := b.FirstSince(ctx, bus.Webhooks, time.Now().Add(-r.config.DeduplicationWindow))
	if err != nil {
		return
	}
	_, _ = b.Read(ctx, bus.Webhooks, webhooksFilter, first, func(m bus.Stored) error {
		r.journal.window.published(m.Time, m.Header[event.MessageID]...)
		return nil
	})
}

// connect finds the broker. One whose messages cannot hold a webhook is an error.
func (r *receiver) connect(ctx context.Context) error {
	return r.again(ctx, "the broker", func(ctx context.Context) error {
		b, err := r.config.Connect(ctx)
		if err != nil {
			return err
		}
		limit := min(bodyLimit, b.MaxPayload()-envelope)
		if limit < smallBody {
			return fmt.Errorf("it takes messages of at most %d bytes, too few for webhooks: set its max_payload to %d, or at the least to %d",
				b.MaxPayload(), bodyLimit+envelope, smallBody+envelope)
		}
		if limit < bodyLimit {
			r.logger.Warn("the broker's max_payload lowers the limit of a webhook's body", "limit", limit, "max_payload", b.MaxPayload())
		}
		r.limit.Store(limit)
		r.broker.use(b)
		return nil
	})
}

// await returns once a body of the announced length can be taken: the stores are open, and the
// broker is known where the answer depends on it. It returns an error when ctx ends before.
func (r *receiver) await(ctx context.Context, announced int64) error {
	select {
	case <-r.opened:
	case <-ctx.Done():
		return errNotOpen
	}
	r.awaitRecall(ctx)
	if r.spools() && announced <= smallBody {
		return nil
	}
	_, err := r.broker.await(ctx)
	return err
}

// awaitRecall waits until it is known what the stream got last, but no longer than leaves enough
// of the budget.
func (r *receiver) awaitRecall(ctx context.Context) {
	select {
	case <-r.recalled:
		return
	default:
	}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/recallShare)
		defer cancel()
	}
	select {
	case <-r.recalled:
	case <-ctx.Done():
	}
}

// publish empties the spool until ctx ends.
func (r *receiver) publish(ctx context.Context) error {
	select {
	case <-r.opened:
	case <-ctx.Done():
		return nil
	}
	if r.relay == nil {
		return nil
	}
	stop, err := watchSpool(r.stores.Spool)
	if err != nil {
		return err
	}
	defer stop()
	select {
	case <-r.broker.found:
	case <-ctx.Done():
		return nil
	}
	r.outgoing.broker = r.broker.bus
	var telling sync.WaitGroup
	telling.Go(func() { r.tellHorizon(ctx) })
	defer telling.Wait()
	if err := r.relay.Run(ctx, r.broker.bus); err != nil {
		return fmt.Errorf("publish what the spool holds: %w", err)
	}
	return nil
}

// drain goes on for a moment to publish what the spool holds. What is left then is published
// after the next start.
func (r *receiver) drain() {
	if r.relay == nil || !r.broker.connected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainGrace)
	defer cancel()
	if err := r.relay.Flush(ctx); err != nil {
		r.logger.Warn("webhooks stay in the spool until the next start", "webhooks", r.stores.Spool.Size().Entries)
	}
}
