// Package relay publishes what waits in a durable place: the receiver's spool and the
// lifecycle's outbox are emptied by the same hand.
//
//	commit ──▶ rows that wait ──▶ relay ──▶ stream
//	                  ▲             │
//	                  └── forgotten ┘ once the stream has them
//
// Its invariants:
//
//   - Rows are published in their order, and a row is published only after all before it are.
//   - A row leaves the source only once the stream holds it, or once the source has recorded
//     elsewhere that the stream can never take it. Such a row keeps nobody waiting.
//   - After every failure, and at the start, it is not known what the stream holds: the source
//     reads the stream before anything is published again. So nothing is published twice.
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
)

const (
	// pause is between two attempts while the broker or the source is away.
	pause = 500 * time.Millisecond
	// few is how many rows are published one by one. An atomic batch costs the broker about as
	// many syncs as that, whatever its size, be the disk fast or slow.
	few = 8
)

// Row is one message that waits.
type Row struct {
	ID      uint64 // ascending
	Message bus.Message
}

// Source is where rows wait. Its methods are called by one goroutine at a time. An error means
// that the source cannot say or write now: the relay waits a little, has it resync, and goes on.
type Source interface {
	// Waiting returns the first rows that wait, in their order, at most limit, and whether more
	// wait behind them.
	Waiting(ctx context.Context, limit int) (rows []Row, more bool, err error)
	// Published forgets these rows, the first that wait: the stream holds them, the last of them
	// at the position last; 0 is a position that is not known.
	Published(ctx context.Context, rows []Row, last uint64) error
	// Refused takes a row out of the way that the stream can never take, and records that.
	Refused(ctx context.Context, row Row, cause error) error
	// Resync reads the stream from where the source knows it, forgets the rows that it holds,
	// and returns the fence of the next publish. A source without a fence relies on the ids of
	// its messages: one that the stream has already is published.
	Resync(ctx context.Context) (bus.Fence, error)
	// Final reports whether an error of the source ends the relay.
	Final(err error) bool
}

// Relay publishes the rows of one source. Wake and Flush may be called by many goroutines, also
// before Run.
type Relay struct {
	bus    *bus.Bus // what Run was given
	source Source
	logger *slog.Logger
	wake   chan struct{}
	fence  bus.Fence

	mu    sync.Mutex
	round chan struct{} // closed when all rows are published that were there at its start
}

// New returns a relay. The logger gets what keeps rows waiting, again and again.
func New(source Source, logger *slog.Logger) *Relay {
	return &Relay{source: source, logger: logger, wake: make(chan struct{}, 1), round: make(chan struct{})}
}

// Wake tells that rows wait. It never blocks.
func (r *Relay) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Flush waits until every row that waited when it was called has left the source. It returns
// bus.ErrUnavailable when ctx ends before that.
func (r *Relay) Flush(ctx context.Context) error {
	r.mu.Lock()
	round := r.round
	r.mu.Unlock()
	r.Wake()
	select {
	case <-round:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: rows wait to be published: %w", bus.ErrUnavailable, ctx.Err())
	}
}

// Run publishes what waits until ctx ends, what a crash has left first. It returns nil then,
// and before that only what the source calls final. It may be run again after its end.
func (r *Relay) Run(ctx context.Context, b *bus.Bus) error {
	r.bus = b
	err := r.resync(ctx)
	r.Wake()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		}
		r.mu.Lock()
		round := r.round
		r.round = make(chan struct{})
		r.mu.Unlock()
		if err = r.untilDrained(ctx, err); err != nil {
			return err
		}
		if ctx.Err() == nil {
			close(round)
		}
	}
}

// untilDrained publishes all rows, after what went wrong before was looked into.
func (r *Relay) untilDrained(ctx context.Context, err error) error {
	if err == nil {
		err = r.drain(ctx)
	}
	for err != nil && !r.source.Final(err) && ctx.Err() == nil {
		r.logger.WarnContext(ctx, "messages wait to be published", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
			if err = r.resync(ctx); err == nil {
				err = r.drain(ctx)
			}
		}
	}
	if err != nil && r.source.Final(err) {
		return err
	}
	return nil
}

func (r *Relay) resync(ctx context.Context) (err error) {
	r.fence, err = r.source.Resync(ctx)
	return err
}

// drain publishes the rows that wait, in order.
func (r *Relay) drain(ctx context.Context) error {
	for {
		rows, more, err := r.source.Waiting(ctx, bus.MaxBatch)
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			if err := r.publish(ctx, rows); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

// publish stores rows as one where they are many, and finds those that keep the rest out.
func (r *Relay) publish(ctx context.Context, rows []Row) error {
	if len(rows) <= few {
		return r.each(ctx, rows)
	}
	last, err := r.store(ctx, rows)
	switch {
	case err == nil:
		return r.source.Published(ctx, rows, last)
	case !r.ofOne(err):
		return err
	}
	// The broker does not say which of them it is.
	if err := r.publish(ctx, rows[:len(rows)/2]); err != nil {
		return err
	}
	return r.publish(ctx, rows[len(rows)/2:])
}

// each stores rows one by one, and has the source forget those together that were stored.
func (r *Relay) each(ctx context.Context, rows []Row) error {
	var last uint64
	begin := 0 // of those that are stored and not forgotten
	for i := range rows {
		position, err := r.store(ctx, rows[i:i+1])
		if err == nil {
			last = position
			continue
		}
		if !r.ofOne(err) {
			return err
		}
		if err := r.forget(ctx, rows[begin:i], last); err != nil {
			return err
		}
		if err := r.settle(ctx, rows[i:i+1], err); err != nil {
			return err
		}
		begin = i + 1
	}
	return r.forget(ctx, rows[begin:], last)
}

// store stores rows behind the fence and moves it.
func (r *Relay) store(ctx context.Context, rows []Row) (last uint64, err error) {
	messages := make([]bus.Message, len(rows))
	for i := range rows {
		messages[i] = rows[i].Message
	}
	last, err = r.bus.PublishBatch(ctx, messages, r.fence)
	if err == nil {
		r.fence.LastSeq = last
	}
	return last, err
}

// ofOne reports whether an error is that of one row, and not of all: the stream can never take
// it, or has it already. Behind a fence nobody else has published it: there, the source has to
// look.
func (r *Relay) ofOne(err error) bool {
	return errors.Is(err, bus.ErrRejected) || errors.Is(err, bus.ErrDuplicate) && r.fence.Filter == ""
}

// settle brings the one row to its end whose error that is.
func (r *Relay) settle(ctx context.Context, row []Row, err error) error {
	if errors.Is(err, bus.ErrDuplicate) {
		return r.source.Published(ctx, row, 0)
	}
	return r.source.Refused(ctx, row[0], err)
}

func (r *Relay) forget(ctx context.Context, rows []Row, last uint64) error {
	if len(rows) == 0 {
		return nil
	}
	return r.source.Published(ctx, rows, last)
}
