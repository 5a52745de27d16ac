//go:build failpoint

package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/archive"
	"github.com/verdict-stream/verdict/pkg/failpoint"
)

// mustBeKilled runs a command that dies when it comes to a place for the n-th time.
func (in *installation) mustBeKilled(t *testing.T, at failpoint.Name, n int, args ...string) {
	t.Helper()
	s := in.command([]string{failpoint.Variable + "=" + string(at) + ":" + strconv.Itoa(n)}, args...)
	if s.status != -1 {
		t.Fatalf("verdict %s was not killed at %s: %d\n%s%s", strings.Join(args, " "), at, s.status, s.out, s.errs)
	}
}

// An archive that is killed has trimmed nothing that is not on disk, and the same command goes on.
func TestArchiveIsKilled(t *testing.T) {
	t.Parallel()
	for _, at := range []failpoint.Name{failpoint.ArchiveWritten, failpoint.ArchiveTrimmed} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			in := startInstallation(t, allInOne)
			must(t, in.start())
			must(t, in.deliverAll(everything(t)))
			must(t, in.account())
			before, err := in.facts("KYC_VERIFICATIONS")
			must(t, err)
			run := []string{"archive", "run", "--before", "25", "--young"}
			in.mustBeKilled(t, at, 1, run...)
			in.mustBeWell(t)
			in.mustSay(t, run...)
			in.mustBeWell(t)

			a, err := archive.Open(filepath.Join(in.data(), "archive"))
			must(t, err)
			must(t, a.Verify(t.Context()))
			if m := a.Manifest(); m.Through != 24 || m.Trimmed != 24 {
				t.Errorf("archived through %d, trimmed through %d", m.Through, m.Trimmed)
			}
			seq := uint64(0)
			must(t, a.Events(t.Context(), 1, func(e *archive.Entry) error {
				seq++
				if want := before[seq-1]; e.Sequence != seq || e.Data.ID != want.ID || e.Data.Version != want.Version {
					t.Errorf("event %d is version %d of %s, want %+v", e.Sequence, e.Data.Version, e.Data.ID, want)
				}
				return nil
			}))
			after, err := in.facts("KYC_VERIFICATIONS")
			must(t, err)
			if seq != 24 || len(after) != len(before)-24 || after[0].Sequence != 25 {
				t.Errorf("%d events are archived and %d in the stream, of %d", seq, len(after), len(before))
			}
			must(t, in.stop())
		})
	}
}

// A backup that is killed is none; the same command makes one.
func TestBackupIsKilled(t *testing.T) {
	t.Parallel()
	in := startInstallation(t, allInOne)
	in.keysElsewhere()
	must(t, in.start())
	must(t, in.deliverAll(everything(t)))
	dir := filepath.Join(in.dir, "backup")
	in.mustBeKilled(t, failpoint.BackupStream, 3, "backup", "--to", dir)
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("a backup that was killed is there: %v", err)
	}
	in.mustBeWell(t)
	in.mustSay(t, "backup", "--to", dir)
	if _, err := os.Stat(dir + unfinishedSuffix); !os.IsNotExist(err) {
		t.Errorf("something is left: %v", err)
	}
	in.mustBeWell(t)
	in.loseData(t)
	in.mustRefuse(t, "is no backup, or one that was not finished", "restore", "--from", in.dir)
	in.mustSay(t, "restore", "--from", dir)
	must(t, in.start())
	must(t, in.account())
	in.mustBeWell(t)
	must(t, in.stop())
}

// A restore that is killed leaves what no service starts with, and the same command goes on.
func TestRestoreIsKilled(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]struct {
		place failpoint.Name
		n     int
	}{"with the files": {failpoint.RestoreFiles, 1}, "with a stream": {failpoint.RestoreStream, 1}, "with some streams": {failpoint.RestoreStream, 5}} {
		t.Run(name, func(t *testing.T) {
			eachInFiles(t, func(t *testing.T, in *installation) {
				in.keysElsewhere()
				want := undisturbed(t)
				must(t, in.start())
				must(t, in.deliverAll(everything(t)))
				must(t, in.account())
				first, second := filepath.Join(in.dir, "first"), filepath.Join(in.dir, "second")
				in.mustSay(t, "backup", "--to", first)
				in.mustSay(t, "backup", "--to", second)
				in.loseData(t)
				in.startBroker(t)
				in.mustBeKilled(t, at.place, at.n, "restore", "--from", first)

				role := in.form.roles[len(in.form.roles)-1]
				must(t, in.startRole(role))
				p := in.program(role)
				<-p.ended
				if log, err := os.ReadFile(p.log); err != nil || !p.failed() || !strings.Contains(string(log), "holds half of a backup") {
					t.Errorf("%s ended with %v: %s", role, p.cmd.ProcessState, log)
				}
				in.mustRefuse(t, "go on with verdict restore --from "+first+", or empty it\n", "restore", "--from", second)
				in.mustSay(t, "restore", "--from", first)
				must(t, in.start())
				in.mustBeWell(t)
				in.mustEndAs(t, want)
			})
		})
	}
}
