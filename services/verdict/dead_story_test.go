package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// said is what a command has written, and how it ended.
type said struct {
	out, errs string
	status    int
}

// command runs one command line beside the installation, with more in its environment than the settings.
func (in *installation) command(more []string, args ...string) said {
	cmd := in.prepared(more, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return said{errs: err.Error(), status: -1}
	}
	return said{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

func (in *installation) prepared(more []string, args ...string) *exec.Cmd {
	cmd := exec.Command("verdict", args...)
	cmd.Env = in.environment("operator", more...)
	return cmd
}

// mustSay runs a command that must end well, and returns what it writes.
func (in *installation) mustSay(t *testing.T, args ...string) string {
	t.Helper()
	s := in.command(nil, args...)
	if s.status != 0 {
		t.Fatalf("verdict %s: %d\n%s%s%s", strings.Join(args, " "), s.status, s.out, s.errs, in.tails())
	}
	return s.out
}

// mustRefuse runs a command that must fail and say why.
func (in *installation) mustRefuse(t *testing.T, why string, args ...string) {
	t.Helper()
	if s := in.command(nil, args...); s.status != 1 || !strings.Contains(s.errs, why) {
		t.Errorf("verdict %s: %d\n%s%s, want %q", strings.Join(args, " "), s.status, s.out, s.errs, why)
	}
}

// letters lists the open dead letters by a filter.
func (in *installation) letters(filter ...string) ([]deadRow, error) {
	s := in.command(nil, append([]string{"dead", "list", "--limit", "0", "--json"}, filter...)...)
	var list struct {
		Data []deadRow `json:"data"`
	}
	if s.status != 0 {
		return nil, errors.New(s.errs)
	}
	return list.Data, json.Unmarshal([]byte(s.out), &list)
}

// awaitLetters waits until so many dead letters are open.
func (in *installation) awaitLetters(t *testing.T, n int) (open []deadRow) {
	t.Helper()
	must(t, in.within("have dead letters", func() (err error) {
		if open, err = in.letters(); err == nil && len(open) != n {
			err = fmt.Errorf("%d letters, not %d", len(open), n)
		}
		return err
	}))
	return open
}

// folder is the role whose process folds.
func (in *installation) folder() string {
	if slices.Contains(in.form.roles, string(RoleLifecycle)) {
		return string(RoleLifecycle)
	}
	return in.form.roles[0]
}

// restartFolder starts the process that folds anew, as another version of it.
func (in *installation) restartFolder(t *testing.T, more ...string) {
	t.Helper()
	if p := in.program(in.folder()); p != nil && p.running() {
		must(t, p.kill())
	}
	must(t, in.startRole(in.folder(), more...))
	must(t, in.start())
}

// poison starts an installation whose folder cannot decode a provider, and delivers everything.
func poison(t *testing.T, f form, how string) (in *installation, poisoned int) {
	t.Helper()
	in = startInstallation(t, f)
	for _, role := range f.roles {
		more := []string(nil)
		if role == in.folder() {
			more = []string{poisonVariable + "=" + how}
		}
		must(t, in.startRole(role, more...))
	}
	must(t, in.start())
	must(t, in.deliverAll(everything(t)))
	name, _, _ := strings.Cut(how, ":")
	ids := map[string]bool{}
	for _, taken := range in.taken {
		if strings.HasPrefix(taken.ID, name+":") && taken.Status == "accepted" {
			ids[taken.ID] = true
		}
	}
	return in, len(ids)
}

// deliveries are all deliveries as the API shows them, but for what only a process knows.
func (in *installation) deliveries(t *testing.T) []map[string]any {
	t.Helper()
	rows, err := pages[map[string]any](in, "/v1/deliveries?limit=500")
	must(t, err)
	return rows
}

// Deliveries that a broken folder cannot read become dead letters. Once it is mended they are redriven, and everything is as if it never
// had been broken: also in a read model that is made anew, and for the doctor.
func TestPoisonedDeliveries(t *testing.T) {
	t.Parallel()
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			want := undisturbed(t)
			in, poisoned := poison(t, f, "idenfy")
			open := in.awaitLetters(t, poisoned)
			if l := open[0]; l.Consumer != "lifecycle-idenfy" || l.Cause != "invalid_json" || l.Stream != "KYC_WEBHOOKS" || l.Obstacle != "" {
				t.Errorf("a letter is %+v", l)
			}
			for filter, n := range map[string]int{
				"--provider=idenfy": poisoned, "--provider=kycaid": 0, "--cause=invalid_json": poisoned, "--cause=other": 0,
				"--consumer=lifecycle-idenfy": poisoned, "--since=1h": poisoned, "--until=1h": 0, "--delivery=" + open[0].EventID: 1, "--after=1": poisoned - 1,
			} {
				if got, err := in.letters(filter); err != nil || len(got) != n {
					t.Errorf("dead list %s: %d, %v, want %d", filter, len(got), err, n)
				}
			}
			if text := in.mustSay(t, "dead", "list", "--limit", "1"); !strings.Contains(text, "go on with --after") {
				t.Errorf("dead list --limit 1 says\n%s", text)
			}
			if text := in.mustSay(t, "dead", "show", fmt.Sprint(open[0].Letter)); !strings.Contains(text, open[0].EventID) || !strings.Contains(text, "stored ") {
				t.Errorf("dead show says\n%s", text)
			}

			// Open letters explain their deliveries: they are work, and no finding.
			in.mustBeWell(t)
			if text := in.mustSay(t, "doctor", "--only", "deliveries", "--only", "letters"); !strings.Contains(text, fmt.Sprintf("(%d)\n           %[1]d open of lifecycle-idenfy: verdict dead list --consumer lifecycle-idenfy", poisoned)) {
				t.Errorf("doctor says\n%s", text)
			}

			if rows, err := pages[map[string]any](in, "/v1/dead?limit=5&provider=idenfy"); err != nil || len(rows) != poisoned {
				t.Errorf("the API lists %d letters, %v", len(rows), err)
			}

			// What cannot be meant is refused, and nothing is changed by it.
			in.mustRefuse(t, "nothing in particular", "dead", "redrive", "--yes")
			in.mustRefuse(t, "nothing in particular", "dead", "redrive", "--all", "--provider", "idenfy", "--yes")
			in.mustRefuse(t, "nothing is chosen", "dead", "redrive", "--provider", "kycaid", "--yes")
			in.mustRefuse(t, "is unknown", "dead", "redrive", "--provider", "nobody", "--yes")
			in.mustRefuse(t, "no open dead letter", "dead", "redrive", "999", "--yes")
			in.mustRefuse(t, "no open dead letter", "dead", "show", "999")
			in.mustRefuse(t, "--rate must be", "dead", "redrive", "--all", "--rate", "0", "--yes")
			in.mustRefuse(t, "--rate must be", "dead", "redrive", "--all", "--rate", "NaN", "--yes")
			in.mustRefuse(t, "say why", "dead", "discard", "--all", "--yes")
			if text := in.mustSay(t, "dead", "redrive", "--all"); !strings.Contains(text, fmt.Sprintf("Would redrive %d of %d", poisoned, poisoned)) {
				t.Errorf("dead redrive --all says\n%s", text)
			}
			// The folder is still broken: what is redriven has a new letter.
			in.mustRefuse(t, "1 were given up once more", "dead", "redrive", fmt.Sprint(open[0].Letter), "--yes")
			again := in.awaitLetters(t, poisoned)
			if l := again[len(again)-1]; l.EventID != open[0].EventID || l.Redrives != 1 || l.Replaces != open[0].Letter || l.Attempts != 2 {
				t.Errorf("the new letter is %+v", l)
			}

			in.restartFolder(t)
			var result deadResult
			must(t, json.Unmarshal([]byte(in.mustSay(t, "dead", "redrive", "--provider", "idenfy", "--yes", "--json")), &result))
			if result.DryRun || result.Asked != uint64(poisoned) || result.Again+result.Passed+result.Already > 0 {
				t.Errorf("redriven: %+v", result)
			}
			in.awaitLetters(t, 0)
			in.mustRefuse(t, "nothing is chosen", "dead", "redrive", "--all", "--yes")
			if text := in.mustSay(t, "doctor", "--only", "letters"); strings.Contains(text, "open of") {
				t.Errorf("doctor says\n%s", text)
			}
			must(t, in.account())
			in.mustBeIn(t, want)
			audited, err := in.messages("KYC_AUDIT")
			must(t, err)
			if len(audited) != 2 || !bytes.Contains(audited[1].Data, []byte(`"filter":"provider=idenfy"`)) {
				t.Errorf("%d are audited: %s", len(audited), audited[len(audited)-1].Data)
			}
			in.mustBeWell(t)
			in.mustRebuildAlike(t)
			in.mustBeWell(t)
			must(t, in.stop())
		})
	}
}

