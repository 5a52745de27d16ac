package lifecycle

import (
	"errors"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/seal"
)

func TestKeysAreDestroyedWhileTheBrokerIsAway(t *testing.T) {
	h := newHarness(t)
	key, sealed, err := h.keys.Seal("acme", time.Now().Add(-3*retention), "id", []byte("body"))
	if err != nil {
		t.Fatal(err)
	}
	h.server.Shutdown()
	stop := h.start()
	defer stop()
	h.until("the key is destroyed", func() bool {
		_, err := h.keys.Open(key, "id", sealed)
		return errors.Is(err, seal.ErrKeyDestroyed)
	})
}

// TestMadeSignalsWaitForNoBroker leaves their events in the outbox.
func TestMadeSignalsWaitForNoBroker(t *testing.T) {
	h := newHarness(t)
	seq := h.postAt("check", body{Ref: "a", Says: "yes", At: noon}, time.Now().Add(-2*retention))
	h.stopped(func(w *worker) {
		h.commit(w, seq)
		h.server.Shutdown()
		if err := w.anonymize(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		rows, err := w.state.Waiting(t.Context(), bus.Verifications, 0, bus.MaxBatch)
		if err != nil || len(rows) != 2 {
			t.Errorf("%d events wait: %v", len(rows), err)
		}
	})
}

// TestWaitingGoesOnWhileTheBrokerIsAway counts from when the oldest delivery was stored.
func TestWaitingGoesOnWhileTheBrokerIsAway(t *testing.T) {
	h := newHarness(t)
	h.post("check", body{Ref: "a", Says: "yes", At: noon})
	h.stopped(func(w *worker) {
		now := time.Now()
		if err := w.passDeadlines(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		h.server.Shutdown()
		first, later := w.metrics.waited(t.Context(), now), w.metrics.waited(t.Context(), now.Add(time.Hour))
		if later-first != time.Hour {
			t.Errorf("waited %v, an hour later %v", first, later)
		}
	})
}
