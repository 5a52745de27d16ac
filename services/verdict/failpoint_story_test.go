//go:build failpoint

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/failpoint"
)

const (
	// shortWindow is the shortest deduplication window that there is, and longerThanWindow how
	// long the broker must be able to forget what was published before a crash.
	shortWindow      = 100 * time.Millisecond
	longerThanWindow = 10 * shortWindow
)

// A process that dies at any of the named places, and is started again, leaves nothing behind:
// what was taken comes to one outcome, and the verifications to the same states as if nothing
// had happened. The senders do what the providers do: they send again what was not answered.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, f := range forms {
		for _, name := range onTheWay() {
			for _, crash := range []struct {
				name   string
				hit    int
				outage time.Duration
			}{
				{"at once", 1, 0},
				{"longer than the deduplication window", 5, longerThanWindow},
			} {
				t.Run(f.name+"/"+string(name)+"/"+crash.name, func(t *testing.T) {
					t.Parallel()
					want := undisturbed(t)
					in := startInstallation(t, f)
					role := roleOf(f, name)
					must(t, in.start())
					must(t, in.program(role).stop())
					if crash.outage > 0 {
						in.settings["VERDICT_DEDUPLICATION_WINDOW"] = shortWindow.String()
					}
					must(t, in.startRole(role, fmt.Sprintf("%s=%s:%d", failpoint.Variable, name, crash.hit)))
					must(t, in.start())

					sending := make(chan error, 1)
					go func() { sending <- in.deliverAll(everything(t)) }()
					p := in.program(role)
					<-p.ended
					if !p.killed() {
						t.Fatalf("%s ended with %v%s", role, p.cmd.ProcessState, in.tails())
					}
					time.Sleep(crash.outage) // The stop is what is tested; nothing is waited for.
					must(t, in.start())
					must(t, <-sending)
					in.mustEndAs(t, want)
				})
			}
		}
	}
}

// onTheWay are the places that a webhook comes by; work that somebody asks for has others.
func onTheWay() []failpoint.Name {
	return slices.DeleteFunc(slices.Clone(failpoint.Names), func(name failpoint.Name) bool {
		service, _, _ := strings.Cut(string(name), ".")
		return !slices.Contains(split.roles, service)
	})
}

// roleOf is the process that a place is in.
func roleOf(f form, name failpoint.Name) string {
	if len(f.roles) == 1 {
		return f.roles[0]
	}
	service, _, _ := strings.Cut(string(name), ".")
	return service
}

// A power failure while the state is lost, and all that was sent is sent again: the state is made
// anew from the streams and everything is a repetition.
func TestStateLost(t *testing.T) {
	eachInFiles(t, func(t *testing.T, in *installation) {
		in.settings["VERDICT_DEDUPLICATION_WINDOW"] = shortWindow.String()
		want := undisturbed(t)
		must(t, in.start())
		must(t, in.deliverAll(everything(t)))
		must(t, in.account())
		before, err := in.facts("KYC_VERIFICATIONS")
		must(t, err)
		must(t, in.kill())
		must(t, in.remove("lifecycle-*.db*"))
		must(t, in.start())
		must(t, in.deliverAll(everything(t)))
		must(t, in.account())
		after, err := in.facts("KYC_VERIFICATIONS")
		must(t, err)
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("the events of before and after (-before +after):\n%s", diff)
		}
		in.mustEndAs(t, want)
	})
}

// A state that was put back from a backup takes over from the stream what it has missed.
func TestStateFromBackup(t *testing.T) {
	eachInFiles(t, func(t *testing.T, in *installation) {
		want := undisturbed(t)
		all := everything(t)
		must(t, in.start())
		must(t, in.deliverAll(all[:len(all)/2]))
		must(t, in.account())
		must(t, in.stop())
		backup := t.TempDir()
		must(t, os.CopyFS(filepath.Join(backup, "data"), os.DirFS(in.data())))
		must(t, in.start())
		must(t, in.deliverAll(all[len(all)/2:]))
		must(t, in.account())
		must(t, in.stop())
		must(t, in.remove("lifecycle-*.db*"))
		files, err := filepath.Glob(filepath.Join(backup, "data", "lifecycle-*.db*"))
		must(t, err)
		for _, file := range files {
			must(t, os.Rename(file, filepath.Join(in.data(), filepath.Base(file))))
		}
		must(t, in.start())
		must(t, in.deliverAll(all[:3]))
		in.mustEndAs(t, want)
	})
}

// A read model that is lost is made anew from the streams, as far back as they reach.
func TestReadModelLost(t *testing.T) {
	eachForm(t, func(t *testing.T, in *installation) {
		want := undisturbed(t)
		must(t, in.start())
		must(t, in.deliverAll(everything(t)))
		must(t, in.account())
		must(t, in.stop())
		in.loseReadModel(t)
		must(t, in.start())
		in.mustEndAs(t, want)
	})
}
