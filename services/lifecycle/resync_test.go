package lifecycle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// stopped is a worker that is up to the stream and does nothing by itself, so that a test can
// stop it between any two steps.
func (h *harness) stopped(do func(w *worker)) {
	h.t.Helper()
	h.asleep(func(w *worker) {
		if err := w.catchUp(h.t.Context()); err != nil {
			h.t.Fatal(err)
		}
		do(w)
	})
}

// asleep is a worker that has opened its state and has not looked at the stream.
func (h *harness) asleep(do func(w *worker)) {
	h.t.Helper()
	p := &h.config.Providers[0]
	state, err := store.OpenLifecycle(h.t.Context(), h.config.Store, p.Name)
	if err != nil {
		h.t.Fatal(err)
	}
	defer state.Close()
	w, err := newWorker(h.config, p, state, h.config.Logger, h.config.Logger)
	if err != nil {
		h.t.Fatal(err)
	}
	do(w)
}

// commit applies the delivery at a position and publishes nothing.
func (h *harness) commit(w *worker, seq uint64) {
	h.t.Helper()
	m, err := h.bus.Get(h.t.Context(), bus.Webhooks, seq)
	if err != nil {
		h.t.Fatal(err)
	}
	envelope, err := event.Decode(m.Header, m.Data)
	if err != nil {
		h.t.Fatal(err)
	}
	webhook, err := event.WebhookOf(envelope)
	if err != nil {
		h.t.Fatal(err)
	}
	d := delivery{Webhook: webhook, seq: seq}
	plain, err := w.open(d)
	if err != nil {
		h.t.Fatal(err)
	}
	decoded, err := w.provider.Decode(provider.Delivery{Event: d.Event, Body: plain})
	if errors.Is(err, provider.ErrUnhandled) {
		_, err = w.remember(h.t.Context(), d, decoded.Seen)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	signals, err := w.signals(d, decoded.Elements)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := w.apply(h.t.Context(), d, signals); err != nil {
		h.t.Fatal(err)
	}
}

func TestCrashBetweenCommitAndPublish(t *testing.T) {
	h := newHarness(t)
	seq := h.post("check", body{Ref: "a", Says: "yes", At: noon})
	h.stopped(func(w *worker) { h.commit(w, seq) })
	h.settle()
	if events := h.events(bus.Verifications); len(events) != 1 {
		t.Errorf("%d events", len(events))
	}
	if outcomes := h.outcomes(); len(outcomes) != 0 {
		t.Errorf("outcomes: %+v", outcomes)
	}
}

func TestCrashBetweenPublishAndMark(t *testing.T) {
	for _, pause := range []time.Duration{0, 2 * window} {
		t.Run(fmt.Sprint("stopped for ", pause), func(t *testing.T) {
			h := newHarness(t)
			first := h.post("check", body{Ref: "a", Says: "started", At: noon})
			second := h.post("check", body{Ref: "a", Says: "yes", At: noon.Add(time.Minute)})
			h.stopped(func(w *worker) {
				h.commit(w, first)
				h.commit(w, second)
				h.publishUnmarked(w, 2)
			})
			// The stream must have forgotten the ids.
			<-time.After(pause)
			h.post("check", body{Ref: "a", Says: "no", At: noon.Add(2 * time.Minute)})
			h.settle()
			if events := h.events(bus.Verifications); len(events) != 3 {
				t.Errorf("%d events", len(events))
			}
		})
	}
}

// publishUnmarked publishes what waits, as one that is killed before it can mark it.
func (h *harness) publishUnmarked(w *worker, want int) {
	h.t.Helper()
	rows, err := w.state.Waiting(h.t.Context(), bus.Verifications, 0, bus.MaxBatch)
	if err != nil || len(rows) != want {
		h.t.Fatalf("%d rows: %v", len(rows), err)
	}
	for _, row := range rows {
		if _, err := h.bus.Publish(h.t.Context(), bus.Message{Subject: row.Subject, Header: row.Header, Data: row.Data}); err != nil {
			h.t.Fatal(err)
		}
	}
}

func TestStateIsMadeAnew(t *testing.T) {
	h := newHarness(t)
	h.post("check", body{Ref: "a", Says: "started", At: noon, Signed: "one"})
	unhandled := h.post(provider.EventOther, body{})
	h.settle()
	<-time.After(2 * window)
	if err := os.RemoveAll(h.dir); err != nil {
		t.Fatal(err)
	}
	h.post("check", body{Ref: "a", Says: "yes", At: noon.Add(time.Minute)})
	h.post("check", body{Ref: "b", Says: "yes", At: noon, Signed: "one"})
	h.settle()
	events := h.events(bus.Verifications)
	if len(events) != 2 || events[1].Status != verification.Approved || events[1].ID != events[0].ID {
		t.Errorf("events: %+v", events)
	}
	told := 0
	for _, o := range h.outcomes() {
		if o.Sequence == unhandled {
			told++
		}
	}
	if told != 2 {
		t.Errorf("deliveries were not read again: an outcome was told %d times", told)
	}
}

func TestOldStateCatchesUp(t *testing.T) {
	h := newHarness(t)
	h.post("check", body{Ref: "a", Says: "started", At: noon})
	h.post("check", body{Ref: "a", Says: "started", At: noon})
	h.settle()
	backup := filepath.Join(t.TempDir(), "backup")
	copyDir(t, h.dir, backup)
	// The stream must have forgotten the ids of outcomes, so that one told again is seen.
	<-time.After(2 * window)
	h.post("check", body{Ref: "a", Says: "review", At: noon.Add(time.Minute)})
	h.settle()
	restore(t, backup, h.dir)
	late := h.post("check", body{Ref: "a", Says: "yes", At: noon.Add(2 * time.Minute)})
	again := h.post("check", body{Ref: "a", Says: "yes", At: noon.Add(2 * time.Minute), Note: "in other words"})
	// The old state commits versions that the stream already has, and is stopped.
	h.asleep(func(w *worker) {
		h.commit(w, late)
		h.commit(w, again)
	})
	h.settle()
	var got []string
	for _, e := range h.events(bus.Verifications) {
		got = append(got, e.name)
	}
	want := []string{"pending", "awaiting_review", "approved", verification.Noted}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if outcomes := h.outcomes(); len(outcomes) != 2 {
		t.Errorf("deliveries that were acked since the backup were not read again: %d outcomes", len(outcomes))
	}
}

func copyDir(t testing.TB, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func restore(t testing.TB, backup, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	copyDir(t, backup, to)
}

func TestPublishingGoesOnWhenAllEventsHaveExpired(t *testing.T) {
	h := newHarness(t)
	// The position is one that the stream has reached, and nothing of this provider is in it.
	other := bus.Message{Subject: event.VerificationSubject(true, "other", "check", "pending")}
	ack, err := h.bus.Publish(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	h.stopped(func(w *worker) {
		position, err := w.state.Position(t.Context(), bus.Sandbox)
		if err != nil {
			t.Fatal(err)
		}
		position.Seq = ack.Seq
		if err := w.state.SetPosition(t.Context(), bus.Sandbox, position); err != nil {
			t.Fatal(err)
		}
	})
	h.post("check", body{Ref: "a", Says: "yes", At: noon, Sandbox: true})
	h.settle()
	published := 0
	h.read(bus.Sandbox, func(m bus.Stored) {
		if m.Seq > ack.Seq {
			published++
		}
	})
	if published != 1 {
		t.Errorf("%d events", published)
	}
}

func TestOutcomeIsToldAfterALaterCopyWasHandledFirst(t *testing.T) {
	h := newHarness(t)
	said := body{Ref: "a", Says: "yes", At: noon}
	first, second := h.post("check", said), h.post("check", said)
	// Both are committed in the other order, and the process dies before it tells an outcome.
	h.stopped(func(w *worker) {
		h.commit(w, second)
		h.commit(w, first)
	})
	h.settle()
	events := h.events(bus.Verifications)
	if len(events) != 1 || events[0].CausationSequence != second {
		t.Fatalf("events: %+v", events)
	}
	outcomes := h.outcomes()
	if len(outcomes) != 1 || outcomes[0].Sequence != first || outcomes[0].Outcome != event.Repeat {
		t.Errorf("outcomes: %+v", outcomes)
	}
}
