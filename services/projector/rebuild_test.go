package projector

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider/idenfy"
	"github.com/verdict-stream/verdict/pkg/provider/treezor"
	"github.com/verdict-stream/verdict/pkg/runs"
	"github.com/verdict-stream/verdict/pkg/store"
)

// ask asks for a rebuild.
func (w *world) ask(name string, spec RebuildSpec) {
	w.t.Helper()
	text, err := json.Marshal(spec)
	if err != nil {
		w.t.Fatal(err)
	}
	book := runs.Open(w.bus)
	if known, err := book.Get(w.t.Context(), RebuildVerb, name); err == nil && (known.Over() || known.State == runs.Failed) {
		if err := book.Forget(w.t.Context(), RebuildVerb, name); err != nil {
			w.t.Fatal(err)
		}
	}
	if _, err := book.Create(w.t.Context(), runs.Run{Verb: RebuildVerb, Name: name, Spec: text, Actor: "test"}); err != nil {
		w.t.Fatal(err)
	}
}

// ended waits until a run has ended, and returns what is told of it.
func (w *world) ended(name string) (runs.Run, RebuildDetail) {
	w.t.Helper()
	var run runs.Run
	await(w.t, "the end of "+name, func() bool {
		var err error
		run, err = runs.Open(w.bus).Get(w.t.Context(), RebuildVerb, name)
		return err == nil && (run.Over() || run.State == runs.Failed)
	})
	var detail RebuildDetail
	if len(run.Detail) > 0 {
		if err := json.Unmarshal(run.Detail, &detail); err != nil {
			w.t.Fatal(err)
		}
	}
	return run, detail
}

func (w *world) mustRebuild(spec RebuildSpec) RebuildDetail {
	w.t.Helper()
	w.ask(ReadModel, spec)
	run, detail := w.ended(ReadModel)
	if run.State != runs.Done {
		w.t.Fatalf("the rebuild is %s: %s", run.State, run.Error)
	}
	return detail
}

// files lists those of read models, without what SQLite keeps beside them.
func files(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "readmodel*"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range found {
		name := filepath.Base(path)
		if !strings.HasSuffix(name, "-wal") && !strings.HasSuffix(name, "-shm") && !strings.HasSuffix(name, ".lock") {
			names = append(names, name)
		}
	}
	return names
}

// content is what the tables tell, without when it was noted how far they are.
func content(t *testing.T, p *projector) tables {
	t.Helper()
	got := read(t, p)
	got.Stats.Progress = nil
	return got
}

func TestRebuildMakesTheSame(t *testing.T) {
	w := everything(t)
	at := store.Location{Dir: t.TempDir()}
	config := w.configAt(t, at)
	r := w.run(config)
	p := newProjector(config)
	await(t, "the end of all streams", func() bool { return w.done(p) })
	want := content(t, p)
	reader, err := store.OpenReader(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}()
	detail := w.mustRebuild(RebuildSpec{})
	if detail.Kept != "readmodel.db" || len(detail.Differences) != 0 || detail.Unreadable != 0 {
		t.Errorf("it ended as %+v", detail)
	}
	// What comes afterwards is in the new one, and readers see it.
	w.tell(&idenfy.Provider, autoFinish, scan("s9", true, 60, "APPROVED", "Ada"))
	await(t, "the verification that came last, in what is read", func() bool {
		_, err := reader.Verification(t.Context(), "idenfy/id_verification/s9", false)
		return err == nil
	})
	await(t, "the end of all streams", func() bool { return w.done(p) })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	got := content(t, newProjector(config))
	fresh := newProjector(w.config(t))
	fresh.streams = p.streams
	w.project(fresh)
	if diff := cmp.Diff(content(t, fresh), got); diff != "" {
		t.Errorf("tables (-of the streams +rebuilt):\n%s", diff)
	}
	if cmp.Equal(want, got) {
		t.Error("what came last is not in the tables")
	}
	if got := files(t, at.Dir); len(got) != 3 {
		t.Errorf("files %v", got)
	}
}

// sums are the checksums of a read model.
func sums(t *testing.T, m *store.ReadModel) []store.Sum {
	t.Helper()
	s, err := m.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	var all []store.Sum
	for _, table := range store.ComparedTables() {
		sum, err := s.Sum(t.Context(), table, func(int) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, sum)
	}
	return all
}

// filled reports whether the tables hold all streams.
func (w *world) filled(p *projector) bool {
	for _, c := range p.consumers() {
		state, err := w.bus.StreamState(w.t.Context(), c.Stream)
		if err != nil {
			return false
		}
		if held, err := p.model.Progress(w.t.Context(), c.Stream); err != nil || held.Sequence < state.LastSeq {
			return false
		}
	}
	return true
}

// meanwhilePause is between two batches of messages that come during a rebuild: what is tested is no race with them.
const meanwhilePause = 200 * time.Millisecond

