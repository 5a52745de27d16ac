package lifecycle

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// TestLaw runs random histories against a real broker and database: deliveries, stops, a lost
// state, an old state. Each must end in the state that the content of the stream means.
func TestLaw(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHarness(t)
		backup := filepath.Join(t.TempDir(), "backup")
		saved := false
		for range rapid.IntRange(2, 8).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"post", "post", "post", "settle", "commit", "lose", "save", "restore"}).Draw(rt, "step") {
			case "post":
				h.post(rapid.SampledFrom([]string{"check", "check", "check", "seen"}).Draw(rt, "event"), drawBody(rt))
			case "settle":
				h.settle()
			case "commit":
				if seq := h.post("check", drawBody(rt)); rapid.Bool().Draw(rt, "behind") {
					h.stopped(func(w *worker) { h.commit(w, seq) })
				}
			case "lose":
				if err := os.RemoveAll(h.dir); err != nil {
					rt.Fatal(err)
				}
			case "save":
				h.settle()
				if err := os.RemoveAll(backup); err != nil {
					rt.Fatal(err)
				}
				copyDir(t, h.dir, backup)
				saved = true
			case "restore":
				if saved {
					restore(t, backup, h.dir)
				}
			}
		}
		h.settle()
		h.mustFollowTheLaw(rt)
	})
}

// mustFollowTheLaw holds the stream of events to what the stream of deliveries means.
func (h *harness) mustFollowTheLaw(rt *rapid.T) {
	want, got := h.oracle(), map[string]verification.State{}
	for _, e := range h.events(bus.Verifications) {
		got[e.ID] = e.State()
	}
	nothing := (&verification.Kind{}).Fold(nil)
	for id := range want {
		if _, ok := got[id]; !ok && !want[id].Equal(nothing) {
			rt.Fatalf("%s has no event", id)
		}
	}
	for id, state := range got {
		// One of which nothing is told any more stays.
		meant, ok := want[id]
		if !ok {
			meant = nothing
		}
		if diff := cmp.Diff(meant, state, cmpopts.EquateEmpty()); diff != "" {
			rt.Fatalf("%s (-oracle +stream):\n%s", id, diff)
		}
	}
	if h.t.Failed() {
		rt.FailNow()
	}
}

func drawBody(rt *rapid.T) body {
	b := body{
		Ref:  rapid.SampledFrom([]string{"a", "a", "b"}).Draw(rt, "ref"),
		Says: rapid.SampledFrom([]string{"started", "review", "left", "yes", "no"}).Draw(rt, "says"),
		At:   noon.Add(time.Duration(rapid.IntRange(0, 3).Draw(rt, "seconds")) * time.Second),
	}
	if rapid.Bool().Draw(rt, "captured") {
		b.Signed = rapid.SampledFrom([]string{"one", "other"}).Draw(rt, "payload")
	}
	return b
}

// oracle folds the whole content of the stream of deliveries in one pass.
func (h *harness) oracle() map[string]verification.State {
	h.t.Helper()
	p := h.config.Providers[0]
	owners := map[string]string{}
	seen := map[string]verification.Signal{}
	records := map[string]*verification.Record{}
	h.read(bus.Webhooks, func(m bus.Stored) {
		envelope, err := event.Decode(m.Header, m.Data)
		if err != nil {
			h.t.Fatal(err)
		}
		webhook, err := event.WebhookOf(envelope)
		if err != nil {
			h.t.Fatal(err)
		}
		plain, err := h.keys.Open(webhook.SealKey, webhook.ID, webhook.Sealed)
		if err != nil {
			h.t.Fatal(err)
		}
		decoded, err := p.Decode(provider.Delivery{Event: webhook.Event, Body: plain})
		for _, s := range decoded.Seen {
			s.Received(m.Seq, webhook.ReceivedAt, webhook.ID)
			if _, before := seen[s.ID]; !before {
				seen[s.ID] = s
			}
		}
		if err != nil {
			return
		}
		for _, e := range decoded.Elements {
			kind, _ := p.Kind(e.Kind)
			id := verification.NewID(p.Name, e.Kind, e.Reference).String()
			if records[id] == nil {
				records[id] = &verification.Record{}
			}
			s := e.Signal
			s.Received(m.Seq, webhook.ReceivedAt, webhook.ID)
			if first, before := seen[s.ID]; before && p.OwnedPayloads {
				s.Seq, s.At, s.ReceivedAt, s.Delivery = first.Seq, first.At, first.ReceivedAt, first.Delivery
			}
			if owner := owners[s.ID]; p.OwnedPayloads && owner != "" && owner != id {
				continue
			}
			owners[s.ID] = id
			if err := kind.Fill(&s); err != nil {
				h.t.Fatal(err)
			}
			if _, err := kind.Apply(records[id], s); err != nil {
				h.t.Fatal(err)
			}
		}
	})
	states := map[string]verification.State{}
	for id, r := range records {
		states[id] = r.State
		if r.Version == 0 {
			states[id] = p.Kinds[0].Fold(nil)
		}
	}
	return states
}
