package replay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/runs"
)

// halfRate is how many events a second a run may send that is to be interrupted.
const halfRate = 400

// interruptions are the ways to stop a run in the middle.
var interruptions = map[string]func(t *testing.T, d *Desk, name string, working context.CancelFunc){
	"its process is interrupted": func(_ *testing.T, _ *Desk, _ string, stop context.CancelFunc) { stop() },
	"it is paused": func(t *testing.T, d *Desk, name string, _ context.CancelFunc) {
		if _, err := d.Pause(t.Context(), name); err != nil {
			t.Error(err)
		}
	},
}

// halfway begins a run at a low rate, interrupts it when some events were sent, and returns when it has stopped.
func halfway(t *testing.T, d *Desk, name string, r Request, interrupt func(*testing.T, *Desk, string, context.CancelFunc)) {
	t.Helper()
	r.Rate = halfRate
	begin(t, d, name, r)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- d.Work(ctx, name) }()
	for {
		run, err := d.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if run.Done > 0 {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("it has ended: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	interrupt(t, d, name, stop)
	if err := <-ended; err == nil {
		t.Fatal("it was done before it could be interrupted")
	}
}

// Whatever was interrupted goes on where it was: each event is there once, in order.
func TestAnInterruptedRunGoesOn(t *testing.T) {
	const count = 2000
	b := newBus(t)
	publish(t, b, 0, count)
	for how, interrupt := range interruptions {
		for target := range targets {
			t.Run(how+", to a "+target, func(t *testing.T) {
				t.Parallel()
				d := newDesk(b)
				name := target + "-" + strings.Fields(how)[1]
				to, sent := targets[target](t, b, name)
				halfway(t, d, name, Request{Target: to}, interrupt)
				run, err := d.Resume(t.Context(), name)
				if err != nil || run.State != runs.Waiting || run.Done == 0 || run.Done >= count {
					t.Fatalf("%+v, %v", run, err)
				}
				// It may go on faster.
				must(t, fasten(t, b, name, halfRate))
				must(t, d.Work(t.Context(), name))
				if diff := cmp.Diff(ids(count), sent()); diff != "" {
					t.Errorf("(-published +replayed):\n%s", diff)
				}
				must(t, d.Forget(t.Context(), name))
				if there, err := b.HasReplayStream(t.Context(), name); err != nil || there {
					t.Errorf("the stream of a run that was forgotten is there: %t, %v", there, err)
				}
			})
		}
	}
}

// targets make a place of each kind that a run of this name sends to, and what returns the ids of the events that are there.
var targets = map[string]func(t *testing.T, b *bus.Bus, name string) (target string, sent func() []string){
	"file": func(t *testing.T, _ *bus.Bus, _ string) (string, func() []string) {
		path := filepath.Join(t.TempDir(), "events.ndjson")
		return filePrefix + path, func() (lines []string) {
			for _, line := range readLines(t, path) {
				lines = append(lines, line.ID)
			}
			return lines
		}
	},
	"stream": func(t *testing.T, b *bus.Bus, name string) (string, func() []string) {
		return TargetStream, func() (messages []string) {
			for _, m := range stored(t, b, bus.ReplayStream(name)) {
				messages = append(messages, m.Header["ce-id"][0])
			}
			return unescaped(messages)
		}
	},
	"endpoint": func(t *testing.T, _ *bus.Bus, _ string) (string, func() []string) {
		e := newReceiver(t, nil)
		return e.URL, e.ids
	},
}

func unescaped(list []string) []string {
	for i := range list {
		list[i] = strings.ReplaceAll(list[i], "%25", "%")
	}
	return list
}

// fasten removes the cap on the rate of a run, which nobody can do from outside.
func fasten(t *testing.T, b *bus.Bus, name string, rate int) error {
	t.Helper()
	entry, err := b.Entry(t.Context(), Verb+"."+name)
	if err != nil {
		return err
	}
	entry.Value = []byte(strings.Replace(string(entry.Value), fmt.Sprintf(`"rate":%d,`, rate), "", 1))
	_, err = b.PutEntry(t.Context(), entry)
	return err
}

// A run that is cancelled, while it runs or later, leaves nothing of what it has made.
func TestACancelledRunLeavesNothing(t *testing.T) {
	b := newBus(t)
	publish(t, b, 0, 2000)
	d := newDesk(b)
	cancel := func(t *testing.T, d *Desk, name string, _ context.CancelFunc) {
		if _, err := d.Cancel(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	for when, interrupt := range map[string]func(*testing.T, *Desk, string, context.CancelFunc){"now": cancel, "later": interruptions["it is paused"]} {
		for _, target := range []string{"file", "stream"} {
			name := target + "-" + when
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				to, path := TargetStream, filepath.Join(t.TempDir(), "events.ndjson")
				if target == "file" {
					to = filePrefix + path
				}
				halfway(t, d, name, Request{Target: to}, interrupt)
				if when == "later" {
					cancel(t, d, name, nil)
				}
				if run, err := d.Get(t.Context(), name); err != nil || run.State != runs.Canceled {
					t.Errorf("%+v, %v", run, err)
				}
				if there, err := b.HasReplayStream(t.Context(), name); err != nil || there {
					t.Errorf("its stream is there: %t, %v", there, err)
				}
				if _, err := d.Resume(t.Context(), name); !errors.Is(err, runs.ErrOver) {
					t.Errorf("resume: %v", err)
				}
				if names, err := os.ReadDir(filepath.Dir(path)); err != nil || len(names) != 0 {
					t.Errorf("files are left: %v, %v", names, err)
				}
			})
		}
	}
}

// A worker that dies between any two of its steps leaves what the next one goes on from.
func TestFilesAfterACrash(t *testing.T) {
	b := newBus(t)
	publish(t, b, 0, 100)
	d := newDesk(b)
	for name, c := range map[string]struct {
		// leave makes of the files what the crash left, given what the book knows.
		leave func(t *testing.T, path string)
		fails string
	}{
		"more was written than noted": {func(t *testing.T, path string) { appendTo(t, path+partSuffix, "half a li") }, ""},
		"part is gone":                {func(t *testing.T, path string) { must(t, os.Remove(path+partSuffix)) }, "is not here"},
		"part is too short":           {func(t *testing.T, path string) { must(t, os.Truncate(path+partSuffix, 10)) }, "has 10 bytes of"},
		"file of that name appeared":  {func(t *testing.T, path string) { appendTo(t, path, "somebody's") }, "not of this run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "events.ndjson")
			run := strings.ReplaceAll(name, " ", "-")
			run = strings.ReplaceAll(run, "'", "")[:10]
			slow := begin(t, d, run, Request{Target: filePrefix + path, Rate: 20})
			ctx, stop := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			defer stop()
			_ = d.Work(ctx, run)
			c.leave(t, path)
			must(t, fasten(t, b, run, 20))
			err := d.Work(t.Context(), run)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("error: %v", err)
				}
				_, err = d.Cancel(t.Context(), run)
				must(t, err)
				return
			}
			must(t, err)
			if lines := readLines(t, path); uint64(len(lines)) != slow.Events {
				t.Errorf("%d lines of %d", len(lines), slow.Events)
			}
		})
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	_, err = file.WriteString(text)
	must(t, errors.Join(err, file.Close()))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A file that got its name just before its worker died is done.
func TestAFileThatIsWholeIsDone(t *testing.T) {
	b := newBus(t)
	publish(t, b, 0, 100)
	d := newDesk(b)
	path := filepath.Join(t.TempDir(), "events.ndjson")
	runWhole(t, d, "late", Request{Target: filePrefix + path})
	entry, err := b.Entry(t.Context(), Verb+".late")
	must(t, err)
	entry.Value = []byte(strings.Replace(string(entry.Value), `"state":"done"`, `"state":"waiting"`, 1))
	_, err = b.PutEntry(t.Context(), entry)
	must(t, err)
	must(t, d.Work(t.Context(), "late"))
	if lines := readLines(t, path); len(lines) != 100 {
		t.Errorf("%d lines", len(lines))
	}
}

// Runs that were asked for here are worked on here, several at a time; those of others are not.
func TestServe(t *testing.T) {
	b := newBus(t)
	publish(t, b, 0, 100)
	d := newDesk(b)
	d.Via, d.Dir = ViaAPI, filepath.Join(t.TempDir(), "replays")
	other := newDesk(b)
	begin(t, other, "other", Request{})
	begin(t, d, "one", Request{Target: "file:one.ndjson"})
	begin(t, d, "two", Request{})
	ctx, stop := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { d.Serve(ctx, quiet) })
	for done := 0; done < 2; time.Sleep(10 * time.Millisecond) {
		done = 0
		for _, name := range []string{"one", "two"} {
			if run, err := d.Get(t.Context(), name); err == nil && run.State == runs.Done {
				done++
			}
		}
	}
	stop()
	serving.Wait()
	if lines := readLines(t, filepath.Join(d.Dir, "one.ndjson")); len(lines) != 100 {
		t.Errorf("%d lines", len(lines))
	}
	if run, err := d.Get(t.Context(), "other"); err != nil || run.State != runs.Waiting {
		t.Errorf("the run of another is %+v, %v", run, err)
	}
	for _, name := range []string{"../x", "a/b", "", ".x", "/etc/x"} {
		if _, err := d.Plan(t.Context(), Request{Target: filePrefix + name}, nil); !errors.Is(err, ErrRequest) {
			t.Errorf("file %q: %v", name, err)
		}
	}
}

