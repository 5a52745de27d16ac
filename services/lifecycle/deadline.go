package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

const (
	tick = time.Second
	// dueChunk bounds the deadlines of one tick.
	dueChunk = 500
)

// keepTime turns passed deadlines and finished retentions into signals.
func (w *worker) keepTime(ctx context.Context) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	rescheduled := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		var err error
		if !rescheduled {
			err = w.reschedule(ctx)
			rescheduled = err == nil
		}
		now := time.Now()
		err = errors.Join(err, w.passDeadlines(ctx, now), w.anonymize(ctx, now))
		switch {
		case ctx.Err() != nil:
			return nil
		case final(err):
			return err
		case err != nil:
			w.alarm.WarnContext(ctx, "deadlines wait", "error", err)
		}
	}
}

// passDeadlines makes the signals of everything that was due before all deliveries received
// until then have been handled: one that came in time must not be overtaken by its deadline.
func (w *worker) passDeadlines(ctx context.Context, now time.Time) error {
	oldest, _, err := w.Bus.FirstUnacked(ctx, bus.Webhooks, w.consumer(), event.WebhookFilter(w.provider.Name))
	if err != nil {
		return err
	}
	w.metrics.waitsSince(oldest.Time)
	// What was received before then may still be on its way into the stream, or into a spool.
	horizon := now.Add(-w.provider.Budget)
	due, err := w.state.Due(ctx, horizon, dueChunk)
	if err != nil || len(due) == 0 {
		return err
	}
	handled, err := w.handledBefore(ctx, now)
	if err != nil {
		return err
	}
	if handled = handled.Add(-w.provider.Budget); handled.Before(horizon) {
		horizon = handled
		if due, err = w.state.Due(ctx, horizon, dueChunk); err != nil {
			return err
		}
	}
	for _, d := range due {
		if err := w.make(ctx, d.ID, d.Sandbox, func(_ *verification.Record, s verification.State) (verification.Signal, bool) {
			at := s.ReviewDueAt
			if at == nil || at.After(horizon) || s.Overdue {
				return verification.Signal{}, false
			}
			return verification.NewOverdue(*at, now.UTC(), d.Sandbox), true
		}); err != nil {
			return err
		}
	}
	return nil
}

// watermark says that every delivery which was received before a time is in the stream, at that
// position or before.
type watermark struct {
	before  time.Time
	through uint64
}

// handledBefore returns a time before which no delivery was received that is not handled. When
// the stream got one says nothing about that: it may have waited in the spool of a receiver for
// as long as that could not reach the broker. So the spools are asked first, and then the stream
// has to be handled up to where it was after that.
func (w *worker) handledBefore(ctx context.Context, now time.Time) (time.Time, error) {
	filter := event.WebhookFilter(w.provider.Name)
	if w.watermark.before.IsZero() {
		before, err := w.Bus.Horizon(ctx, now)
		if err != nil {
			return time.Time{}, err
		}
		through, err := w.Bus.LastSequence(ctx, bus.Webhooks, filter)
		if err != nil {
			return time.Time{}, err
		}
		w.watermark = watermark{before, through}
	}
	oldest, found, err := w.Bus.FirstUnacked(ctx, bus.Webhooks, w.consumer(), filter)
	if err != nil {
		return time.Time{}, err
	}
	if !found || oldest.Seq > w.watermark.through {
		w.handled, w.watermark = w.watermark.before, watermark{}
	}
	return w.handled, nil
}

// anonymize makes the signals of finished retentions. No delivery that waits can keep personal
// data longer.
func (w *worker) anonymize(ctx context.Context, now time.Time) error {
	retained, err := w.state.Retained(ctx, now, dueChunk)
	if err != nil {
		return err
	}
	for _, kept := range retained {
		if err := w.make(ctx, kept.ID, kept.Sandbox, func(r *verification.Record, s verification.State) (verification.Signal, bool) {
			if s.DataAnonymized || w.retainUntil(r).After(now) {
				return verification.Signal{}, false
			}
			return verification.NewAnonymized(r.Through(), now.UTC(), kept.Sandbox), true
		}); err != nil {
			return err
		}
	}
	return nil
}

// make applies a signal that no provider sent, if it holds for the record and the state that
// its signals come to now. Its event waits in the outbox: nobody waits until it is published.
func (w *worker) make(ctx context.Context, id verification.ID, sandbox bool, signal func(*verification.Record, verification.State) (verification.Signal, bool)) error {
	kind, ok := w.provider.Kind(id.Kind)
	if !ok {
		return fmt.Errorf("no kind %q", id.Kind)
	}
	err := w.state.Update(ctx, func(tx *store.Tx) error {
		c := w.change(tx, "")
		t, err := c.record(ctx, kind, id, sandbox)
		if err != nil {
			return err
		}
		// Where the signal does not hold, the dates do not.
		t.changed = true
		if s, holds := signal(t.record, foldNow(kind, t.record)); holds {
			made, err := kind.Apply(t.record, s)
			if err != nil {
				return err
			}
			if err := c.event(ctx, t, made); err != nil {
				return err
			}
		}
		return c.save(ctx)
	})
	if err == nil {
		w.lane(sandbox).relay.Wake()
	}
	return err
}
