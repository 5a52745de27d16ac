package replay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/runs"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// What is replayed is what was published, with the name of the replay and nothing else changed.
func TestReplayedEventsAreTheOriginals(t *testing.T) {
	b := newBus(t)
	const count = 1234
	publish(t, b, 0, count)
	originals := stored(t, b, bus.Verifications)
	d := newDesk(b)

	path := filepath.Join(t.TempDir(), "events.ndjson")
	runWhole(t, d, "to-file", Request{Target: filePrefix + path})
	lines := readLines(t, path)
	runWhole(t, d, "to-stream", Request{})
	again := stored(t, b, "KYC_REPLAY_TO-STREAM")
	if len(lines) != count || len(again) != count {
		t.Fatalf("%d lines and %d messages of %d events", len(lines), len(again), count)
	}
	for i, original := range originals {
		e, err := event.Decode(original.Header, original.Data)
		if err != nil {
			t.Fatal(err)
		}
		want := lineOf{
			ID: e.ID(), Source: e.Source(), Type: e.Type(), Subject: e.Subject(), Time: original.Header["ce-time"][0], Dataschema: e.DataSchema(),
			Traceparent: trace, Causationid: original.Header["ce-causationid"][0], Replay: "to-file", Data: original.Data,
		}
		if diff := cmp.Diff(want, lines[i]); diff != "" {
			t.Fatalf("line %d (-original +replayed):\n%s", i+1, diff)
		}
		header := maps.Clone(original.Header)
		maps.DeleteFunc(header, func(name string, _ []string) bool {
			return strings.HasPrefix(name, "Nats-Batch") || strings.HasPrefix(name, "Nats-Expected")
		})
		header["ce-replay"], header["Verdict-Sequence"] = []string{"to-stream"}, []string{strconv.FormatUint(original.Seq, 10)}
		got := maps.Clone(again[i].Header)
		maps.DeleteFunc(got, func(name string, _ []string) bool {
			return strings.HasPrefix(name, "Nats-Batch") || strings.HasPrefix(name, "Nats-Expected")
		})
		if diff := cmp.Diff(header, got); diff != "" {
			t.Fatalf("message %d (-original +replayed):\n%s", i+1, diff)
		}
		if string(original.Data) != string(again[i].Data) || again[i].Subject != strings.Replace(original.Subject, "kyc.v1.", "kyc.replay.to-stream.", 1) {
			t.Fatalf("message %d on %s: %s", i+1, again[i].Subject, again[i].Data)
		}
	}
	if entries := stored(t, b, bus.Audits); len(entries) != 2 {
		t.Errorf("%d entries of the audit, want one for each run", len(entries))
	}
}

