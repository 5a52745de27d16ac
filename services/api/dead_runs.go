package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/letters"
	"github.com/verdict-stream/verdict/pkg/runs"
)

const (
	// repairVerb is the verb of the runs that redrive and discard dead letters for callers of this API.
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

// errNonePossible means that a plan has nothing that can be done.
var errNonePossible = newProblem(http.StatusConflict, CauseNotPossible, "Not possible",
	"That can be done with none of these. Without dry_run=false the answer says why.")

// beginRepair notes what was asked for, in the audit and in the book, from which a worker takes it; it returns the name of the run.
func (a *api) beginRepair(ctx context.Context, spec repairSpec, plan letters.Plan) (name string, err error) {
	spec.Through = plan.Through
	count := plan.Matched
	if spec.Action == actionRedrive {
		count = plan.Redrivable
	}
	if count == 0 {
		return "", errNonePossible
	}
	return a.beginRun(ctx, repairVerb, spec.Action, spec, bus.AuditEntry{
		Target: "dead letters", Filter: spec.Selection.String(), Count: count, Note: spec.Reason,
	})
}

// beginRun notes what was asked for, in the audit and in the book; it returns the name of the run.
func (a *api) beginRun(ctx context.Context, verb, action string, spec any, entry bus.AuditEntry) (name string, err error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return "", err
	}
	entry.Verb, entry.Actor, entry.Via = verb+"-"+action, caller, via
	if err := a.bus.Audit(ctx, entry); err != nil {
		return "", err
	}
	book := runs.Open(a.bus)
	if err := forgetRuns(ctx, book, verb); err != nil {
		return "", err
	}
	now := time.Now().UTC()
	const distinct = 4 // characters that tell runs of one second apart
	name = fmt.Sprintf("%s-%s-%s", action, now.Format("20060102-150405"), strings.ToLower(rand.Text()[:distinct]))
	_, err = book.Create(ctx, runs.Run{Verb: verb, Name: name, Spec: text, Total: entry.Count, Actor: caller})
	return name, err
}

// forgetRuns forgets what has ended long ago.
func forgetRuns(ctx context.Context, book *runs.Book, verb string) error {
	list, err := book.List(ctx, verb)
	if err != nil {
		return err
	}
	for i := range list {
		if r := &list[i]; r.Over() && time.Since(r.EndedAt) > keepRuns {
			if err := book.Forget(ctx, verb, r.Name); errors.Is(err, bus.ErrUnavailable) {
				return err
			}
		}
	}
	return nil
}

// serveRuns works on what was asked for, here or in a process that has died, until ctx ends.
func serveRuns(ctx context.Context, b *bus.Bus, verb string, work func(ctx context.Context, job *runs.Job) error) {
	// Serve returns nothing but nil, when ctx has ended.
	_ = runs.Open(b).Serve(ctx, verb, worker(), work)
}

// repair works on what was asked for about dead letters, until ctx ends.
func repair(ctx context.Context, b *bus.Bus) {
	serveRuns(ctx, b, repairVerb, func(ctx context.Context, job *runs.Job) error { return repairRun(ctx, b, job) })
}

// repairRun does one run from where it stands.
func repairRun(ctx context.Context, b *bus.Bus, job *runs.Job) error {
	var spec repairSpec
	return workOn(ctx, job, &spec, func(r *runs.Run, tell func(position, done uint64) error) (position, done uint64, err error) {
		desk := &letters.Desk{Bus: b, Actor: cmp.Or(r.Actor, caller), Via: via}
		do := desk.Redrive
		if spec.Action == actionDiscard {
			do = desk.Discard
		}
		p, err := do(ctx, letters.Work{
			Selection: spec.Selection, After: r.Position, Through: spec.Through, Rate: spec.Rate,
			Progress: func(p letters.Progress) error { return tell(p.Position, p.Done+p.Again) },
		})
		// One that is asked for by its number and gone meanwhile is done.
		if errors.Is(err, letters.ErrNoLetter) {
			err = nil
		}
		return p.Position, p.Done + p.Again, err
	})
}

// workOn reads what a run was asked for, has it done from where it stands, and notes how far it is: now and then, and at last.
func workOn(
	ctx context.Context, job *runs.Job, spec any, do func(r *runs.Run, tell func(position, done uint64) error) (position, done uint64, err error),
) error {
	r := job.Run()
	if err := json.Unmarshal(r.Spec, spec); err != nil {
		return fmt.Errorf("run %s: %w", r.Name, err)
	}
	save := func(position, done uint64) error {
		return job.Save(ctx, func(now *runs.Run) { now.Position, now.Done = position, r.Done+done })
	}
	saved := time.Now()
	position, done, err := do(&r, func(position, done uint64) error {
		if time.Since(saved) < saveInterval {
			return context.Cause(ctx)
		}
		saved = time.Now()
		return save(position, done)
	})
	if ctx.Err() == nil {
		err = errors.Join(err, save(position, done))
	}
	return err
}

// listRuns answers with what was asked for here.
func (a *api) listRuns(verb string) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := newQuery(r).done(); err != nil {
			return err
		}
		if a.bus == nil {
			return errNoBroker
		}
		list, err := runs.Open(a.bus).List(r.Context(), verb)
		if err != nil {
			return err
		}
		return respondOnce(w, r, RepairRuns{convert(list, newRepairRun)})
	}
}

// cancelRun stops a run.
func (a *api) cancelRun(verb string) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := readBody(w, r, &Nothing{}); err != nil {
			return err
		}
		if a.bus == nil {
			return errNoBroker
		}
		run, err := runs.Open(a.bus).Ask(r.Context(), verb, r.PathValue("run"), runs.Cancel)
		if err != nil {
			return err
		}
		if err := a.bus.Audit(r.Context(), bus.AuditEntry{Verb: verb + "-cancel", Actor: caller, Via: via, Target: "run " + run.Name, Count: run.Done}); err != nil {
			return err
		}
		return respondOnce(w, r, RepairRunAnswer{newRepairRun(run)})
	}
}

func newRepairRun(r runs.Run) RepairRun {
	action, filter := whatRuns(r)
	return RepairRun{
		Name: r.Name, Action: action, Filter: filter, State: string(r.State), Done: int(r.Done), Total: int(r.Total),
		CreatedAt: r.CreatedAt, EndedAt: timeOrNull(r.EndedAt), Error: orNull(r.Error),
	}
}

// whatRuns is what a run does, and with what. It is we who wrote its spec.
func whatRuns(r runs.Run) (action, filter string) {
	if r.Verb == heldVerb {
		var spec heldSpec
		_ = json.Unmarshal(r.Spec, &spec)
		return string(spec.Decision), spec.Selection.String()
	}
	var spec repairSpec
	_ = json.Unmarshal(r.Spec, &spec)
	return spec.Action, spec.Selection.String()
}
