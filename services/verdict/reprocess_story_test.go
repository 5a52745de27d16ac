//go:build failpoint

package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/failpoint"
	"github.com/verdict-stream/verdict/pkg/runs"
	"github.com/verdict-stream/verdict/services/lifecycle"
)

// The decoder of a provider is mended: what it could not read before, and what it read wrongly, comes out right, whatever is killed
// meanwhile; and nothing is emitted of what has always been right.
func TestReprocess(t *testing.T) {
	t.Parallel()
	for _, f := range forms {
		for _, crash := range []failpoint.Name{"", failpoint.ReprocessApplied, failpoint.ReprocessPublished} {
			t.Run(f.name+"/"+string(crash), func(t *testing.T) {
				t.Parallel()
				want := undisturbed(t)
				in := startInstallation(t, f)
				in.startOlder(t, "idenfy")
				must(t, in.deliverAll(everything(t)))
				must(t, in.within("have a dead letter", func() error {
					open, err := in.letters()
					if err == nil && len(open) == 0 {
						err = fmt.Errorf("there is none")
					}
					return err
				}))
				must(t, in.account())
				before, err := in.messages("KYC_VERIFICATIONS")
				must(t, err)

				in.mustRefuse(t, "there is no provider", "reprocess", "plan", "--provider", "nobody")
				in.mustRefuse(t, "no delivery that is kept tells of", "reprocess", "plan", "--verification", "idenfy/id_verification/none")
				in.mustRefuse(t, "no delivery of idenfy is kept", "reprocess", "run", "--provider", "idenfy", "--until", "1000h")
				in.mustRefuse(t, "nothing would change", "reprocess", "run", "--provider", "kycaid")
				var plan lifecycle.ReprocessPlan
				must(t, json.Unmarshal([]byte(in.mustSay(t, "reprocess", "plan", "--provider", "idenfy", "--json")), &plan))
				if plan.Changed == 0 || plan.Statuses["rejected → approved"] == 0 || plan.Ends["dead → applied"] == 0 {
					t.Fatalf("the plan is %+v", plan)
				}
				text := in.mustSay(t, "reprocess", "plan", "--provider", "idenfy")
				if !strings.Contains(text, "rejected → approved") || !strings.Contains(text, fmt.Sprintf("with %d events", plan.Events)) {
					t.Errorf("the plan says\n%s", text)
				}
				if now, err := in.messages("KYC_VERIFICATIONS"); err != nil || len(now) != len(before) {
					t.Errorf("the plan has changed the stream: %d events, %v", len(now), err)
				}

				// The lifecycle that runs is still the older one.
				s := in.command(nil, "reprocess", "run", "--provider", "idenfy")
				if s.status != 1 || !strings.Contains(s.errs, "of another version than the plan") {
					t.Fatalf("with the older lifecycle: %d\n%s%s", s.status, s.out, s.errs)
				}
				in.mustRefuse(t, "is failed", "reprocess", "run", "--provider", "idenfy")
				in.mustSay(t, "reprocess", "cancel", "idenfy")
				if crash != "" {
					in.restartFolder(t, fmt.Sprintf("%s=%s", failpoint.Variable, crash))
				} else {
					in.restartFolder(t)
				}
				// The broker may go down with the lifecycle before everything is said.
				s = in.command(nil, "reprocess", "run", "--provider", "idenfy", "--detach")
				if s.status != 0 && crash == "" {
					t.Fatalf("run says %s%s", s.out, s.errs)
				}
				if crash != "" {
					p := in.program(in.folder())
					<-p.ended
					if !p.killed() {
						t.Fatalf("%s ended with %v%s", in.folder(), p.cmd.ProcessState, in.tails())
					}
					must(t, in.start())
				}
				run := in.awaitReprocess(t, "idenfy")
				if run.State != runs.Done {
					t.Fatalf("the run is %s: %s%s", run.State, run.Error, in.tails())
				}
				after, err := in.messages("KYC_VERIFICATIONS")
				must(t, err)
				if made := len(after) - len(before); uint64(made) != plan.Events {
					t.Errorf("%d events were made, planned were %d", made, plan.Events)
				}
				if open, err := in.letters(); err != nil || len(open) > 0 {
					t.Errorf("letters are open: %v, %v", open, err)
				}
				in.mustRefuse(t, "nothing would change", "reprocess", "run", "--provider", "idenfy")
				in.mustRefuse(t, "there is no run of that name", "reprocess", "status", "other")
				if text := in.mustSay(t, "reprocess", "status", "idenfy"); !strings.Contains(text, "idenfy is done") {
					t.Errorf("status says %s", text)
				}
				in.mustSay(t, "reprocess", "forget", "idenfy")
				in.mustEndAs(t, want)
			})
		}
	}
}

