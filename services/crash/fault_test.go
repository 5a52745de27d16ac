//go:build linux

package crash

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Where nothing can be mounted, files cannot grow either: a write fails, and works again later.
func TestFull(t *testing.T) {
	for _, mounts := range []bool{true, false} {
		t.Run(fmt.Sprint(mounts), func(t *testing.T) {
			d, err := newDisk(filepath.Join(t.TempDir(), "disk"), 64<<20)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := d.close(); err != nil {
					t.Error(err)
				}
			})
			if !mounts {
				if err := d.close(); err != nil {
					t.Fatal(err)
				}
			}
			// It appends 8 KiB again and again and says how each of them went.
			p := startShell(t, `while :; do if head -c 8192 /dev/zero >> `+filepath.Join(d.dir, "file")+`; then echo good; else echo bad; fi; done >&2`)
			awaitLog(t, p, "good")
			if err := d.fill(t.Context(), []*program{p}); err != nil {
				t.Fatal(err)
			}
			awaitLog(t, p, "bad")
			if err := d.free([]*program{p}); err != nil {
				t.Fatal(err)
			}
			awaitLog(t, p, "good")
		})
	}
}

func TestStall(t *testing.T) {
	for _, syncsOnly := range []bool{true, false} {
		t.Run(fmt.Sprint(syncsOnly), func(t *testing.T) {
			const pause = 400 * time.Millisecond
			p := startShell(t, `while :; do echo before >&2; dd if=/dev/zero of=`+filepath.Join(t.TempDir(), "file")+` bs=1 count=1 conv=fsync 2>/dev/null; echo good >&2; done`)
			awaitLog(t, p, "good")
			begun := time.Now()
			if err := stall(p, pause, syncsOnly); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begun); took < pause {
				t.Errorf("it took %v", took)
			}
			awaitLog(t, p, "good")
		})
	}
}

func TestProgram(t *testing.T) {
	kill := startShell(t, "sleep 60")
	if err := kill.kill(); err != nil {
		t.Error(err)
	}
	if status, ok := kill.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL || kill.running() || kill.died() {
		t.Errorf("killed: %v", kill.cmd.ProcessState)
	}
	end := startShell(t, "echo because >&2; exit 3")
	<-end.ended
	if !end.died() || !strings.Contains(end.tail(), "because") {
		t.Errorf("a process that has ended by itself is not seen: %v, %s", end.cmd.ProcessState, end.tail())
	}
	well := startShell(t, "trap 'exit 0' INT; while :; do echo good >&2; sleep 0.01; done # :; do sleep 0.01; done")
	awaitLog(t, well, "good")
	if err := well.stop(); err != nil {
		t.Error(err)
	}
	badly := startShell(t, "trap 'exit 4' INT; while :; do echo good >&2; sleep 0.01; done # :; do sleep 0.01; done")
	awaitLog(t, badly, "good")
	if err := badly.stop(); err == nil {
		t.Error("a process that stops with an error is taken to be well")
	}
}

func TestCopyFiles(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"lifecycle-a.db": "a", "lifecycle-a.db-wal": "wal", "readmodel.db": "other"} {
		if err := os.WriteFile(filepath.Join(from, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"lifecycle-a.db", "lifecycle-a.db-shm", "keys"} {
		if err := os.WriteFile(filepath.Join(to, name), []byte("newer"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := copyFiles(from, to, lifecycleFiles); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, name := range files(t, to) {
		text, err := os.ReadFile(filepath.Join(to, name))
		if err != nil {
			t.Fatal(err)
		}
		got[name] = string(text)
	}
	want := map[string]string{"lifecycle-a.db": "a", "lifecycle-a.db-wal": "wal", "keys": "newer"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err := copyFiles(t.TempDir(), to, lifecycleFiles); err == nil {
		t.Error("nothing was copied, and that was no error")
	}
}

// Which faults come, and for how long, follows from the seed; every kind comes.
func TestDeal(t *testing.T) {
	dealt := func(seed uint64, form Form, faults ...string) string {
		r := &round{
			cfg: &Config{Window: time.Second, Faults: faults}, in: &installation{form: form, lines: map[string]*line{}},
			random: rand.New(rand.NewPCG(seed, 1)),
		}
		if form.Name == "split" {
			r.in.lines[roleReceiver] = &line{}
		}
		var names []string
		for _, f := range r.deal() {
			names = append(names, fmt.Sprint(f.name, " ", r.outage()))
		}
		return strings.Join(names, ", ")
	}
	for _, form := range Forms {
		one := dealt(1, form)
		if again := dealt(1, form); one != again {
			t.Errorf("one seed deals\n%s and\n%s", one, again)
		}
		if other := dealt(2, form); one == other {
			t.Errorf("two seeds deal %s", one)
		}
		for _, name := range Faults {
			if !strings.Contains(one, name) && (name != faultCut.name || form.Name == "split") {
				t.Errorf("%s is not among %s", name, one)
			}
		}
		if only := dealt(1, form, "stall"); !strings.HasPrefix(only, "stall") || strings.Contains(only, ",") {
			t.Errorf("of stalls alone: %s", only)
		}
	}
}

func startShell(t *testing.T, script string) *program {
	t.Helper()
	p, err := startProgram("shell", []string{"/bin/sh", "-c", script}, []string{"PATH=" + os.Getenv("PATH")}, filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// What it has started ends with its group.
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		if err := p.kill(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// awaitLog returns once a program has logged a line that it had not logged at the call.
func awaitLog(t *testing.T, p *program, line string) {
	t.Helper()
	count := func() int {
		text, err := os.ReadFile(p.log)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), line+"\n")
	}
	begun, before := time.Now(), count()
	// The line that was under way may have been decided before.
	for count() < before+2 {
		if time.Since(begun) > recoverWithin {
			t.Fatalf("no %q in %s", line, p.tail())
		}
		time.Sleep(time.Millisecond)
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}