// Messages come all the while: the new model is the one that a projector makes of the streams which has seen them one by one.
func TestRebuildUnderTraffic(t *testing.T) {
	w := newWorld(t)
	w.many("before", manyVerifications)
	config := w.config(t)
	r := w.run(config)
	p := newProjector(config)
	await(t, "the end of all streams", func() bool { return w.done(p) })
	stop := make(chan struct{})
	var coming sync.WaitGroup
	coming.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(meanwhilePause):
			}
			// No faster than the projector is, as long as this machine may be slow.
			if lag, err := p.lag(t.Context()); err != nil || lag > fewMessages {
				continue
			}
			w.many(fmt.Sprint("meanwhile-", i), 25)
		}
	})
	begun := time.Now()
	detail := w.mustRebuild(RebuildSpec{})
	t.Logf("%+v in %v", detail, time.Since(begun))
	close(stop)
	coming.Wait()
	await(t, "the end of all streams", func() bool { return w.done(p) })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	other := w.config(t)
	r = w.run(other)
	p = newProjector(other)
	await(t, "the tables of all streams", func() bool { return w.filled(p) })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sums(t, other.Model), sums(t, config.Model)); diff != "" {
		t.Errorf("checksums (-of the streams +rebuilt):\n%s", diff)
	}
}

// started is a projector that has read all streams.
func (w *world) started(t *testing.T) (running, *projector, store.Location) {
	t.Helper()
	at := store.Location{Dir: t.TempDir()}
	config := w.configAt(t, at)
	r := w.run(config)
	p := newProjector(config)
	await(t, "the end of all streams", func() bool { return w.done(p) })
	return r, p, at
}

// damage has the tables in use say what no stream does, and not say what one does.
func damage(t *testing.T, p *projector) {
	t.Helper()
	row, err := p.model.Verification(t.Context(), "idenfy/id_verification/s2", false)
	if err != nil {
		t.Fatal(err)
	}
	row.Data.ID, row.Data.Version, row.Data.AnonymizedThrough = scanned.String(), 90, 0
	err = p.model.PutEvent(t.Context(), store.EventRow{Sequence: row.Sequence, Published: "approved", StoredAt: row.UpdatedAt, Data: row.Data, CauseGone: true})
	if err != nil {
		t.Fatal(err)
	}
}

// Tables that differ stay in use, unless they are to be mended.
func TestRebuildThatDiffers(t *testing.T) {
	w := everything(t)
	r, p, at := w.started(t)
	want := content(t, p)
	damage(t, p)
	damaged := content(t, p)
	for _, keep := range []bool{false, true} {
		w.ask(ReadModel, RebuildSpec{KeepNew: keep})
		run, detail := w.ended(ReadModel)
		if run.State != runs.Failed || !strings.Contains(run.Error, scanned.String()) || !strings.Contains(run.Error, "--accept") {
			t.Errorf("it is %s: %s", run.State, run.Error)
		}
		var tables []string
		for _, d := range detail.Differences {
			tables = append(tables, d.Table)
		}
		if diff := cmp.Diff([]string{"verification", "verification_event"}, tables); diff != "" {
			t.Errorf("tables that differ (-want +got):\n%s", diff)
		}
		if kept := detail.Kept != ""; kept != keep {
			t.Errorf("kept is %q", detail.Kept)
		}
		if diff := cmp.Diff(damaged, content(t, p)); diff != "" {
			t.Errorf("what is in use was touched (-before +after):\n%s", diff)
		}
	}
	w.ask(DropOld, RebuildSpec{})
	if run, detail := w.ended(DropOld); run.State != runs.Done || len(detail.Dropped) != 1 {
		t.Errorf("dropping what was kept: %+v, %+v", run, detail)
	}
	if got := files(t, at.Dir); len(got) != 2 { // with the pointer
		t.Errorf("files %q", got)
	}
	if detail := w.mustRebuild(RebuildSpec{Accept: true}); len(detail.Differences) != 2 {
		t.Errorf("differences %+v", detail.Differences)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, content(t, newProjector(r.config))); diff != "" {
		t.Errorf("mended tables (-want +got):\n%s", diff)
	}
}

