package lifecycle

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/runs"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// upgrade has the next start be of another version of the decoder.
func (h *harness) upgrade(version int) {
	h.config.Providers = []provider.Provider{acmeOf(version)}
}

func (h *harness) plan(change ...func(*ReprocessSpec)) *ReprocessPlan {
	h.t.Helper()
	spec := NewReprocessSpec(&h.config.Providers[0])
	for _, f := range change {
		f(&spec)
	}
	dir := h.t.TempDir()
	plan, err := PlanReprocess(h.t.Context(), h.config, spec, dir, 100, func(string, uint64, uint64) {})
	if err != nil {
		h.t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		h.t.Errorf("the plan leaves %v behind: %v", left, err)
	}
	return plan
}

// ask creates a run of a plan.
func (h *harness) ask(name string, plan *ReprocessPlan) {
	h.t.Helper()
	spec, err := json.Marshal(plan.Spec)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := runs.Open(h.bus).Create(h.t.Context(), runs.Run{Verb: VerbReprocess, Name: name, Spec: spec}); err != nil {
		h.t.Fatal(err)
	}
}

// await waits until a run has come to an end, or failed.
func (h *harness) await(verb, name string) runs.Run {
	h.t.Helper()
	var run runs.Run
	h.until(verb+" "+name+" ends", func() bool {
		var err error
		run, err = runs.Open(h.bus).Get(h.t.Context(), verb, name)
		return err == nil && (run.Over() || run.State == runs.Failed)
	})
	return run
}

// reprocess plans and runs, and returns the plan.
func (h *harness) reprocess(name string, change ...func(*ReprocessSpec)) *ReprocessPlan {
	h.t.Helper()
	plan := h.plan(change...)
	h.ask(name, plan)
	stop := h.start()
	defer stop()
	if run := h.await(VerbReprocess, name); run.State != runs.Done {
		h.t.Fatalf("the run is %s: %s", run.State, run.Error)
	}
	return plan
}

func names(events []published) (list []string) {
	for _, e := range events {
		list = append(list, e.ID+" "+e.name)
	}
	return list
}

