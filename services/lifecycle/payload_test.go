package lifecycle

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/verification"
)

func TestPayloadIsTakenBackFromWhereItWasHandledFirst(t *testing.T) {
	h := newHarness(t)
	owner := h.post("check", body{Ref: "owner", Says: "yes", At: noon, Signed: "captured"})
	thief := h.post("check", body{Ref: "thief", Says: "yes", At: noon, Signed: "captured"})
	h.stopped(func(w *worker) {
		h.commit(w, thief)
		h.commit(w, owner)
	})
	h.settle()
	status := map[string]verification.Status{}
	for _, e := range h.events(bus.Verifications) {
		status[e.ID] = e.Status
	}
	want := map[string]verification.Status{"acme/check/owner": verification.Approved, "acme/check/thief": verification.Processing}
	if diff := cmp.Diff(want, status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestPayloadThatWasSeenBeforeIsDatedBack(t *testing.T) {
	for _, reversed := range []bool{false, true} {
		t.Run(fmt.Sprint("reversed ", reversed), func(t *testing.T) {
			h := newHarness(t)
			old := h.post("seen", body{Ref: "a", Says: "yes", At: noon, Signed: "captured"})
			h.post("check", body{Ref: "a", Says: "no", At: noon.Add(time.Minute)})
			replayed := h.post("check", body{Ref: "a", Says: "yes", At: noon.Add(time.Hour), Signed: "captured"})
			h.stopped(func(w *worker) {
				order := []uint64{old, replayed}
				if reversed {
					order = []uint64{replayed, old}
				}
				for _, seq := range order {
					h.commit(w, seq)
				}
			})
			h.settle()
			events := h.events(bus.Verifications)
			if last := events[len(events)-1]; last.Status != verification.Rejected {
				t.Errorf("a payload of the past made the case %s", last.Status)
			}
		})
	}
}
