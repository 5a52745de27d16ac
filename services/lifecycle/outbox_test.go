package lifecycle

import (
	"testing"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// TestUnpublishableEventKeepsNobodyWaiting has an event wait that no stream can take, between
// others.
func TestUnpublishableEventKeepsNobodyWaiting(t *testing.T) {
	h := newHarness(t)
	first := h.post("check", body{Ref: "a", Says: "started", At: noon})
	second := h.post("check", body{Ref: "b", Says: "yes", At: noon})
	h.stopped(func(w *worker) {
		h.commit(w, first)
		rows, err := w.state.Waiting(t.Context(), bus.Verifications, 0, bus.MaxBatch)
		if err != nil || len(rows) != 1 {
			t.Fatalf("%d rows: %v", len(rows), err)
		}
		bad := rows[0]
		bad.EventID, bad.Subject = event.VerificationEventID("acme/check/c", 1), "kyc.v1.*"
		if err := w.state.Update(t.Context(), func(tx *store.Tx) error { return tx.Append(t.Context(), bad) }); err != nil {
			t.Fatal(err)
		}
		h.commit(w, second)
	})
	h.settle()
	if events := h.events(bus.Verifications); len(events) != 2 || events[1].Status != verification.Approved {
		t.Errorf("events: %+v", events)
	}
	letters := h.dead()
	if len(letters) != 1 || letters[0].Sequence != first || letters[0].Cause != causeUnpublishable {
		t.Errorf("dead letters: %+v", letters)
	}
}

// TestStreamIsReadOnceAtTheStart has the relay begin behind what was read before it, and read
// again where that is not so any more.
func TestStreamIsReadOnceAtTheStart(t *testing.T) {
	h := newHarness(t)
	h.post("check", body{Ref: "a", Says: "started", At: noon})
	h.settle()
	h.stopped(func(w *worker) {
		lane := w.lane(false)
		h.post("check", body{Ref: "a", Says: "yes", At: noon})
		read := lane.caughtUp
		if _, err := h.bus.Publish(t.Context(), bus.Message{Subject: event.VerificationSubject(false, "acme", "check", "pending")}); err != nil {
			t.Fatal(err)
		}
		for i, want := range []uint64{read.LastSeq, read.LastSeq + 1} {
			fence, err := lane.Resync(t.Context())
			if err != nil || fence.LastSeq != want || fence.Filter != event.VerificationFilter(false, "acme") {
				t.Errorf("%d: fence %+v, want %d: %v", i, fence, want, err)
			}
		}
	})
}