func TestReprocessEmitsWhatANewerDecoderReads(t *testing.T) {
	h := newHarness(t)
	h.post("check", body{Ref: "a", Says: "no", At: noon, Before: &body{Ref: "a", Says: "yes", At: noon}})
	h.post("check", body{Ref: "b", Says: "yes", At: noon})
	hidden := h.post("check", body{Ref: "c", Says: "yes", At: noon, Hidden: true})
	broken := h.post("check", body{Ref: "d", Says: "yes", At: noon, Broken: true})
	stillBroken := h.post("check", []byte("{"))
	h.settle()
	before := h.events(bus.Verifications)
	outcomes := len(h.outcomes())
	if letters := h.dead(); len(before) != 2 || len(letters) != 2 {
		t.Fatalf("%d events, %d letters", len(before), len(letters))
	}

	h.upgrade(2)
	plan := h.reprocess("first")
	if plan.Changed != 3 || plan.Events != 3 || plan.Statuses["approved → rejected"] != 1 || plan.Statuses["none → approved"] != 2 ||
		plan.Ends["unhandled → applied"] != 1 || plan.Ends["dead → applied"] != 1 || plan.Deliveries[ResultUndecodable] != 1 {
		t.Errorf("plan: %+v", plan)
	}
	events := h.events(bus.Verifications)[len(before):]
	want := []string{"acme/check/a rejected", "acme/check/c approved", "acme/check/d approved"}
	if diff := cmp.Diff(want, names(events)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if e := events[0]; e.Version != 2 || *e.PreviousStatus != verification.Approved || e.Supersedes != nil || e.Signal.Decoder != 2 {
		t.Errorf("the changed one: %+v", e)
	}
	if events[1].CausationSequence != hidden || events[2].CausationSequence != broken {
		t.Errorf("caused by %d and %d", events[1].CausationSequence, events[2].CausationSequence)
	}
	if letters := h.dead(); len(letters) != 1 || letters[0].Sequence != stillBroken {
		t.Errorf("dead letters: %+v", letters)
	}
	if got := h.outcomes(); outcomes != 1 || len(got) != 0 {
		t.Errorf("%d outcomes before, and now %+v", outcomes, got)
	}

	if plan := h.plan(); !plan.Empty() {
		t.Errorf("the same once more would change something: %+v", plan)
	}
}

// Deliveries that had made no event, and say now what is known, are repeats.
func TestReprocessTellsOfRepeats(t *testing.T) {
	h := newHarness(t)
	h.post("check", body{Ref: "a", Says: "yes", At: noon, Signed: "one"})
	h.post("check", body{Ref: "a", Says: "yes", At: noon, Signed: "one", Broken: true})
	h.post("check", body{Ref: "a", Says: "yes", At: noon, Signed: "one", Hidden: true})
	nothing := h.post("check", body{Ref: "a", Says: "yes", At: noon, Signed: "two", Broken: true, Dropped: true})
	h.settle()
	h.upgrade(2)
	plan := h.reprocess("repeats")
	if plan.Changed != 0 || plan.Ends["dead → repeat"] != 1 || plan.Ends["unhandled → repeat"] != 1 {
		t.Errorf("plan: %+v", plan)
	}
	told := map[uint64]event.OutcomeName{}
	for _, o := range h.outcomes() {
		told[o.Sequence] = o.Outcome
	}
	want := map[uint64]event.OutcomeName{2: event.Repeat, 3: event.Repeat, nothing: event.Unhandled}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if letters, events := h.dead(), h.events(bus.Verifications); len(letters) != 0 || len(events) != 1 {
		t.Errorf("letters %+v, %d events", letters, len(events))
	}
}

// A verification never shows a state in which only some of its deliveries count as the newer decoder reads them.
func TestReprocessEmitsOneStateForEachVerification(t *testing.T) {
	h := newHarness(t)
	h.post("check", body{Ref: "a", Says: "review", At: noon, Before: &body{Ref: "a", Says: "yes", At: noon}})
	h.post("check", body{Ref: "a", Says: "no", At: noon.Add(time.Second), Before: &body{Ref: "a", Says: "review", At: noon}})
	h.settle()
	h.upgrade(2)
	h.reprocess("one")
	events := h.events(bus.Verifications)[2:]
	if diff := cmp.Diff([]string{"acme/check/a rejected", "acme/check/a noted"}, names(events)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for _, e := range events {
		if e.Status != verification.Rejected || e.Supersedes != nil {
			t.Errorf("%+v", e.Verification)
		}
	}
}

// What a delivery does not tell of a verification any more is taken back, and told of another where it belongs.
func TestReprocessMovesSignals(t *testing.T) {
	for _, owned := range []bool{false, true} {
		h := newHarness(t)
		own := func() { h.config.Providers[0].OwnedPayloads = owned }
		own()
		h.post("check", body{Ref: "b", Says: "yes", At: noon, Before: &body{Ref: "a", Says: "yes", At: noon}})
		h.post("check", body{Ref: "c", Says: "no", At: noon, Dropped: true})
		h.settle()
		h.upgrade(2)
		own()
		plan := h.reprocess("move")
		if plan.Changed != 3 {
			t.Errorf("owned %v: plan: %+v", owned, plan)
		}
		events := h.events(bus.Verifications)[2:]
		want := []string{"acme/check/a processing", "acme/check/b approved", "acme/check/c processing"}
		if diff := cmp.Diff(want, names(events)); diff != "" {
			t.Errorf("owned %v: events (-want +got):\n%s", owned, diff)
		}
		// The state can still be made anew from what was published.
		if err := os.RemoveAll(h.dir); err != nil {
			t.Fatal(err)
		}
		h.settle()
		if got := h.events(bus.Verifications); len(got) != 5 {
			t.Errorf("owned %v: made anew, %v follows", owned, names(got[5:]))
		}
	}
}

func TestReprocessOnlyWhatWasAskedFor(t *testing.T) {
	h := newHarness(t)
	for _, ref := range []string{"a", "b"} {
		h.post("check", body{Ref: ref, Says: "no", At: noon, Before: &body{Ref: ref, Says: "yes", At: noon}})
	}
	h.post("check", body{Ref: "a", Kind: "timed", Says: "no", At: noon, Before: &body{Ref: "a", Kind: "timed", Says: "yes", At: noon}})
	h.settle()
	h.upgrade(2)
	for name, c := range map[string]struct {
		change func(*ReprocessSpec)
		want   uint64
	}{
		"verification": {func(s *ReprocessSpec) { s.Verification = "acme/check/b" }, 1},
		"kind":         {func(s *ReprocessSpec) { s.Kind = "check" }, 2},
		"since":        {func(s *ReprocessSpec) { s.Since = time.Now().Add(time.Hour) }, 0},
		"until":        {func(s *ReprocessSpec) { s.Until = time.Now().Add(-time.Hour) }, 0},
		"all":          {func(*ReprocessSpec) {}, 3},
	} {
		if plan := h.plan(c.change); plan.Changed != c.want {
			t.Errorf("%s: %d would change, want %d", name, plan.Changed, c.want)
		}
	}
	h.reprocess("b", func(s *ReprocessSpec) { s.Verification = "acme/check/b" })
	if diff := cmp.Diff([]string{"acme/check/b rejected"}, names(h.events(bus.Verifications)[3:])); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// A table that was mended changes what known signals come to.
func TestReprocessAfterATableWasMended(t *testing.T) {
	h := newHarness(t)
	h.post("check", body{Ref: "a", Says: "left", At: noon})
	h.settle()
	kind, _ := h.config.Providers[0].Kind("check")
	kind.Table[2].Status = verification.Expired
	h.reprocess("table")
	if diff := cmp.Diff([]string{"acme/check/a abandoned", "acme/check/a expired"}, names(h.events(bus.Verifications))); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestReprocessRefusesAnotherVersion(t *testing.T) {
	h := newHarness(t)
	h.post("check", body{Ref: "a", Says: "no", At: noon, Before: &body{Ref: "a", Says: "yes", At: noon}})
	h.settle()
	h.upgrade(2)
	h.ask("early", h.plan())
	h.upgrade(1)
	stop := h.start()
	run := h.await(VerbReprocess, "early")
	stop()
	if run.State != runs.Failed || run.Error == "" || len(h.events(bus.Verifications)) != 1 {
		t.Fatalf("it is %s: %q", run.State, run.Error)
	}
	h.upgrade(2)
	if _, err := runs.Open(h.bus).Ask(t.Context(), VerbReprocess, "early", runs.Resume); err != nil {
		t.Fatal(err)
	}
	stop = h.start()
	defer stop()
	if run := h.await(VerbReprocess, "early"); run.State != runs.Done {
		t.Errorf("resumed, it is %s: %q", run.State, run.Error)
	}
}

func TestReprocessCanceledLeavesNoFile(t *testing.T) {
	h := newHarness(t)
	for range 50 {
		h.post("check", body{Ref: "a", Says: "yes", At: noon})
	}
	h.settle()
	h.ask("slow", h.plan(func(s *ReprocessSpec) { s.Rate = 1 }))
	stop := h.start()
	defer stop()
	staged := func() int {
		files, err := filepath.Glob(filepath.Join(h.dir, "reprocess-*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	book := runs.Open(h.bus)
	h.until("it runs", func() bool { return staged() > 0 })
	if _, err := book.Ask(t.Context(), VerbReprocess, "slow", runs.Pause); err != nil {
		t.Fatal(err)
	}
	h.until("it is paused", func() bool {
		run, err := book.Get(t.Context(), VerbReprocess, "slow")
		return err == nil && run.State == runs.Paused
	})
	if staged() == 0 {
		t.Error("what was read is gone")
	}
	if _, err := book.Ask(t.Context(), VerbReprocess, "slow", runs.Cancel); err != nil {
		t.Fatal(err)
	}
	h.until("nothing is left", func() bool { return staged() == 0 })
}

func TestPlanWithoutAState(t *testing.T) {
	h := newHarness(t)
	_, err := PlanReprocess(t.Context(), h.config, NewReprocessSpec(&h.config.Providers[0]), t.TempDir(), 1, func(string, uint64, uint64) {})
	if err == nil || errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("error is %v", err)
	}
}