// startOlder starts the installation with a folder whose decoder of a provider is older, and reads less of it.
func (in *installation) startOlder(t *testing.T, name string) {
	t.Helper()
	for _, role := range in.form.roles {
		var more []string
		if role == in.folder() {
			more = []string{olderVariable + "=" + name}
		}
		must(t, in.startRole(role, more...))
	}
	must(t, in.start())
}

// awaitReprocess waits until a run has come to its end.
func (in *installation) awaitReprocess(t *testing.T, name string) (run runs.Run) {
	t.Helper()
	must(t, in.within("come to an end", func() error {
		s := in.command(nil, "reprocess", "status", name, "--json")
		if s.status != 0 {
			return fmt.Errorf("%s", s.errs)
		}
		if err := json.Unmarshal([]byte(s.out), &run); err != nil {
			return err
		}
		if !slices.Contains([]runs.State{runs.Done, runs.Canceled, runs.Failed}, run.State) {
			return fmt.Errorf("the run is %s", run.State)
		}
		return nil
	}))
	return run
}

// A state is made anew beside the one in use, and takes its place, wherever the process is killed.
func TestRebuildState(t *testing.T) {
	t.Parallel()
	for _, f := range forms {
		for _, crash := range []failpoint.Name{"", failpoint.RebuildCompared, failpoint.RebuildRenamed} {
			if crash == failpoint.RebuildRenamed && f.database != nil {
				continue // There are no files.
			}
			t.Run(f.name+"/"+string(crash), func(t *testing.T) {
				t.Parallel()
				want := undisturbed(t)
				in := startInstallation(t, f)
				must(t, in.start())
				all := everything(t)
				must(t, in.deliverAll(all[:len(all)/2]))
				in.mustRefuse(t, "there is no provider", "rebuild", "state", "--provider", "nobody")
				if crash != "" {
					in.restartFolder(t, fmt.Sprintf("%s=%s", failpoint.Variable, crash))
				}
				sending := make(chan error, 1)
				go func() { sending <- in.deliverAll(all[len(all)/2:]) }()
				if crash == "" {
					text := in.mustSay(t, "rebuild", "state")
					for _, p := range storyProviders() {
						sums := regexp.MustCompile(`(?m)^`+p.Name+`: (?:in use|new) +(\d+) verifications +(\d+) signals +([0-9a-f]{32})$`).FindAllStringSubmatch(text, -1)
						if !strings.Contains(text, p.Name+": the new state is in use") || len(sums) != 2 || !slices.Equal(sums[0][1:], sums[1][1:]) {
							t.Errorf("rebuild state says\n%s", text)
						}
					}
				} else {
					_ = in.command(nil, "rebuild", "state", "--provider", "idenfy", "--detach")
					p := in.program(in.folder())
					<-p.ended
					if !p.killed() {
						t.Fatalf("%s ended with %v%s", in.folder(), p.cmd.ProcessState, in.tails())
					}
					must(t, in.start())
					must(t, in.within("be rebuilt", func() error {
						if s := in.command(nil, "rebuild", "status"); !strings.Contains(s.out, "done") {
							return fmt.Errorf("%s%s", s.out, s.errs)
						}
						return nil
					}))
				}
				must(t, <-sending)
				if text := in.mustSay(t, "rebuild", "state", "--provider", "idenfy", "--drop-old"); !strings.Contains(text, "is removed") {
					t.Errorf("drop-old says %s", text)
				}
				in.mustEndAs(t, want)
			})
		}
	}
}