// What a replay holds in memory does not depend on how long it is.
func TestMemoryIsConstant(t *testing.T) {
	b := newBus(t)
	const few, many = 10_000, 80_000
	publish(t, b, 0, many)
	var most [2]uint64
	for i, count := range []uint64{few, many} {
		d := newDesk(b)
		name := fmt.Sprintf("memory-%d", i)
		begin(t, d, name, Request{Target: filePrefix + filepath.Join(t.TempDir(), "x"), Through: count})
		runtime.GC()
		var before runtime.MemStats
		runtime.ReadMemStats(&before)
		var peak atomic.Uint64
		done := make(chan struct{})
		var watching sync.WaitGroup
		watching.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(100 * time.Millisecond):
					// What is garbage does not count.
					runtime.GC()
					var now runtime.MemStats
					runtime.ReadMemStats(&now)
					peak.Store(max(peak.Load(), now.HeapAlloc-min(now.HeapAlloc, before.HeapAlloc)))
				}
			}
		})
		must(t, d.Work(t.Context(), name))
		close(done)
		watching.Wait()
		most[i] = peak.Load()
	}
	t.Logf("most in use: %d and %d bytes", most[0], most[1])
	// What is asked for ahead, and the blocks that the broker in this process has not forgotten yet: far less than the events, which are 128 MB.
	const allowed = 48 << 20
	if most[1] > most[0]+allowed {
		t.Errorf("%d events took %d bytes, %d took %d", many, most[1], few, most[0])
	}
}