// One that is cancelled, or whose projector is stopped, leaves nothing; a projector that is started again begins anew.
func TestRebuildThatIsCutOff(t *testing.T) {
	w := everything(t)
	w.many("many", 200)
	r, p, at := w.started(t)
	want, before := content(t, p), files(t, at.Dir)
	book := runs.Open(w.bus)
	reading := func() bool {
		run, err := book.Get(t.Context(), RebuildVerb, ReadModel)
		return err == nil && run.State == runs.Running && len(files(t, at.Dir)) > len(before)
	}
	w.ask(ReadModel, RebuildSpec{Rate: 20})
	await(t, "a new file", reading)
	if _, err := book.Create(t.Context(), runs.Run{Verb: RebuildVerb, Name: ReadModel}); !errors.Is(err, runs.ErrExists) {
		t.Errorf("a second one at the same time: %v", err)
	}
	if _, err := book.Ask(t.Context(), RebuildVerb, ReadModel, runs.Cancel); err != nil {
		t.Fatal(err)
	}
	if run, _ := w.ended(ReadModel); run.State != runs.Canceled {
		t.Errorf("it is %s: %s", run.State, run.Error)
	}
	if diff := cmp.Diff(before, files(t, at.Dir)); diff != "" {
		t.Errorf("files after it was cancelled (-before +after):\n%s", diff)
	}

	w.ask(ReadModel, RebuildSpec{Rate: 2000})
	await(t, "a new file", reading)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, files(t, at.Dir)); diff != "" {
		t.Errorf("files after the stop (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(want, content(t, p)); diff != "" {
		t.Errorf("tables after the stop (-before +after):\n%s", diff)
	}
	// What a process leaves that dies.
	if err := os.WriteFile(filepath.Join(at.Dir, "readmodel-77.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r = w.run(r.config)
	if run, _ := w.ended(ReadModel); run.State != runs.Done {
		t.Errorf("after the start it is %s: %s", run.State, run.Error)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, content(t, newProjector(r.config))); diff != "" {
		t.Errorf("rebuilt tables (-before +after):\n%s", diff)
	}
	if got := files(t, at.Dir); len(got) != 3 {
		t.Errorf("files %q", got)
	}
}

// What the streams have lost is taken over: deliveries, events and outcomes, and claims whose deliveries can be read no more; but no claims
// that were anonymized, not even where their deliveries can still be read.
func TestRebuildOfTrimmedStreams(t *testing.T) {
	w := everything(t)
	r, p, _ := w.started(t)
	want := content(t, p)
	for stream, gone := range map[string][]uint64{bus.Webhooks: {1, 2, 3, 9, 14}, bus.Outcomes: {1, 2}, bus.Dead: {1}, bus.Held: {1}, bus.Rejected: {1}, bus.Sandbox: {1}} {
		for _, seq := range gone {
			if err := w.bus.Drop(t.Context(), stream, seq); err != nil {
				t.Fatal(stream, seq, err)
			}
		}
	}
	// That it was anonymized is in the tables alone.
	err := p.model.UpdateClaims(t.Context(), "idenfy/id_verification/s2", false, func(store.ClaimsRow) (*store.ClaimsRow, error) {
		return &store.ClaimsRow{AnonymizedThrough: 1000}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.mustRebuild(RebuildSpec{})
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	got := content(t, newProjector(r.config))
	gone := got.Claims["idenfy/id_verification/s2"]
	if gone.Claims != nil || gone.Through != 1000 {
		t.Errorf("what was anonymized has claims again, or may have: %+v", gone)
	}
	delete(want.Claims, "idenfy/id_verification/s2")
	delete(got.Claims, "idenfy/id_verification/s2")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tables (-before +rebuilt):\n%s", diff)
	}
}

// The events that an archive has taken are taken over, and with them how their deliveries ended, which are still kept: of one that has caused
// two events, the stream may have one left.
func TestRebuildOfArchivedEvents(t *testing.T) {
	w := everything(t)
	w.tell(&treezor.Provider, "document.update", `{"webhook":"document.update","object":"document","object_id":"1","object_payload":{"documents":[`+
		`{"documentId":1,"userId":7,"documentStatus":"VALIDATED","modifiedDate":"2026-07-01 18:28:43"},`+
		`{"documentId":2,"userId":7,"documentStatus":"REFUSED","modifiedDate":"2026-07-01 18:28:43"}]}}`)
	r, p, _ := w.started(t)
	want := content(t, p)
	state, err := w.bus.StreamState(t.Context(), bus.Verifications)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.bus.Trim(t.Context(), bus.Verifications, state.LastSeq-1); err != nil {
		t.Fatal(err)
	}
	for _, rate := range []int{0, 2000} {
		w.mustRebuild(RebuildSpec{Rate: rate})
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, content(t, newProjector(r.config))); diff != "" {
		t.Errorf("tables (-before +rebuilt):\n%s", diff)
	}
}

// What streams lose while they are read, or have lost when claims are sealed, changes nothing.
func TestRebuildOfStreamsThatAreTrimmed(t *testing.T) {
	for _, stream := range []string{bus.Webhooks, bus.Verifications} {
		t.Run(stream, func(t *testing.T) {
			w := everything(t)
			w.many("many", 100)
			r, _, _ := w.started(t)
			want := sums(t, r.config.Model)
			state, err := w.bus.StreamState(t.Context(), stream)
			if err != nil {
				t.Fatal(err)
			}
			w.ask(ReadModel, RebuildSpec{Rate: 400})
			await(t, "the beginning", func() bool {
				run, err := runs.Open(w.bus).Get(t.Context(), RebuildVerb, ReadModel)
				return err == nil && run.Done > 0
			})
			if err := w.bus.Trim(t.Context(), stream, state.LastSeq-3); err != nil {
				t.Fatal(err)
			}
			if run, _ := w.ended(ReadModel); run.State != runs.Done {
				t.Errorf("it is %s: %s", run.State, run.Error)
			}
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, sums(t, r.config.Model)); diff != "" {
				t.Errorf("checksums (-before +rebuilt):\n%s", diff)
			}
		})
	}
}
