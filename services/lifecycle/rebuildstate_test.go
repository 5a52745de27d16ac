package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/verdict-stream/verdict/pkg/archive"
	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/runs"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// rebuild asks for a state that is made anew, and waits for the end.
func (h *harness) rebuild(accept bool) (runs.Run, RebuildStateDetail) {
	h.t.Helper()
	book := runs.Open(h.bus)
	_ = book.Forget(h.t.Context(), VerbRebuildState, "acme")
	spec, err := json.Marshal(RebuildStateSpec{Provider: "acme", Accept: accept})
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := book.Create(h.t.Context(), runs.Run{Verb: VerbRebuildState, Name: "acme", Spec: spec}); err != nil {
		h.t.Fatal(err)
	}
	run := h.await(VerbRebuildState, "acme")
	var detail RebuildStateDetail
	if err := json.Unmarshal(run.Detail, &detail); err != nil {
		h.t.Fatal(err)
	}
	return run, detail
}

// history posts what makes signals, copies of them, moves of payloads and outcomes.
func (h *harness) history() {
	h.t.Helper()
	for i := range 30 {
		ref := fmt.Sprint("v", i)
		h.post("check", body{Ref: ref, Says: "started", At: noon})
		h.post("check", body{Ref: ref, Says: "yes", At: noon.Add(time.Second), Sandbox: i%7 == 0})
		h.post("check", body{Ref: ref, Says: "started", At: noon})
		h.post("check", body{Ref: "other" + ref, Says: "yes", At: noon, Signed: fmt.Sprint("payload", i%5)})
	}
	h.post("seen", body{Ref: "late", Says: "yes", At: noon, Signed: "seen"})
	h.post("check", body{Ref: "late", Says: "yes", At: noon.Add(time.Hour), Signed: "seen"})
}

func (h *harness) files(pattern string) int {
	h.t.Helper()
	files, err := filepath.Glob(filepath.Join(h.dir, pattern))
	if err != nil {
		h.t.Fatal(err)
	}
	return len(files)
}