// mustRebuildAlike loses the read model; the one that is made anew must show the same deliveries.
func (in *installation) mustRebuildAlike(t *testing.T) {
	t.Helper()
	before := in.deliveries(t)
	must(t, in.stop())
	in.loseReadModel(t)
	must(t, in.start())
	must(t, in.within("have the same deliveries", func() error {
		rows, err := pages[map[string]any](in, "/v1/deliveries?limit=500")
		if diff := cmp.Diff(before, rows); err == nil && diff != "" {
			err = errors.New(diff)
		}
		return err
	}))
}

// What is discarded stays dead, with its cause, though there is no letter any more.
func TestDiscardedDeliveries(t *testing.T) {
	t.Parallel()
	in, poisoned := poison(t, allInOne, "idenfy")
	open := in.awaitLetters(t, poisoned)
	must(t, in.account())
	before := in.deliveries(t)
	if text := in.mustSay(t, "dead", "discard", "--all", "--reason", "a test"); !strings.Contains(text, fmt.Sprintf("Would discard %d of %d", poisoned, poisoned)) {
		t.Errorf("dead discard says\n%s", text)
	}
	in.awaitLetters(t, poisoned)
	in.mustSay(t, "dead", "discard", fmt.Sprint(open[0].Letter), "--reason", "a test", "--yes")
	in.mustSay(t, "dead", "discard", "--cause", "invalid_json", "--reason", "a test", "--yes")
	in.awaitLetters(t, 0)
	must(t, in.account())
	if diff := cmp.Diff(before, in.deliveries(t)); diff != "" {
		t.Errorf("deliveries (-before +after):\n%s", diff)
	}
	in.mustRebuildAlike(t)
	must(t, in.stop())
}

