package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/letters"
	"github.com/verdict-stream/verdict/pkg/runs"
)

const (
	// repairVerb is the verb of the runs that redrive and discard for callers of this API.
	repairVerb = "dead"

	actionRedrive = "redrive"
	actionDiscard = "discard"

	// saveInterval is how often progress is made durable.
	saveInterval = time.Second
	// keepRuns is how long a run that has ended is listed.
	keepRuns = 7 * 24 * time.Hour
)

// repairSpec is what was asked for.
type repairSpec struct {
	Action    string            `json:"action"`
	Selection letters.Selection `json:"selection"`
	Rate      float64           `json:"rate,omitempty"`
	Reason    string            `json:"reason,omitempty"`
	// Through is the sequence of the last one that the plan has counted.
	Through uint64 `json:"through"`
}

// errNoneRedrivable means that a plan has nothing that can be done.
var errNoneRedrivable = newProblem(http.StatusConflict, CauseNotPossible, "Not possible",
	"None of these can be redriven. Without dry_run=false the answer says why.")

// beginRepair notes what was asked for, in the audit and in the book, from which a worker takes it; it returns the name of the run.
func (a *api) beginRepair(ctx context.Context, spec repairSpec, plan letters.Plan) (name string, err error) {
	spec.Through = plan.Through
	count := plan.Matched
	if spec.Action == actionRedrive {
		count = plan.Redrivable
	}
	if count == 0 {
		return "", errNoneRedrivable
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return "", err
	}
	if err := a.bus.Audit(ctx, bus.AuditEntry{
		Verb: "dead-" + spec.Action, Actor: caller, Via: via, Target: "dead letters", Filter: spec.Selection.String(), Count: count, Note: spec.Reason,
	}); err != nil {
		return "", err
	}
	book := runs.Open(a.bus)
	if err := forgetRuns(ctx, book); err != nil {
		return "", err
	}
	now := time.Now().UTC()
	const distinct = 4 // characters that tell runs of one second apart
	name = fmt.Sprintf("%s-%s-%s", spec.Action, now.Format("20060102-150405"), strings.ToLower(rand.Text()[:distinct]))
	_, err = book.Create(ctx, runs.Run{Verb: repairVerb, Name: name, Spec: text, Total: count, Actor: caller})
	return name, err
}

// forgetRuns forgets what has ended long ago.
func forgetRuns(ctx context.Context, book *runs.Book) error {
	list, err := book.List(ctx, repairVerb)
	if err != nil {
		return err
	}
	for i := range list {
		if r := &list[i]; r.Over() && time.Since(r.EndedAt) > keepRuns {
			if err := book.Forget(ctx, repairVerb, r.Name); errors.Is(err, bus.ErrUnavailable) {
				return err
			}
		}
	}
	return nil
}

// repair works on what was asked for, here or in a process that has died, until ctx ends.
func repair(ctx context.Context, b *bus.Bus) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	// Serve returns nothing but nil, when ctx has ended.
	_ = runs.Open(b).Serve(ctx, repairVerb, fmt.Sprintf("api@%s:%d", host, os.Getpid()), func(ctx context.Context, job *runs.Job) error {
		return repairRun(ctx, b, job)
	})
}

// repairRun does one run from where it stands.
func repairRun(ctx context.Context, b *bus.Bus, job *runs.Job) error {
	r := job.Run()
	var spec repairSpec
	if err := json.Unmarshal(r.Spec, &spec); err != nil {
		return fmt.Errorf("run %s: %w", r.Name, err)
	}
	desk := &letters.Desk{Bus: b, Actor: cmp.Or(r.Actor, caller), Via: via}
	saved := time.Now()
	work := letters.Work{
		Selection: spec.Selection, After: r.Position, Through: spec.Through, Rate: spec.Rate,
		Progress: func(p letters.Progress) error {
			if time.Since(saved) < saveInterval {
				return context.Cause(ctx)
			}
			saved = time.Now()
			return job.Save(ctx, func(now *runs.Run) { now.Position, now.Done = p.Position, r.Done+p.Done+p.Again })
		},
	}
	do := desk.Redrive
	if spec.Action == actionDiscard {
		do = desk.Discard
	}
	p, err := do(ctx, work)
	// One that is asked for by its number and gone meanwhile is done.
	if errors.Is(err, letters.ErrNoLetter) {
		err = nil
	}
	if ctx.Err() == nil {
		err = errors.Join(err, job.Save(ctx, func(now *runs.Run) { now.Position, now.Done = p.Position, r.Done+p.Done+p.Again }))
	}
	return err
}

// repairRuns answers with what was asked for here.
func (a *api) repairRuns(w http.ResponseWriter, r *http.Request) error {
	if err := newQuery(r).done(); err != nil {
		return err
	}
	if a.bus == nil {
		return errNoBroker
	}
	list, err := runs.Open(a.bus).List(r.Context(), repairVerb)
	if err != nil {
		return err
	}
	return respondOnce(w, r, RepairRuns{convert(list, newRepairRun)})
}

// cancelRepair stops a run.
func (a *api) cancelRepair(w http.ResponseWriter, r *http.Request) error {
	if err := readBody(w, r, &Nothing{}); err != nil {
		return err
	}
	if a.bus == nil {
		return errNoBroker
	}
	run, err := runs.Open(a.bus).Ask(r.Context(), repairVerb, r.PathValue("run"), runs.Cancel)
	if err != nil {
		return err
	}
	if err := a.bus.Audit(r.Context(), bus.AuditEntry{Verb: "dead-cancel", Actor: caller, Via: via, Target: "run " + run.Name, Count: run.Done}); err != nil {
		return err
	}
	return respondOnce(w, r, RepairRunAnswer{newRepairRun(run)})
}

func newRepairRun(r runs.Run) RepairRun {
	var spec repairSpec
	_ = json.Unmarshal(r.Spec, &spec) // It is we who wrote it.
	return RepairRun{
		Name: r.Name, Action: spec.Action, Filter: spec.Selection.String(), State: string(r.State), Done: int(r.Done), Total: int(r.Total),
		CreatedAt: r.CreatedAt, EndedAt: timeOrNull(r.EndedAt), Error: orNull(r.Error),
	}
}
