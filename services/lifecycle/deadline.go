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
	// keyInterval is between two looks for keys whose time is over.
	keyInterval = time.Minute
	// alarmShare is the part of its retention that a delivery may wait for its outcome before
	// that is an w.alarm.
	alarmShare = 2
	// alarmInterval is between two log lines about the same trouble.
	alarmInterval = time.Minute
)

// keepTime turns passed deadlines and finished retentions into signals, and destroys keys
// whose time is over.
func (w *worker) keepTime(ctx context.Context) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var keysAt time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now := time.Now()
		if now.Sub(keysAt) >= keyInterval {
			keysAt = now
			if err := w.destroyKeys(ctx, now); err != nil {
				w.alarm.ErrorContext(ctx, "keys of expired deliveries are not destroyed", "error", err)
			}
		}
		err := errors.Join(w.passDeadlines(ctx, now), w.anonymize(ctx, now))
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, store.ErrLeaseLost), errors.Is(err, store.ErrDamaged):
			return err
		case err != nil:
			w.alarm.WarnContext(ctx, "deadlines wait", "error", err)
		}
		if wait := w.metrics.waited(); wait > w.Retention(w.provider.Name)/alarmShare {
			w.alarm.ErrorContext(ctx, "a delivery has waited for more than half of its retention", "waited", wait.Round(time.Second))
		}
	}
}

// passDeadlines makes the signals of everything that was due before all deliveries received
// until then have been handled: one that came in time must not be overtaken by its deadline.
func (w *worker) passDeadlines(ctx context.Context, now time.Time) error {
	horizon := now
	oldest, found, err := w.Bus.FirstUnacked(ctx, bus.Webhooks, w.consumer(), event.WebhookFilter(w.provider.Name))
	if err != nil {
		return err
	}
	w.metrics.waits(0)
	if found {
		horizon = oldest.Time
		w.metrics.waits(now.Sub(oldest.Time))
	}
	// What was received before then may still be on its way into the stream.
	horizon = horizon.Add(-w.provider.Budget)
	due, err := w.state.Due(ctx, horizon, dueChunk)
	if err != nil {
		return err
	}
	for _, d := range due {
		if err := w.make(ctx, d.ID, d.Sandbox, func(r *verification.Record) (verification.Signal, bool) {
			at := r.State.ReviewDueAt
			if at == nil || at.After(horizon) || r.State.Overdue {
				return verification.Signal{}, false
			}
			return verification.NewOverdue(*at, now.UTC(), d.Sandbox), true
		}); err != nil {
			return err
		}
	}
	return nil
}

// anonymize makes the signals of finished retentions. No delivery that waits can keep personal
// data longer.
func (w *worker) anonymize(ctx context.Context, now time.Time) error {
	retained, err := w.state.Retained(ctx, now, dueChunk)
	if err != nil {
		return err
	}
	for _, kept := range retained {
		if err := w.make(ctx, kept.ID, kept.Sandbox, func(r *verification.Record) (verification.Signal, bool) {
			if r.State.DataAnonymized || w.retainUntil(r).After(now) {
				return verification.Signal{}, false
			}
			return verification.NewAnonymized(r.Through(), now.UTC(), kept.Sandbox), true
		}); err != nil {
			return err
		}
	}
	return nil
}

// make applies a signal that no provider sent, if it still holds for the record, and waits
// until its event is published.
func (w *worker) make(ctx context.Context, id verification.ID, sandbox bool, signal func(*verification.Record) (verification.Signal, bool)) error {
	kind, ok := w.provider.Kind(id.Kind)
	if !ok {
		return fmt.Errorf("no kind %q", id.Kind)
	}
	err := w.state.Update(ctx, func(tx *store.Tx) error {
		c := &change{worker: w, tx: tx, records: map[string]*touched{}}
		t, err := c.record(ctx, kind, id, sandbox)
		if err != nil {
			return err
		}
		s, holds := signal(t.record)
		if !holds {
			return nil
		}
		made, err := kind.Apply(t.record, s)
		if err != nil {
			return err
		}
		if err := c.event(ctx, t, made); err != nil {
			return err
		}
		return c.save(ctx)
	})
	if err != nil {
		return err
	}
	return w.lane(sandbox).flush(ctx)
}

// destroyKeys destroys the keys of deliveries whose retention is over.
func (w *worker) destroyKeys(ctx context.Context, now time.Time) error {
	destroyed, err := w.Keys.DestroyExpired(w.provider.Name, w.Retention(w.provider.Name), now)
	for _, key := range destroyed {
		w.logger.InfoContext(ctx, "key destroyed", "key", key)
	}
	return err
}