// dump is everything that a state says.
func (h *harness) dump() map[string]string {
	h.t.Helper()
	state, err := store.OpenLifecycleReader(h.t.Context(), h.config.Store, "acme")
	if err != nil {
		h.t.Fatal(err)
	}
	defer state.Close()
	all := map[string]string{}
	put := func(key string, value any) {
		text, err := json.Marshal(value)
		if err != nil {
			h.t.Fatal(err)
		}
		all[key] = string(text)
	}
	err = state.Records(h.t.Context(), func(r *verification.Record) error {
		put(recordKey(r.ID, r.Sandbox), map[string]any{"version": r.Version, "state": r.State})
		for _, e := range r.Signals {
			put(recordKey(r.ID, r.Sandbox)+" "+e.ID, e)
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	payloads, err := state.Payloads(h.t.Context(), "", 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, p := range payloads {
		put("payload "+p.Signal, p.Payload)
	}
	return all
}

// sums sums up the state in the order of its signals' ids, which is another one than that of a rebuild.
func (h *harness) sums() StateSum {
	h.t.Helper()
	state, err := store.OpenLifecycleReader(h.t.Context(), h.config.Store, "acme")
	if err != nil {
		h.t.Fatal(err)
	}
	defer state.Close()
	var sum recordSum
	err = state.Records(h.t.Context(), func(r *verification.Record) error {
		slices.SortFunc(r.Signals, func(a, b verification.Entry) int { return strings.Compare(b.ID, a.ID) })
		one, err := sumOf(r)
		sum.add(one)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return sum.told()
}

// What differed and does not any more is forgotten; what still does stays.
func TestStateSums(t *testing.T) {
	record := func(version int) *verification.Record {
		return &verification.Record{ID: verification.NewID("acme", "check", "v1"), Version: version}
	}
	var s stateSums
	put := func(id string, inUse, made int) {
		t.Helper()
		if err := s.put(store.RecordKey{ID: id}, record(inUse), record(made), inUse != made); err != nil {
			t.Fatal(err)
		}
	}
	put("a", 1, 1)
	put("b", 2, 0)
	put("c", 3, 4)
	if s.inUse.told() == s.made.told() || s.inUse.verifications != 3 || s.made.verifications != 2 {
		t.Errorf("%+v", s)
	}
	put("b", 2, 2)
	put("c", 4, 5)
	if s.inUse.told() == s.made.told() {
		t.Errorf("%+v", s)
	}
	put("c", 5, 5)
	if got := s.made.told(); s.inUse.told() != got || got.Verifications != 3 || len(s.unequal) > 0 {
		t.Errorf("%+v", s)
	}
}

func TestRebuiltStateIsTheSame(t *testing.T) {
	h := newHarness(t)
	h.history()
	h.settle()
	before := h.dump()
	stop := h.start()
	defer stop()
	run, detail := h.rebuild(false)
	if run.State != runs.Done || !detail.Replaced || detail.Verifications == 0 || detail.Carried != 0 {
		t.Fatalf("%s: %s: %+v", run.State, run.Error, detail)
	}
	if diff := cmp.Diff(h.sums(), detail.InUse); diff != "" || detail.Made != detail.InUse || detail.InUse.Verifications != detail.Verifications {
		t.Errorf("sums (-of the state +told): %s\n%+v", diff, detail)
	}
	if h.files("lifecycle-acme.former.db") != 1 || h.files("*rebuilt*")+h.files("*next*") != 0 {
		t.Error("files are not as they should be")
	}
	if diff := cmp.Diff(before, h.dump()); diff != "" {
		t.Errorf("state (-before +after):\n%s", diff)
	}
	events := len(h.events(bus.Verifications))
	h.post("check", body{Ref: "v1", Says: "no", At: noon.Add(time.Minute)})
	h.until("the new state goes on", func() bool { return len(h.events(bus.Verifications)) == events+1 })
	if dropped, err := store.DropFormer(t.Context(), h.config.Store, "acme"); err != nil || !dropped || h.files("*former*") != 0 {
		t.Errorf("the former state is still there: %v, %v", dropped, err)
	}
}

// Deliveries come while the state is made anew, and none is lost, nor told of twice.
func TestStateIsRebuiltUnderTraffic(t *testing.T) {
	h := newHarness(t)
	h.history()
	stop := h.start()
	defer stop()
	posted := make(chan int)
	ended := make(chan struct{})
	go func() {
		// As fast as it goes would leave a slow machine no time for the rest.
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		n := 0
		for ; ; n++ {
			select {
			case <-ended:
				posted <- n
				return
			case <-ticker.C:
				h.post("check", body{Ref: fmt.Sprint("t", n%40), Says: "yes", At: noon.Add(time.Duration(n) * time.Second)})
			}
		}
	}()
	for range 2 {
		if run, detail := h.rebuild(false); run.State != runs.Done {
			t.Errorf("%s: %s: %+v", run.State, run.Error, detail)
		}
	}
	close(ended)
	<-posted
	h.idle()
	versions := map[string]int{}
	for _, e := range h.events(bus.Verifications) {
		versions[e.ID] = e.Version
	}
	state, err := store.OpenLifecycleReader(t.Context(), h.config.Store, "acme")
	if err != nil {
		t.Fatal(err)
	}
	defer state.Close()
	err = state.Records(t.Context(), func(r *verification.Record) error {
		if !r.Sandbox && r.Version != versions[r.ID.String()] {
			t.Errorf("%s: version %d in the state, %d in the stream", r.ID, r.Version, versions[r.ID.String()])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// damage makes the state say something else than the stream, behind everybody's back.
func (h *harness) damage() {
	h.t.Helper()
	h.asleep(func(w *worker) {
		id, err := verification.ParseID("acme/check/v1")
		if err != nil {
			h.t.Fatal(err)
		}
		err = w.state.Update(h.t.Context(), func(tx *store.Tx) error {
			r, err := tx.Record(h.t.Context(), id, false)
			if err != nil {
				return err
			}
			r.State.Status = verification.Rejected
			r.Signals = r.Signals[:1]
			return tx.Save(h.t.Context(), r, store.Dates{})
		})
		if err != nil {
			h.t.Fatal(err)
		}
	})
}

func TestStateThatDiffersIsNotReplaced(t *testing.T) {
	h := newHarness(t)
	h.history()
	h.settle()
	good := h.dump()
	h.damage()
	damaged := h.dump()
	stop := h.start()
	defer stop()
	run, detail := h.rebuild(false)
	if run.State != runs.Failed || !strings.Contains(run.Error, "acme/check/v1") || detail.Replaced || detail.Differing != 1 ||
		!cmp.Equal(detail.Differences[0].Differs, []string{verification.DiffersSignals, verification.DiffersState}) {
		t.Errorf("%s: %s: %+v", run.State, run.Error, detail)
	}
	if detail.InUse != h.sums() || detail.Made.Sum == detail.InUse.Sum || detail.Made.Signals != detail.InUse.Signals+1 {
		t.Errorf("sums: %+v, want %+v of the state", detail, h.sums())
	}
	if diff := cmp.Diff(damaged, h.dump()); diff != "" || h.files("*rebuilt*")+h.files("*former*") != 0 {
		t.Errorf("the state was replaced:\n%s", diff)
	}
	if run, detail := h.rebuild(true); run.State != runs.Done || !detail.Replaced || detail.Differing != 1 {
		t.Errorf("accepted: %s: %s: %+v", run.State, run.Error, detail)
	}
	h.idle()
	if diff := cmp.Diff(good, h.dump()); diff != "" {
		t.Errorf("state (-before the damage +now):\n%s", diff)
	}
}

// What the stream does not hold any more is carried over, and never announced again.
func TestRebuiltStateKeepsWhatWasTrimmed(t *testing.T) {
	h := newHarness(t)
	h.history()
	h.settle()
	before := h.dump()
	h.trim(20)
	stop := h.start()
	defer stop()
	if run, detail := h.rebuild(false); run.State != runs.Done || detail.Carried == 0 {
		t.Fatalf("%s: %s: %+v", run.State, run.Error, detail)
	}
	if diff := cmp.Diff(before, h.dump()); diff != "" {
		t.Errorf("state (-before +after):\n%s", diff)
	}
}

// trim takes everything up to a position out of the stream of events.
func (h *harness) trim(through uint64) {
	h.t.Helper()
	if err := h.bus.Trim(h.t.Context(), bus.Verifications, through); err != nil {
		h.t.Fatal(err)
	}
}

// archived writes the archive of the stream.
func (h *harness) archived(dir string, through uint64) {
	h.t.Helper()
	identity, err := h.bus.StreamIdentity(h.t.Context(), bus.Verifications)
	if err != nil {
		h.t.Fatal(err)
	}
	a, err := archive.OpenOrCreate(dir, bus.Verifications, identity, "test", 1)
	if err != nil {
		h.t.Fatal(err)
	}
	read := func(ctx context.Context, from uint64, fn func(bus.Stored) error) error {
		_, err := h.bus.Read(ctx, bus.Verifications, "kyc.v1.>", from, fn)
		return err
	}
	if err := a.Extend(h.t.Context(), through, read, func(uint64) {}); err != nil {
		h.t.Fatal(err)
	}
}

func TestEmptyStateNeedsTheArchive(t *testing.T) {
	h := newHarness(t)
	h.history()
	h.settle()
	before := h.dump()
	h.config.Archive = filepath.Join(t.TempDir(), "archive")
	kept := filepath.Join(t.TempDir(), "kept")
	h.archived(kept, 40)
	h.trim(40)
	if err := os.RemoveAll(h.dir); err != nil {
		t.Fatal(err)
	}
	h.asleep(func(w *worker) {
		err := w.catchUp(t.Context())
		if err == nil || !strings.Contains(err.Error(), h.config.Archive) || !strings.Contains(err.Error(), "verdict restore") {
			t.Errorf("without the archive: %v", err)
		}
	})
	events := h.count()
	h.config.Archive = kept
	h.stopped(func(*worker) {})
	h.settle()
	if made := h.count(); made != events {
		t.Errorf("%d events were announced again", made-events)
	}
	// Events tell since when a payload was known, and not which delivery told of it first.
	payloads := cmpopts.IgnoreMapEntries(func(key, _ string) bool { return strings.HasPrefix(key, "payload ") })
	if diff := cmp.Diff(before, h.dump(), payloads); diff != "" {
		t.Errorf("state (-before +after):\n%s", diff)
	}
}

// count is how many events the stream has ever had.
func (h *harness) count() uint64 {
	h.t.Helper()
	state, err := h.bus.StreamState(h.t.Context(), bus.Verifications)
	if err != nil {
		h.t.Fatal(err)
	}
	return state.LastSeq
}

func TestCanceledRebuildLeavesNothing(t *testing.T) {
	h := newHarness(t)
	h.history()
	h.settle()
	before := h.dump()
	// As a process that was killed leaves it.
	h.asleep(func(w *worker) {
		beside, err := w.state.Beside(t.Context())
		if err == nil {
			err = beside.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if h.files("*rebuilt*") == 0 {
		t.Fatal("there is nothing to be removed")
	}
	stop := h.start()
	defer stop()
	h.until("it is removed", func() bool { return h.files("*rebuilt*") == 0 })
	if diff := cmp.Diff(before, h.dump()); diff != "" {
		t.Errorf("state (-before +after):\n%s", diff)
	}
}
