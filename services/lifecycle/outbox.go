package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/failpoint"
	"github.com/verdict-stream/verdict/pkg/store"
)

// outboxPause is between two attempts to publish while the broker or the database is away.
const outboxPause = 500 * time.Millisecond

// outbox publishes the events of one provider that go to one stream: in order, in atomic
// batches where several wait, and fenced by the last sequence that it knows of.
type outbox struct {
	*worker
	stream  string
	sandbox bool
	filter  string
	wake    chan struct{}

	// fence is the last sequence of the filter in the stream, as far as this state has read it.
	// It is the position, unless everything up to there has expired.
	fence uint64

	mu    sync.Mutex
	round chan struct{} // closed when all rows are published that were there at its start
}

func newOutbox(w *worker, stream string, sandbox bool) *outbox {
	return &outbox{
		worker: w, stream: stream, sandbox: sandbox, filter: event.VerificationFilter(sandbox, w.provider.Name),
		wake: make(chan struct{}, 1), round: make(chan struct{}),
	}
}

// flush waits until every row that was committed before the call is published. It returns
// bus.ErrUnavailable when ctx ends before that.
func (o *outbox) flush(ctx context.Context) error {
	o.mu.Lock()
	round := o.round
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
	select {
	case <-round:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: events wait to be published: %w", bus.ErrUnavailable, ctx.Err())
	}
}

// run publishes what is committed until ctx ends. What a crash has left is published first.
func (o *outbox) run(ctx context.Context) error {
	o.wake <- struct{}{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.wake:
		}
		o.mu.Lock()
		round := o.round
		o.round = make(chan struct{})
		o.mu.Unlock()
		if err := o.untilDrained(ctx); err != nil {
			return err
		}
		if ctx.Err() == nil {
			close(round)
		}
	}
}

// untilDrained publishes all rows. After every failure it is not known what the stream holds:
// it is read before anything is published again.
func (o *outbox) untilDrained(ctx context.Context) error {
	err := o.drain(ctx)
	for err != nil {
		if errors.Is(err, store.ErrLeaseLost) || errors.Is(err, store.ErrDamaged) {
			return err
		}
		o.alarm.WarnContext(ctx, "events wait to be published", "stream", o.stream, "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(outboxPause):
		}
		if err = o.resync(ctx); err == nil {
			err = o.drain(ctx)
		}
	}
	return nil
}

// drain publishes the rows that wait, in order.
func (o *outbox) drain(ctx context.Context) error {
	for {
		rows, err := o.state.Waiting(ctx, o.stream, bus.MaxBatch)
		if err != nil || len(rows) == 0 {
			return err
		}
		err = o.publish(ctx, rows)
		if errors.Is(err, bus.ErrRejected) {
			err = o.publishEach(ctx, rows)
		}
		if err != nil {
			return err
		}
		if len(rows) < bus.MaxBatch {
			return nil
		}
	}
}

// publish stores the rows in the stream as one, and marks them.
func (o *outbox) publish(ctx context.Context, rows []store.OutboxRow) error {
	messages := make([]bus.Message, len(rows))
	for i, row := range rows {
		messages[i] = bus.Message{Subject: row.Subject, Header: row.Header, Data: row.Data}
	}
	last, err := o.Bus.PublishBatch(ctx, messages, bus.Fence{Filter: o.filter, LastSeq: o.fence})
	if err != nil {
		return err
	}
	o.fence = last
	failpoint.Hit(failpoint.LifecyclePublished)
	if err := o.state.MarkPublished(ctx, o.stream, rows[len(rows)-1].ID, last); err != nil {
		return err
	}
	failpoint.Hit(failpoint.LifecycleMarked)
	o.metrics.published(ctx, len(rows))
	return nil
}

// publishEach finds the rows that the stream can never take. They go to the dead letters, so
// that they block nobody.
func (o *outbox) publishEach(ctx context.Context, rows []store.OutboxRow) error {
	for _, row := range rows {
		err := o.publish(ctx, []store.OutboxRow{row})
		if errors.Is(err, bus.ErrRejected) {
			err = o.bury(ctx, row, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// causeUnpublishable is the cause of the dead letter of an event that no stream can take.
const causeUnpublishable = "unpublishable"

func (o *outbox) bury(ctx context.Context, row store.OutboxRow, cause error) error {
	var data event.Verification
	if err := json.Unmarshal(row.Data, &data); err != nil {
		return fmt.Errorf("event %s in the outbox: %w", row.EventID, err)
	}
	now := time.Now().UTC()
	letter := bus.DeadLetter{
		Consumer: o.consumer(), Stream: bus.Webhooks, Sequence: data.CausationSequence, Subject: row.Subject,
		EventID: data.CausationID, Provider: o.provider.Name, Cause: causeUnpublishable,
		Error: row.EventID + ": " + cause.Error(), Attempts: 1, FirstErrorAt: now, LastErrorAt: now,
	}
	if err := o.Bus.Bury(ctx, letter); err != nil {
		return err
	}
	return o.state.DropRow(ctx, row.ID)
}