// Filters choose what they say, whether the broker applies them or the worker.
func TestFiltersChoose(t *testing.T) {
	b := newBus(t)
	const count = 210
	publish(t, b, 0, count)
	d := newDesk(b)
	all := stored(t, b, bus.Verifications)
	middle := all[100].Time
	for name, c := range map[string]struct {
		request Request
		chosen  func(n int, v event.Verification, published string) bool
	}{
		"provider":      {Request{Filter: Filter{Providers: []string{"acme"}}}, func(_ int, v event.Verification, _ string) bool { return v.Provider == "acme" }},
		"two providers": {Request{Filter: Filter{Providers: []string{"acme", "idenfy", "acme"}}}, func(int, event.Verification, string) bool { return true }},
		"kind":          {Request{Filter: Filter{Kinds: []string{"liveness"}}}, func(_ int, v event.Verification, _ string) bool { return v.Kind == "liveness" }},
		"statuses": {Request{Filter: Filter{Statuses: []string{"approved", "noted"}}}, func(_ int, _ event.Verification, p string) bool {
			return p == "approved" || p == "noted"
		}},
		"scope":     {Request{Filter: Filter{Scope: verification.Step}}, func(_ int, v event.Verification, _ string) bool { return v.Scope == verification.Step }},
		"applicant": {Request{Filter: Filter{Applicant: "client-3"}}, func(_ int, v event.Verification, _ string) bool { return *v.Applicant == "client-3" }},
		"verification": {Request{Filter: Filter{Verification: "idenfy/id_verification/ref%203"}}, func(_ int, v event.Verification, _ string) bool {
			return v.Reference == "ref%203"
		}},
		"all of them": {
			Request{Filter: Filter{Providers: []string{"idenfy"}, Statuses: []string{"approved"}, Scope: verification.Case, Applicant: "client-1"}},
			func(_ int, v event.Verification, p string) bool {
				return v.Provider == "idenfy" && p == "approved" && *v.Applicant == "client-1"
			},
		},
		"sequences": {Request{From: 11, Through: 20}, func(n int, _ event.Verification, _ string) bool { return n >= 10 && n < 20 }},
		"since":     {Request{Since: middle}, func(n int, _ event.Verification, _ string) bool { return !all[n].Time.Before(middle) }},
		"until":     {Request{Until: middle}, func(n int, _ event.Verification, _ string) bool { return all[n].Time.Before(middle) }},
	} {
		t.Run(name, func(t *testing.T) {
			var want []string
			for n := range count {
				if _, v, published := sample(n); c.chosen(n, v, published) {
					want = append(want, event.VerificationEventID(v.ID, v.Version))
				}
			}
			path := filepath.Join(t.TempDir(), "events.ndjson")
			c.request.Target = filePrefix + path
			run := strings.ReplaceAll(name, " ", "-")
			if len(want) == 0 {
				if _, err := d.Plan(t.Context(), c.request, nil); !errors.Is(err, ErrNothing) {
					t.Errorf("error: %v", err)
				}
				return
			}
			plan := runWhole(t, d, run, c.request)
			var got []string
			for _, line := range readLines(t, path) {
				got = append(got, line.ID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("events (-chosen +replayed):\n%s", diff)
			}
			info, err := os.Stat(path)
			if err != nil || plan.Events != uint64(len(want)) || plan.Bytes < uint64(info.Size())*9/10 || plan.Bytes > uint64(info.Size())*11/10 {
				t.Errorf("planned %d events and %d bytes; they are %d and %d (%v)", plan.Events, plan.Bytes, len(want), info.Size(), err)
			}
			if plan.First.After(plan.Last) || plan.Seconds <= 0 {
				t.Errorf("planned from %v to %v in %v s", plan.First, plan.Last, plan.Seconds)
			}
		})
	}
}

// A reference may have characters that JSON writes in another way.
func TestApplicantsWithOddReferencesAreFound(t *testing.T) {
	for _, applicant := range []string{"A&B", "<17>", `a"b`, `a\b`, "a/b", "plain"} {
		_, v, published := sample(1)
		v.Applicant = &applicant
		header, data, err := v.Encode("test", published, trace)
		if err != nil {
			t.Fatal(err)
		}
		m := bus.Stored{Message: bus.Message{Header: header, Data: data}}
		if f := (Filter{Applicant: applicant}); !f.matches(&m) {
			t.Errorf("%s is not found in %s", applicant, data)
		}
		if f := (Filter{Applicant: applicant + "&"}); f.matches(&m) {
			t.Errorf("%s is found in %s", f.Applicant, data)
		}
	}
}

// What cannot be replayed is refused, and nothing is made.
func TestWhatCannotBeReplayed(t *testing.T) {
	b := newBus(t)
	d := newDesk(b)
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	begun := filepath.Join(dir, "begun")
	for _, path := range []string{there, begun + partSuffix} {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Plan(t.Context(), Request{}, nil); !errors.Is(err, ErrNothing) {
		t.Errorf("an empty stream: %v", err)
	}
	publish(t, b, 0, 50)
	now := time.Now()
	for name, c := range map[string]struct {
		request Request
		want    error
		says    string
	}{
		"provider that is no name": {Request{Filter: Filter{Providers: []string{"*"}}}, ErrRequest, "no name"},
		"unknown provider":         {Request{Filter: Filter{Providers: []string{"nobody"}}}, ErrNothing, "provider=nobody"},
		"unknown status":           {Request{Filter: Filter{Statuses: []string{"done"}}}, ErrRequest, "awaiting_review"},
		"unknown scope":            {Request{Filter: Filter{Scope: "all"}}, ErrRequest, "case or step"},
		"no verification":          {Request{Filter: Filter{Verification: "x"}}, ErrRequest, "idenfy/id_verification"},
		"verification of another":  {Request{Filter: Filter{Verification: "a/b/c", Providers: []string{"idenfy"}}}, ErrNothing, ""},
		"nobody's verification":    {Request{Filter: Filter{Verification: "idenfy/id_verification/nobody"}}, ErrNothing, ""},
		"unknown applicant":        {Request{Filter: Filter{Applicant: "nobody"}}, ErrNothing, "applicant=nobody"},
		"empty sandbox":            {Request{Sandbox: true}, ErrNothing, "KYC_SANDBOX is empty"},
		"in the future":            {Request{Since: now.Add(time.Hour)}, ErrNothing, ""},
		"before everything":        {Request{Until: now.Add(-time.Hour)}, ErrNothing, ""},
		"times upside down":        {Request{Since: now, Until: now.Add(-time.Hour)}, ErrRequest, "not before"},
		"sequences upside down":    {Request{From: 7, Through: 3}, ErrRequest, "above"},
		"time and sequence":        {Request{From: 7, Since: now}, ErrRequest, "not both"},
		"beyond the end":           {Request{Through: 51}, ErrRequest, "last sequence of KYC_VERIFICATIONS is 50"},
		"negative rate":            {Request{Rate: -1}, ErrRequest, "rate"},
		"unknown target":           {Request{Target: "ftp://x"}, ErrRequest, "http://"},
		"no file":                  {Request{Target: "file:"}, ErrRequest, "no file"},
		"file that exists":         {Request{Target: filePrefix + there}, ErrRequest, "exists"},
		"file of another":          {Request{Target: filePrefix + begun}, ErrRequest, begun + ".part exists"},
		"missing directory":        {Request{Target: filePrefix + filepath.Join(dir, "none", "x")}, ErrRequest, "cannot be written to"},
		"file in a file":           {Request{Target: filePrefix + filepath.Join(there, "x")}, ErrRequest, ""},
		"kept file":                {Request{Target: filePrefix + filepath.Join(dir, "x"), Keep: time.Hour}, ErrRequest, "only a stream"},
		"password in the URL":      {Request{Target: "https://u:hunter2@example.test/"}, ErrRequest, "password"},
		"query in the URL":         {Request{Target: "https://example.test/?key=hunter2"}, ErrRequest, "query"},
		"URL without a host":       {Request{Target: "https:///x"}, ErrRequest, "not a URL"},
		"token for a file":         {Request{Target: filePrefix + filepath.Join(dir, "x"), BearerFile: there}, ErrRequest, "only an endpoint"},
		"missing token":            {Request{Target: "https://example.test/", BearerFile: filepath.Join(dir, "none")}, ErrRequest, "no such file"},
		"headers that are none":    {Request{Target: "https://example.test/", HeaderFile: there}, ErrRequest, "line 1 of"},
	} {
		_, err := d.Plan(t.Context(), c.request, nil)
		if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.says) || strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	plan, err := d.Plan(t.Context(), Request{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "Late", "a b", "a.b", strings.Repeat("x", 33), "../x"} {
		if _, err := d.Create(t.Context(), name, plan); !errors.Is(err, runs.ErrName) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	list, err := d.List(t.Context())
	if err != nil || len(list) != 0 {
		t.Errorf("runs: %+v, %v", list, err)
	}
	for what, err := range map[string]error{
		"work": d.Work(t.Context(), "nobody"), "forget": d.Forget(t.Context(), "nobody"),
		"pause": second(d.Pause(t.Context(), "nobody")), "resume": second(d.Resume(t.Context(), "nobody")), "cancel": second(d.Cancel(t.Context(), "nobody")),
	} {
		if !errors.Is(err, runs.ErrUnknown) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if entries := stored(t, b, bus.Audits); len(entries) != 0 {
		t.Errorf("%d entries of the audit for what did not happen", len(entries))
	}
}

func second(_ runs.Run, err error) error { return err }

// A plan writes nothing, not even to the broker.
func TestAPlanWritesNothing(t *testing.T) {
	b := newBus(t)
	publish(t, b, 0, 50)
	d := newDesk(b)
	before, err := b.EntriesRevision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, target := range []string{"", filePrefix + filepath.Join(dir, "x"), "http://127.0.0.1:1/"} {
		for _, filter := range []Filter{{}, {Scope: verification.Case}} {
			if _, err := d.Plan(t.Context(), Request{Target: target, Filter: filter}, nil); err != nil {
				t.Errorf("%s: %v", target, err)
			}
		}
	}
	if after, err := b.EntriesRevision(t.Context()); err != nil || after != before {
		t.Errorf("the book has changed from %d to %d, %v", before, after, err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 0 {
		t.Errorf("files: %v, %v", names, err)
	}
	if n := len(stored(t, b, bus.Audits)); n != 0 {
		t.Errorf("%d entries of the audit", n)
	}
}

// A stream that was trimmed is replayed from where it begins only when that is said to be enough.
func TestATrimmedStream(t *testing.T) {
	b := newBus(t)
	publish(t, b, 0, 50)
	d := newDesk(b)
	old := stored(t, b, bus.Verifications)[0].Time
	if err := b.Trim(t.Context(), bus.Verifications, 30); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]Request{"everything": {}, "from a sequence": {From: 30}, "since": {Since: old}} {
		if _, err := d.Plan(t.Context(), r, nil); !errors.Is(err, ErrTrimmed) || !strings.Contains(err.Error(), "begins with sequence 31 of ") {
			t.Errorf("%s: %v", name, err)
		}
		r.FromFirst = true
		if plan, err := d.Plan(t.Context(), r, nil); err != nil || plan.Events != 20 || plan.Spec.From != 31 {
			t.Errorf("%s: accepted: %+v, %v", name, plan, err)
		}
	}
	if plan, err := d.Plan(t.Context(), Request{From: 31}, nil); err != nil || plan.Events != 20 {
		t.Errorf("what is there: %+v, %v", plan, err)
	}
	if err := b.Trim(t.Context(), bus.Verifications, 50); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]Request{"everything": {}, "since": {Since: old}, "what is left": {FromFirst: true}} {
		if _, err := d.Plan(t.Context(), r, nil); !errors.Is(err, ErrTrimmed) || !strings.Contains(err.Error(), "is empty now, and its events up to sequence 50 were removed") {
			t.Errorf("%s of nothing: %v", name, err)
		}
	}
	// What would have come since then is not missing.
	if _, err := d.Plan(t.Context(), Request{Since: time.Now().Add(time.Hour)}, nil); !errors.Is(err, ErrNothing) {
		t.Errorf("since the last one of nothing: %v", err)
	}
}

// Only what is archived is looked for in the archive.
func TestATrimmedSandbox(t *testing.T) {
	b := newBus(t)
	for n := range 3 {
		_, v, published := sample(n)
		header, data, err := v.Encode("test", published, trace)
		if err != nil {
			t.Fatal(err)
		}
		m := bus.Message{Subject: event.VerificationSubject(true, v.Provider, v.Kind, published), Header: header, Data: data}
		if _, err := b.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for through := range uint64(3) {
		if err := b.Trim(t.Context(), bus.Sandbox, through+1); err != nil {
			t.Fatal(err)
		}
		if _, err := newDesk(b).Plan(t.Context(), Request{Sandbox: true}, nil); !errors.Is(err, ErrTrimmed) || strings.Contains(err.Error(), "archive") {
			t.Errorf("up to %d: %v", through+1, err)
		}
	}
}

// A run of a stream that was trimmed under it, or made anew, does not go on with a gap.
func TestAStreamThatChangesUnderARun(t *testing.T) {
	b := newBus(t)
	publish(t, b, 0, 50)
	d := newDesk(b)
	begin(t, d, "late", Request{})
	if err := b.Trim(t.Context(), bus.Verifications, 30); err != nil {
		t.Fatal(err)
	}
	if err := d.Work(t.Context(), "late"); err == nil || !strings.Contains(err.Error(), "begins with sequence 31 now") {
		t.Errorf("error: %v", err)
	}
	if run, err := d.Get(t.Context(), "late"); err != nil || run.State != runs.Failed || run.Error == "" {
		t.Errorf("the run is %+v, %v", run, err)
	}
}

// Two runs of one name, or to one file, are refused.
func TestRunsThatOverlap(t *testing.T) {
	b := newBus(t)
	publish(t, b, 0, 50)
	d := newDesk(b)
	target := filePrefix + filepath.Join(t.TempDir(), "x")
	plan := begin(t, d, "late", Request{Target: target})
	if _, err := d.Create(t.Context(), "late", plan); !errors.Is(err, runs.ErrExists) || !strings.Contains(err.Error(), "it is waiting") {
		t.Errorf("the same name: %v", err)
	}
	if _, err := d.Plan(t.Context(), Request{Target: target}, nil); !errors.Is(err, ErrOverlap) || !strings.Contains(err.Error(), "late") {
		t.Errorf("the same file: %v", err)
	}
	// Also when it has written some of it, which nobody is to remove then.
	part := strings.TrimPrefix(target, filePrefix) + partSuffix
	if err := os.WriteFile(part, []byte("x"), fileMode); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Plan(t.Context(), Request{Target: target}, nil); !errors.Is(err, ErrOverlap) {
		t.Errorf("the same file, begun: %v", err)
	}
	if err := os.Remove(part); err != nil {
		t.Fatal(err)
	}
	// One that was planned before the other began is refused all the same, and does not stay.
	if _, err := d.Create(t.Context(), "later", plan); !errors.Is(err, ErrOverlap) {
		t.Errorf("planned before the other began: %v", err)
	}
	if _, err := d.Get(t.Context(), "later"); !errors.Is(err, runs.ErrUnknown) {
		t.Errorf("what was refused: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	_ = d.Work(ctx, "late")
	if err := d.Work(t.Context(), "late"); err != nil {
		t.Fatal(err)
	}
	if err := d.Work(t.Context(), "late"); !errors.Is(err, runs.ErrOver) {
		t.Errorf("what is done: %v", err)
	}
	if _, err := d.Cancel(t.Context(), "late"); !errors.Is(err, runs.ErrOver) {
		t.Errorf("cancel what is done: %v", err)
	}
	if err := d.Forget(t.Context(), "late"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Create(t.Context(), "late", plan); err != nil {
		t.Errorf("a name that was forgotten: %v", err)
	}
}

// However many are created at the same time, one at the most sends to an endpoint.
func TestRunsThatAreCreatedAtTheSameTime(t *testing.T) {
	b := newBus(t)
	publish(t, b, 0, 5)
	d := newDesk(b)
	plan, err := d.Plan(t.Context(), Request{Target: "http://crm.example/"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var creating sync.WaitGroup
	for i := range 8 {
		creating.Go(func() {
			if _, err := d.Create(t.Context(), fmt.Sprint("run-", i), plan); err != nil && !errors.Is(err, ErrOverlap) {
				t.Error(err)
			}
		})
	}
	creating.Wait()
	if list, err := d.List(t.Context()); err != nil || len(list) > 1 {
		t.Errorf("%d runs: %+v, %v", len(list), list, err)
	}
}
