package lifecycle

import (
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// within sets the deadline of the kind "timed" for the next start.
func (h *harness) within(deadline time.Duration) {
	kind, _ := h.config.Providers[0].Kind("timed")
	kind.Deadline = deadline
}

// shortened has a review wait under a deadline that is far, and then sets one that has passed.
func (h *harness) shortened() {
	h.t.Helper()
	h.within(1000 * time.Hour)
	h.post("check", body{Ref: "a", Kind: "timed", Says: "review", At: noon.Add(-time.Hour)})
	h.settle()
	h.within(time.Minute)
}

func TestShorterDeadlineHoldsForWhatWaits(t *testing.T) {
	h := newHarness(t)
	h.shortened()
	stop := h.start()
	defer stop()
	h.until("overdue", func() bool { return len(h.events(bus.Verifications)) == 2 })
	e := h.events(bus.Verifications)[1]
	if e.name != verification.Overdue || !e.Overdue || e.ReviewDueAt == nil || !e.ReviewDueAt.Equal(noon.Add(time.Minute-time.Hour)) {
		t.Errorf("%s: overdue %v, due %v", e.name, e.Overdue, e.ReviewDueAt)
	}
}

// TestLongerDeadlineHoldsForWhatWaits comes before the deadlines are looked at, and while the
// stored ones are still those of the earlier setting.
func TestLongerDeadlineHoldsForWhatWaits(t *testing.T) {
	for name, rescheduled := range map[string]bool{"rescheduled": true, "not yet": false} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			seq := h.post("check", body{Ref: "a", Kind: "timed", Says: "review", At: noon.Add(-time.Hour)})
			h.stopped(func(w *worker) {
				h.commit(w, seq)
				if due := h.due(w); len(due) != 1 {
					t.Fatalf("due: %+v", due)
				}
			})
			h.within(1000 * time.Hour)
			h.stopped(func(w *worker) {
				// Nothing has acked the delivery.
				later := time.Now().Add(time.Hour)
				w.handled, w.watermark = later, watermark{later, seq}
				if rescheduled {
					if err := w.reschedule(t.Context()); err != nil {
						t.Fatal(err)
					}
				} else if err := w.passDeadlines(t.Context(), later); err != nil {
					t.Fatal(err)
				}
				if due := h.due(w); len(due) != 0 {
					t.Errorf("due: %+v", due)
				}
				rows, err := w.state.Waiting(t.Context(), bus.Verifications, 0, bus.MaxBatch)
				if err != nil || len(rows) != 1 {
					t.Errorf("%d events, want the one of the delivery: %v", len(rows), err)
				}
			})
		})
	}
}

// due returns what the state holds for due.
func (h *harness) due(w *worker) []store.Due {
	h.t.Helper()
	due, err := w.state.Due(h.t.Context(), time.Now(), dueChunk)
	if err != nil {
		h.t.Fatal(err)
	}
	return due
}

// TestStateMadeAnewFollowsTheDeadlinesInForce although its events tell of others.
func TestStateMadeAnewFollowsTheDeadlinesInForce(t *testing.T) {
	h := newHarness(t)
	h.shortened()
	h.stopped(func(w *worker) {
		if err := w.rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		if due := h.due(w); len(due) != 1 {
			t.Errorf("due: %+v", due)
		}
	})
}

func TestShorterRetentionHoldsForWhatIsKept(t *testing.T) {
	h := newHarness(t)
	h.config.Retention = func(string) time.Duration { return 3 * retention }
	h.postAt("check", body{Ref: "a", Says: "yes", At: noon}, time.Now().Add(-2*retention))
	h.settle()
	h.config.Retention = func(string) time.Duration { return retention }
	stop := h.start()
	defer stop()
	h.until("anonymized", func() bool { return len(h.events(bus.Verifications)) == 2 })
	if e := h.events(bus.Verifications)[1]; e.name != verification.Anonymized || !e.DataAnonymized {
		t.Errorf("%s: anonymized %v", e.name, e.DataAnonymized)
	}
}