// What told of nothing is redriven once the provider's folder has learnt it.
func TestUnhandledDeliveries(t *testing.T) {
	t.Parallel()
	want := undisturbed(t)
	in, poisoned := poison(t, allInOne, "idenfy:unhandled")
	count := func(outcome string) int {
		rows, err := pages[deliveryRow](in, "/v1/deliveries?limit=500&provider=idenfy&outcome="+outcome)
		must(t, err)
		return len(rows)
	}
	must(t, in.account())
	if n := count("unhandled"); n != poisoned {
		t.Fatalf("%d are unhandled, not %d", n, poisoned)
	}
	// Nothing has been learnt yet: nothing is told anew.
	in.mustSay(t, "dead", "redrive", "--unhandled", "--provider", "idenfy", "--yes")
	if told, err := in.messages("KYC_OUTCOMES"); err != nil || len(told) < poisoned {
		t.Errorf("%d outcomes, %v", len(told), err)
	}
	in.restartFolder(t)
	in.mustSay(t, "dead", "redrive", "--unhandled", "--provider", "idenfy", "--yes")
	must(t, in.within("be applied", func() error {
		if n := count("unhandled"); n > 0 {
			return fmt.Errorf("%d are still unhandled", n)
		}
		return nil
	}))
	in.mustRefuse(t, "nothing is chosen", "dead", "redrive", "--unhandled", "--provider", "idenfy", "--yes")
	must(t, in.account())
	in.mustBeIn(t, want)
	in.mustRebuildAlike(t)
	must(t, in.stop())
}

// Who redrives is killed in the middle. The same command goes on with the rest, also with what tells of nothing once it can be read.
func TestRedriveIsKilled(t *testing.T) {
	t.Parallel()
	want := undisturbed(t)
	in, poisoned := poison(t, allInOne, "treezor")
	in.awaitLetters(t, poisoned)
	in.restartFolder(t)
	cmd := in.prepared(nil, "dead", "redrive", "--all", "--rate", "5", "--yes")
	must(t, cmd.Start())
	must(t, in.within("redrive some", func() error {
		if open, err := in.letters(); err != nil || len(open) == poisoned {
			return fmt.Errorf("none yet: %w", err)
		}
		return nil
	}))
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
	if open, err := in.letters(); err != nil || len(open) == 0 {
		t.Fatalf("%d letters are left, %v", len(open), err)
	}
	in.mustSay(t, "dead", "redrive", "--all", "--yes")
	in.awaitLetters(t, 0)
	must(t, in.account())
	in.mustBeIn(t, want)
	must(t, in.stop())
}

// Where nothing runs, the commands say so.
func TestDeadWithoutVerdict(t *testing.T) {
	t.Parallel()
	in := startInstallation(t, allInOne)
	in.mustRefuse(t, "there is no Verdict in the data directory", "dead", "list")
	must(t, os.WriteFile(filepath.Join(in.data(), "nats-admin-password"), []byte("x"), 0o600))
	in.mustRefuse(t, "is Verdict running", "held", "list")
}
