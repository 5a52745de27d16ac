package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/runs"
)

// rebuild is the rebuild of the read model as status lists it.
func (in *installation) rebuild() (r runs.Run, err error) {
	s := in.command(nil, "rebuild", "status", "--json")
	if s.status != 0 {
		return r, fmt.Errorf("%s", s.errs)
	}
	var list struct {
		Data []runs.Run `json:"data"`
	}
	if err := json.Unmarshal([]byte(s.out), &list); err != nil {
		return r, err
	}
	for _, r := range list.Data {
		if r.Name == "readmodel" {
			return r, nil
		}
	}
	return r, fmt.Errorf("no rebuild is listed")
}

// awaitRebuild waits until the rebuild is in a state.
func (in *installation) awaitRebuild(t *testing.T, want runs.State, more ...func(runs.Run) bool) {
	t.Helper()
	must(t, in.within("have a rebuild that is "+string(want), func() error {
		r, err := in.rebuild()
		if err != nil {
			return err
		}
		if r.State != want {
			return fmt.Errorf("it is %s: %s", r.State, r.Error)
		}
		for _, holds := range more {
			if !holds(r) {
				return fmt.Errorf("it is at %d of %d, %s", r.Done, r.Total, r.Detail)
			}
		}
		return nil
	}))
}

// models lists the files of read models.
func (in *installation) models(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(in.data(), "readmodel*.db"))
	must(t, err)
	return files
}

// projectorRole is the process that rebuilds.
func (in *installation) projectorRole() string {
	if len(in.form.roles) == 1 {
		return in.form.roles[0]
	}
	return string(RoleProjector)
}

// The read model is made anew while webhooks come and questions are asked; a kill -9 on the way, and cancelling, leave nothing.
func TestRebuildReadModel(t *testing.T) {
	eachForm(t, func(t *testing.T, in *installation) {
		want := undisturbed(t)
		all := everything(t)
		must(t, in.start())
		must(t, in.deliverAll(all[:len(all)-3]))
		in.mustRefuse(t, "no rebuild", "rebuild", "cancel")
		if plan := in.mustSay(t, "rebuild", "readmodel", "--plan"); !strings.Contains(plan, "KYC_VERIFICATIONS") {
			t.Errorf("the plan is %s", plan)
		}
		if _, err := in.rebuild(); err == nil {
			t.Error("a plan has made a run")
		}
		before := in.models(t)

		slow := []string{"rebuild", "readmodel", "--rate", "8", "--detach"}
		begun := func(r runs.Run) bool { return r.Done > 0 }
		in.mustSay(t, slow...)
		in.awaitRebuild(t, runs.Running, begun)
		in.mustRefuse(t, "is running already", "rebuild", "readmodel")
		in.mustRefuse(t, "is running already", "rebuild", "drop-old")
		in.mustSay(t, "rebuild", "cancel")
		in.awaitRebuild(t, runs.Canceled)
		if diff := cmp.Diff(before, in.models(t)); diff != "" {
			t.Errorf("files after it was cancelled (-before +after):\n%s", diff)
		}
		in.mustRefuse(t, "cannot be canceled", "rebuild", "cancel")

		in.mustSay(t, slow...)
		in.awaitRebuild(t, runs.Running, begun)
		must(t, in.program(in.projectorRole()).kill())
		must(t, in.start())
		// What comes while the next one is at work.
		must(t, in.deliverAll(all))
		in.mustSay(t, "rebuild", "cancel")
		if diff := cmp.Diff(before, in.models(t)); diff != "" {
			must(t, in.within("remove what the kill has left", func() error {
				if left := in.models(t); len(left) != len(before) {
					return fmt.Errorf("files %q", left)
				}
				return nil
			}))
		}
		s := in.command(nil, "rebuild", "readmodel")
		if s.status != 0 || !strings.Contains(s.out, "is in use") {
			t.Fatalf("rebuild: %d\n%s%s%s", s.status, s.out, s.errs, in.tails())
		}
		must(t, in.account())
		if out := in.mustSay(t, "rebuild", "drop-old"); !strings.Contains(out, "removed readmodel.db") && !strings.Contains(out, "_readmodel_old_1") {
			t.Errorf("dropped is %q", out)
		}
		if out := in.mustSay(t, "rebuild", "drop-old"); !strings.Contains(out, "there was none") {
			t.Errorf("dropped once more is %q", out)
		}
		must(t, in.stop())
		must(t, in.start())
		in.mustEndAs(t, want)
		if in.form.database == nil && len(in.models(t)) != 1 {
			t.Errorf("files %q", in.models(t))
		}
	})
}

// Who asks where none runs is told, and so is who starts one whose read model cannot be found.
func TestRebuildNeedsAVerdictThatRuns(t *testing.T) {
	t.Parallel()
	in := startInstallation(t, allInOne)
	in.mustRefuse(t, "there is no Verdict in the data directory", "rebuild", "readmodel")
	must(t, os.WriteFile(filepath.Join(in.data(), "readmodel.current"), []byte("x"), 0o600))
	must(t, in.startRole(string(RoleAll)))
	p := in.program(string(RoleAll))
	<-p.ended
	if p.cmd.ProcessState.Success() || !strings.Contains(p.tail(), "readmodel.current does not name the file") {
		t.Errorf("a pointer that names nothing: %v%s", p.cmd.ProcessState, p.tail())
	}
}

// A rebuild whose projector has died, and does not come back, can be cancelled; what it has left goes with the next start.
func TestCancelRebuildOfNobody(t *testing.T) {
	t.Parallel()
	in := startInstallation(t, split)
	must(t, in.start())
	must(t, in.deliverAll(everything(t)))
	before := in.models(t)
	in.mustSay(t, "rebuild", "readmodel", "--rate", "8", "--detach")
	in.awaitRebuild(t, runs.Running)
	must(t, in.program(string(RoleProjector)).kill())
	if out := in.mustSay(t, "rebuild", "cancel"); !strings.Contains(out, "is canceled") {
		t.Errorf("cancelled is %q", out)
	}
	must(t, in.start())
	must(t, in.within("remove what the kill has left", func() error {
		if diff := cmp.Diff(before, in.models(t)); diff != "" {
			return fmt.Errorf("files (-before +after):\n%s", diff)
		}
		return nil
	}))
	must(t, in.stop())
}
