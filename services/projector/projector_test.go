package projector

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider/idenfy"
	"github.com/verdict-stream/verdict/pkg/store"
)

// running is a projector that runs.
type running struct {
	config Config
	stop   func() error
}

func (w *world) run(config Config) running {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, config) }()
	return running{config: config, stop: func() error {
		cancel()
		return <-done
	}}
}

// await waits until the condition holds. It fails only where nothing happens at all.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(5 * time.Minute); !holds(); <-poll.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

// done reports whether every consumer is done with all that its stream holds.
func (w *world) done(p *projector) bool {
	for _, c := range p.consumers() {
		floor, err := w.bus.AckFloor(w.t.Context(), c.Stream, c.Name)
		if err != nil {
			return false
		}
		last, err := w.bus.LastSequence(w.t.Context(), c.Stream, c.Filter)
		if err != nil || floor.Seq != last || floor.Pending > 0 {
			return false
		}
	}
	return true
}

func TestRun(t *testing.T) {
	w := everything(t)
	want := w.projector(t)
	w.project(want)

	r := w.run(w.config(t))
	p := newProjector(r.config)
	await(t, "the end of all streams", func() bool { return w.done(p) })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	got := read(t, p)
	for _, progress := range got.Stats.Progress {
		last, err := w.bus.LastSequence(t.Context(), progress.Stream, ">")
		if err != nil {
			t.Fatal(err)
		}
		if progress.Sequence != last || progress.Pending != 0 {
			t.Errorf("progress of %s is %d with %d pending, want %d and 0", progress.Stream, progress.Sequence, progress.Pending, last)
		}
	}
	if want := len((&projector{}).consumers()); len(got.Stats.Progress) != want {
		t.Errorf("progress of %d streams, want of %d", len(got.Stats.Progress), want)
	}
	got.Stats.Progress = nil
	if diff := cmp.Diff(read(t, want), got); diff != "" {
		t.Errorf("tables (-by hand +by Run):\n%s", diff)
	}

	// The next start goes on where this one stopped.
	w.tell(&idenfy.Provider, autoFinish, scan("s9", true, 60, "APPROVED", "Ada"))
	r = w.run(r.config)
	await(t, "the event after the restart", func() bool { return w.done(p) })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if got := len(read(t, p).Verifications); got != len(read(t, want).Verifications)+1 {
		t.Errorf("%d verifications after the restart", got)
	}
}

// A message that cannot be read goes to the dead letters, and the rest goes on.
func TestRunGoesOnAfterAnUnreadableMessage(t *testing.T) {
	w := newWorld(t)
	seq := w.publish("kyc.v1.idenfy.id_verification.approved", nil, []byte("{}"))
	w.tell(&idenfy.Provider, autoFinish, scan("s1", true, 60, "APPROVED", "Ada"))
	r := w.run(w.config(t))
	p := newProjector(r.config)
	await(t, "the end of all streams", func() bool { return w.done(p) })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if got := shown(t, p, scanned.String(), false); got != "Ada" {
		t.Errorf("the claims are of %q, want those of the event behind", got)
	}
	var subjects []string
	_, err := w.bus.Read(t.Context(), bus.Dead, "kyc.dead.>", 1, func(m bus.Stored) error {
		subjects = append(subjects, m.Subject)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"kyc.dead." + ownConsumers + "verifications"}, subjects); diff != "" {
		t.Errorf("dead letters for message %d (-want +got):\n%s", seq, diff)
	}
}

// While the database is away nothing is given up.
func TestDatabaseAway(t *testing.T) {
	w := everything(t)
	p := w.projector(t)
	steps := w.steps(p)
	config := w.config(t)
	closed := newProjector(config)
	if err := config.Model.Close(); err != nil {
		t.Fatal(err)
	}
	for i, c := range closed.consumers() {
		for _, s := range steps {
			// The dead letter of this package's own consumer is not written at all.
			if s.Stream != c.Stream || s.Subject == "kyc.dead."+ownConsumers+"webhooks" {
				continue
			}
			if err := c.Handle(t.Context(), s.Stored); !errors.Is(err, bus.ErrUnavailable) {
				t.Errorf("consumer %d, %s: error %v, want %v", i, c.Name, err, bus.ErrUnavailable)
			}
		}
	}
}

func TestSweep(t *testing.T) {
	w := newWorld(t)
	w.now = time.Now().UTC().Add(-retention - 2*expiredGrace)
	forgotten := w.receive(&idenfy.Provider, autoFinish, scan("s1", true, 60, "APPROVED", "Ada"))
	w.tell(&idenfy.Provider, autoFinish, scan("s2", true, 60, "APPROVED", "Ada"))
	w.now = time.Now().UTC().Add(-retention - expiredGrace/2)
	w.receive(&idenfy.Provider, autoFinish, scan("s3", true, 60, "APPROVED", "Ada"))
	p := w.projector(t)
	w.project(p)
	outcomes := func() []string {
		t.Helper()
		page, err := p.model.Deliveries(t.Context(), store.DeliveryFilter{Limit: all})
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, row := range page.Rows {
			list = append(list, row.Outcome)
		}
		return list
	}
	p.sweep(t.Context())
	if diff := cmp.Diff([]string{store.OutcomeExpired, store.OutcomeApplied, ""}, outcomes()); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	// Its true outcome was only late.
	w.fold(forgotten)
	w.project(p)
	p.sweep(t.Context())
	if diff := cmp.Diff([]string{store.OutcomeApplied, store.OutcomeApplied, ""}, outcomes()); diff != "" {
		t.Errorf("outcomes after the true one came (-want +got):\n%s", diff)
	}
}

// What came in and how it ended is visible, of every stream.
func TestDeliveries(t *testing.T) {
	w := everything(t)
	p := w.projector(t)
	w.project(p)
	type row struct{ Stream, Provider, Event, Outcome, Cause string }
	counts := map[row]int{}
	for _, d := range read(t, p).Deliveries {
		if d.OutcomeAt.IsZero() != (d.Outcome == "") {
			t.Errorf("%s %d: outcome %q at %v", d.Stream, d.Sequence, d.Outcome, d.OutcomeAt)
		}
		counts[row{d.Stream, d.Provider, d.Event, d.Outcome, d.Cause}]++
	}
	want := map[row]int{
		{bus.Webhooks, "idenfy", "id_verification_auto_finish", "applied", ""}:               4,
		{bus.Webhooks, "idenfy", "id_verification_manual_finish", "applied", ""}:             1,
		{bus.Webhooks, "treezor", "kycliveness_update", "applied", ""}:                       3,
		{bus.Webhooks, "yousign", "verification_identity_document_done", "applied", ""}:      3,
		{bus.Webhooks, "idenfy", "id_verification_auto_finish", "repeat", ""}:                1,
		{bus.Webhooks, "idenfy", "id_verification_auto_finish", "unhandled", ""}:             1,
		{bus.Webhooks, "idenfy", "id_verification_auto_finish", "dead", "missing_reference"}: 1,
		{bus.Webhooks, "idenfy", "id_verification_auto_finish", "", ""}:                      1,
		{bus.Held, "treezor", "kycliveness_update", "held", ""}:                              1,
		{bus.Rejected, "kycaid", "", "rejected", "bad_signature"}:                            1,
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Errorf("deliveries (-want +got):\n%s", diff)
	}
}
