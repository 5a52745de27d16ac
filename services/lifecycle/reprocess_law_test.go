package lifecycle

import (
	"context"
	"errors"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/store"
)

var errCrash = errors.New("crash")

// TestReprocessLaw runs random histories under two versions of a decoder. Wherever the newer one begins, and however often reading the
// deliveries once more is cut off, all ends as if there had never been another; and once that is so, nothing is emitted any more.
func TestReprocessLaw(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHarness(t)
		owned := rapid.Bool().Draw(rt, "owned payloads")
		version := func(n int) {
			h.upgrade(n)
			h.config.Providers[0].OwnedPayloads = owned
		}
		version(1)
		for range rapid.IntRange(3, 9).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"post", "post", "post", "post", "settle", "upgrade", "crash", "reprocess", "lose"}).Draw(rt, "step") {
			case "post":
				h.post(rapid.SampledFrom([]string{"check", "check", "check", "seen"}).Draw(rt, "event"), drawVersions(rt))
			case "settle":
				h.settle()
			case "upgrade":
				h.settle()
				version(2)
			case "crash":
				h.settle()
				h.crash(rapid.IntRange(0, 6).Draw(rt, "progress"))
			case "reprocess":
				h.stopped(func(*worker) {}) // A state that was lost is there again.
				h.settle()
				h.reprocess(rapid.StringMatching(`[a-z]{12}`).Draw(rt, "name"))
			case "lose":
				if err := os.RemoveAll(h.dir); err != nil {
					rt.Fatal(err)
				}
			}
		}
		h.stopped(func(*worker) {})
		h.settle()
		h.published()
		version(2)
		predicted := h.plan().Events
		before := len(h.events(bus.Verifications))
		h.reprocess("last")
		if made := len(h.events(bus.Verifications)) - before; uint64(made) != predicted {
			rt.Fatalf("%d events, planned were %d", made, predicted)
		}
		h.mustFollowTheLaw(rt)
		if plan := h.plan(); !plan.Empty() {
			rt.Fatalf("something is left to change: %+v", plan)
		}
		before = len(h.events(bus.Verifications))
		h.reprocess("again")
		if made := h.events(bus.Verifications)[before:]; len(made) > 0 {
			rt.Fatalf("nothing was changed, and there is %v", names(made))
		}
	})
}

// published runs the lifecycle until nothing waits in the outbox.
func (h *harness) published() {
	h.t.Helper()
	stop := h.start()
	defer stop()
	h.until("everything is published", func() bool {
		state, err := store.OpenLifecycleReader(h.t.Context(), h.config.Store, "acme")
		if err != nil {
			return false
		}
		defer state.Close()
		for _, lane := range []string{bus.Verifications, bus.Sandbox} {
			if rows, err := state.Waiting(h.t.Context(), lane, 0, 1); err != nil || len(rows) > 0 {
				return false
			}
		}
		return true
	})
}

// crash reads the deliveries once more and dies after so many steps, with events that are not published.
func (h *harness) crash(steps int) {
	h.t.Helper()
	h.stopped(func(w *worker) {
		staging, err := store.OpenStaging(h.t.Context(), h.dir, "crash", "crash")
		if err != nil {
			h.t.Fatal(err)
		}
		spec := NewReprocessSpec(w.provider)
		state, err := h.bus.StreamState(h.t.Context(), bus.Webhooks)
		if err != nil {
			h.t.Fatal(err)
		}
		spec.Through = state.LastSeq
		r := w.rereading(spec, staging)
		r.progress = func(ctx context.Context, _ string, _, _ uint64) error {
			if steps--; steps < 0 {
				return errCrash
			}
			return nil
		}
		for _, step := range []func(context.Context) error{r.stage, r.owners, r.records, r.apply} {
			if err = step(h.t.Context()); err != nil {
				break
			}
		}
		if err != nil && !errors.Is(err, errCrash) {
			h.t.Fatal(err)
		}
		if err := staging.Close(); err != nil {
			h.t.Fatal(err)
		}
	})
}

// drawVersions draws a body that the two versions of the decoder may read differently.
func drawVersions(rt *rapid.T) body {
	b := drawBody(rt)
	switch rapid.SampledFrom([]string{"same", "same", "hidden", "broken", "dropped", "other", "other", "other"}).Draw(rt, "versions") {
	case "hidden":
		b.Hidden = true
	case "broken":
		b.Broken = true
	case "dropped":
		b.Dropped = true
	case "other":
		other := drawBody(rt)
		other.Signed = b.Signed // what is signed is the body's
		b.Before = &other
	}
	return b
}
