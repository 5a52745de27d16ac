package projector

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider/idenfy"
	"github.com/verdict-stream/verdict/pkg/store"
)

// finish runs a projector until it is done with everything that the streams hold, and returns it.
func (w *world) finish(t *testing.T, config Config) *projector {
	t.Helper()
	r := w.run(config)
	p := newProjector(r.config)
	await(t, "the end of all streams", func() bool { return w.done(p) })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	return p
}

// The streams are lost and made anew: the positions of the new ones are those of other messages, and only these are shown.
func TestStreamsMadeAnew(t *testing.T) {
	lost := newWorld(t)
	for _, reference := range []string{"s1", "s2", "s3"} {
		lost.tell(&idenfy.Provider, autoFinish, scan(reference, true, 60, "APPROVED", "Ada"))
	}
	lost.outcome(lost.receive(&idenfy.Provider, autoFinish, `{"clientId":"client-9"}`), event.Unhandled)
	config := lost.config(t)
	if got := len(read(t, lost.finish(t, config)).Deliveries); got != 4 {
		t.Fatalf("%d deliveries of the streams that will be lost, want 4", got)
	}

	w := newWorld(t)
	for _, reference := range []string{"s1", "s4", "s5"} {
		w.tell(&idenfy.Provider, autoFinish, scan(reference, true, 60, "DENIED", "Grace"))
	}
	want := w.projector(t)
	w.project(want)

	config.Bus, config.Keys = w.bus, w.keys
	p := w.finish(t, config)
	got := read(t, p)
	for _, progress := range got.Stats.Progress {
		identity, err := w.bus.StreamIdentity(t.Context(), progress.Stream)
		if err != nil {
			t.Fatal(err)
		}
		if progress.Identity != identity {
			t.Errorf("progress of %s is that of %q, want %q", progress.Stream, progress.Identity, identity)
		}
	}
	got.Stats.Progress = nil
	if diff := cmp.Diff(read(t, want), got); diff != "" {
		t.Errorf("tables (-of the new streams +got):\n%s", diff)
	}
}

// Only the deliveries are of another stream: what the other streams tell of their outcomes is read again.
func TestDeliveriesMadeAnew(t *testing.T) {
	w := everything(t)
	config := w.config(t)
	p := w.finish(t, config)
	want := read(t, p)
	ctx := t.Context()
	if err := errors.Join(
		p.model.Forget(ctx, bus.Webhooks),
		p.model.PutDelivery(ctx, store.Delivery{Stream: bus.Webhooks, Sequence: 999, ReceivedAt: w.now}),
		p.model.PutProgress(ctx, store.Progress{Stream: bus.Webhooks, Identity: "another", Sequence: 999, At: w.now}),
	); err != nil {
		t.Fatal(err)
	}
	if err := p.rewind(ctx); err != nil {
		t.Fatal(err)
	}
	got := read(t, w.finish(t, config))
	want.Stats.Progress, got.Stats.Progress = nil, nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tables (-before +now):\n%s", diff)
	}
}

// What tells of deliveries and is older than their stream tells of those of another.
func TestFormerDeliveriesHaveNoOutcome(t *testing.T) {
	w := everything(t)
	p := w.projector(t)
	if err := p.identify(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.former(bus.Stored{Time: p.webhooksSince}) || !p.former(bus.Stored{Time: p.webhooksSince.Add(-time.Nanosecond)}) {
		t.Errorf("the stream was made at %v", p.webhooksSince)
	}
	p.webhooksSince = time.Now().Add(time.Hour)
	w.project(p)
	received := 0
	for _, d := range read(t, p).Deliveries {
		if d.Stream != bus.Webhooks {
			continue
		}
		received++
		if d.Outcome != "" || d.ReceivedAt.IsZero() {
			t.Errorf("delivery %d has the outcome %q", d.Sequence, d.Outcome)
		}
	}
	if received == 0 {
		t.Error("there is no delivery")
	}
}

// A stream that is made anew while the projector runs gets no progress: the next start has to see that the tables are of the one before.
func TestNoProgressOfAnotherStream(t *testing.T) {
	w := everything(t)
	config := w.config(t)
	p := w.finish(t, config)
	if err := p.rewind(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, err := p.model.Progress(t.Context(), bus.Webhooks)
	if err != nil {
		t.Fatal(err)
	}
	other := newWorld(t)
	for range before.Sequence + 3 {
		other.receive(&idenfy.Provider, autoFinish, scan("s1", true, 60, "APPROVED", "Ada"))
	}
	other.finish(t, other.config(t))
	p.bus = other.bus
	if err := p.putProgress(t.Context(), bus.Webhooks, ownConsumers+"webhooks"); !errors.Is(err, errMadeAnew) {
		t.Errorf("error %v, want %v", err, errMadeAnew)
	}
	p.lastProgress(t.Context())
	after, err := p.model.Progress(t.Context(), bus.Webhooks)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("progress (-before +now):\n%s", diff)
	}
}

// From the first moment on it is known of which stream the rows are.
func TestProgressBeginsBeforeTheRows(t *testing.T) {
	w := everything(t)
	p := w.projector(t)
	for range 2 {
		if err := p.rewind(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range p.consumers() {
		identity, err := w.bus.StreamIdentity(t.Context(), c.Stream)
		if err != nil {
			t.Fatal(err)
		}
		state, err := w.bus.StreamState(t.Context(), c.Stream)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.model.Progress(t.Context(), c.Stream)
		if err != nil {
			t.Fatal(err)
		}
		want := store.Progress{Stream: c.Stream, Identity: identity, Pending: state.Messages, At: got.At}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
	}
}
