package lifecycle

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/relay"
	"github.com/verdict-stream/verdict/pkg/store"
)

// TestMarksAreNotForeignEvents has the stream read while the record of what was published is written: the events are ours, whichever is
// first, and no delivery is read again for them.
func TestMarksAreNotForeignEvents(t *testing.T) {
	h := newHarness(t)
	h.post("check", body{Ref: "a", Says: "started", At: noon})
	h.settle()
	seq := h.post("check", body{Ref: "b", Says: "yes", At: noon})
	h.stopped(func(w *worker) {
		lane := w.lane(false)
		if _, err := lane.Resync(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.commit(w, seq)
		rows, err := w.state.Waiting(t.Context(), bus.Verifications, 0, 1)
		if err != nil || len(rows) != 1 {
			t.Fatalf("%d rows: %v", len(rows), err)
		}
		h.publishUnmarked(w, 1)
		state, err := h.bus.StreamState(t.Context(), bus.Verifications)
		if err != nil {
			t.Fatal(err)
		}

		// Writers wait, as they do for a database that is slow.
		busy, free := make(chan struct{}), make(chan struct{})
		var working sync.WaitGroup
		working.Go(func() {
			if err := w.state.Update(t.Context(), func(*store.Tx) error {
				close(busy)
				<-free
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
		<-busy
		if err := lane.Published(t.Context(), []relay.Row{{ID: uint64(rows[0].ID)}}, state.LastSeq); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		working.Go(func() {
			if err := lane.keepMarks(ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		h.until("the mark is being recorded", func() bool {
			lane.marks.mu.Lock()
			defer lane.marks.mu.Unlock()
			return lane.marks.next == nil
		})
		read := make(chan error, 1)
		working.Go(func() {
			_, err := lane.Resync(t.Context())
			read <- err
		})
		<-time.After(100 * time.Millisecond) // The stream is short.
		close(free)
		if err := <-read; err != nil {
			t.Error(err)
		}
		stop()
		working.Wait()
		oldest, there, err := h.bus.FirstUnacked(t.Context(), bus.Webhooks, w.consumer(), event.WebhookFilter("acme"))
		if err != nil || !there || oldest.Seq != seq {
			t.Errorf("the oldest delivery to be handled is %+v (%t, %v), want %d", oldest, there, err, seq)
		}
	})
	h.settle()
	if events := h.events(bus.Verifications); len(events) != 2 {
		t.Errorf("%d events", len(events))
	}
}
