// Package consume reads the events of verifications for a team of its own, durably.
//
// Its invariants:
//
//   - An event is acked only after its handler returned nil, or after the team's own GiveUp did. Everything else comes again, also after a
//     crash: a handler may see an event more than once. Once skips what was handled before.
//   - The events of one verification are handled one at a time and in the order of their versions, however often the broker delivers them and
//     in whatever order. An event that fails is tried again here; later ones of its verification wait, those of others do not.
//   - What is held is bounded, whatever comes in and whatever fails.
//   - A position that is lost is an error. It is never replaced by another one silently. Only the broker does so, where events are removed that
//     the consumer has not read; `verdict archive` does that to no consumer that it was not told to ignore.
//
// One process at a time may read with one name. Whoever wants more uses several names with filters that do not overlap.
package consume

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Handler handles one event. The event is done when it returns nil. Any other error, or a panic, has it called again after a pause, which
// doubles from RetryMin to RetryMax; Permanent gives the event to GiveUp at once.
//
// The context ends Grace after the one of Run has.
type Handler func(ctx context.Context, e Event) error

// Run reads until ctx ends, which is no error: it lets the handlers that have begun finish, hands everything else back to the broker, and
// returns. While the broker is away it waits. Every other error says what to do: see ErrTrimmed, ErrAhead, ErrAnew, ErrGone and ErrUnfit.
//
// The connection stays the caller's. It should reconnect for ever (nats.MaxReconnects(-1)).
func Run(ctx context.Context, config Config, handle Handler) error {
	set, err := config.complete(handle)
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	js, err := jetstream.New(set.Conn)
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	r := &run{config: set, js: js, handle: handle, lanes: newLanes(set)}
	if err := r.run(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("consume %s: %w", set.Name, err)
	}
	return nil
}

// run is one call of Run:
//
//	snapshot ─┐
//	          ├──▶ lanes, one for each verification ──▶ workers ──▶ handler ──▶ ack
//	reader ───┘
type run struct {
	config Config
	js     jetstream.JetStream
	handle Handler
	lanes  *lanes
	// known is what the snapshot of this run has told.
	known    known
	failures seldom
}

func (r *run) run(ctx context.Context) error {
	working, finish := r.work(ctx)
	defer finish()
	reader, err := r.open(working)
	if err != nil {
		return err
	}
	return reader.read(working)
}

// work starts the workers. Its context ends with ctx, or when finish is called, which returns once nothing is held any more.
func (r *run) work(ctx context.Context) (working context.Context, finish func()) {
	working, stop := context.WithCancel(ctx)
	handling, abort := context.WithCancel(context.WithoutCancel(ctx))
	var workers, keeper sync.WaitGroup
	for range r.config.Workers {
		workers.Go(func() {
			for {
				l, h := r.lanes.next()
				if l == nil {
					return
				}
				r.attempt(handling, l, h)
			}
		})
	}
	silent := make(chan struct{})
	keeper.Go(func() { r.lanes.keepAlive(silent) })
	return working, func() {
		stop()
		r.lanes.stop()
		late := time.AfterFunc(r.config.Grace, abort)
		workers.Wait()
		late.Stop()
		abort()
		close(silent)
		keeper.Wait()
		r.lanes.handBack()
		r.flush()
	}
}

// flush sees to it that the last acks are on their way before the caller closes the connection.
func (r *run) flush() {
	if !r.config.Conn.IsConnected() {
		return
	}
	if err := r.config.Conn.FlushTimeout(flushTimeout); err != nil {
		r.config.Logger.Debug("the last acks may not have arrived", "consumer", r.config.Name, "error", err)
	}
}

// patiently repeats do, with growing pauses, for as long as the broker or the API is away and ctx lives.
func (r *run) patiently(ctx context.Context, what string, do func(context.Context) error) error {
	for failures := 1; ; failures++ {
		attempt, cancel := context.WithTimeout(ctx, requestTimeout)
		err := do(attempt)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, errAway) {
			return err
		}
		r.config.Logger.Warn("waits for "+what, "consumer", r.config.Name, "error", err)
		if !pause(ctx, backoff(awayMin, awayMax, failures)) {
			return ctx.Err()
		}
	}
}

// pause returns after the time, or false when ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// backoff is the pause after so many failures, from 1: the least, doubled each time, up to the longest.
func backoff(least, longest time.Duration, failures int) time.Duration {
	d := least
	for i := 1; i < failures && d < longest; i++ {
		d *= 2
	}
	return min(d, longest)
}
