package lifecycle

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// reschedule gives all verifications the dates that follow from the settings in force, where
// those were others when the dates were written.
func (w *worker) reschedule(ctx context.Context) error {
	return w.state.Reschedule(ctx, w.schedule(), func(r *verification.Record) store.Dates {
		kind, ok := w.provider.Kind(r.ID.Kind)
		if !ok {
			return store.Dates{} // Nothing can be made of it.
		}
		return w.dates(kind, r)
	})
}

// schedule names the settings that dates follow from.
func (w *worker) schedule() string {
	var b strings.Builder
	fmt.Fprintf(&b, "retention %s", w.Retention(w.provider.Name))
	for _, k := range w.provider.Kinds {
		fmt.Fprintf(&b, "; %s %s %v", k.Name, k.Deadline, k.DeadlineFor)
	}
	return b.String()
}

// dates are when something happens to a verification by itself.
func (w *worker) dates(kind *verification.Kind, r *verification.Record) store.Dates {
	return w.datesOf(r, foldNow(kind, r))
}

// datesOf is dates of a record whose signals are known to come to a state.
func (w *worker) datesOf(r *verification.Record, s verification.State) store.Dates {
	var d store.Dates
	if s.ReviewDueAt != nil && !s.Overdue {
		d.Due = *s.ReviewDueAt
	}
	if !s.DataAnonymized {
		d.RetainUntil = w.retainUntil(r)
	}
	return d
}

// foldNow is what the signals come to under the settings in force. The record's own state is
// what its last event said, under the settings of that time.
func foldNow(kind *verification.Kind, r *verification.Record) verification.State {
	set := make([]verification.Signal, len(r.Signals))
	for i := range r.Signals {
		set[i] = r.Signals[i].Signal
	}
	return kind.Fold(set)
}

// retainUntil is when the personal data of a set of signals has been kept long enough.
func (w *worker) retainUntil(r *verification.Record) time.Time {
	last := r.ReceivedLast()
	if last.IsZero() {
		return time.Time{}
	}
	return last.Add(w.Retention(w.provider.Name))
}
