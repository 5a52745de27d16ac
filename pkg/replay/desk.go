package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/runs"
)

// Desk is where replays are asked for, and worked on.
type Desk struct {
	Bus *bus.Bus
	// Via says who asks here, and so which runs are worked on here.
	Via string
	// Dir is where files are, which are then named without a path; empty lets them be anywhere.
	Dir string
	// Actor asks, Holder works.
	Actor, Holder string
	// patience is that of endpoints; the zero value means retryPatience.
	patience time.Duration
}

// Create notes a run that waits for its worker. Of two that are created for one target at the same time, one or both are refused. Errors: those
// of Plan, runs.ErrName, runs.ErrExists.
func (d *Desk) Create(ctx context.Context, name string, plan Plan) (runs.Run, error) {
	if err := d.free(ctx, name); err != nil {
		return runs.Run{}, err
	}
	// Planning takes time: another may have been created since.
	if err := d.overlaps(ctx, plan.Spec.Target, name); err != nil {
		return runs.Run{}, err
	}
	spec, err := json.Marshal(plan.Spec)
	if err != nil {
		return runs.Run{}, fmt.Errorf("create replay: %w", err)
	}
	run, err := d.book().Create(ctx, runs.Run{
		Verb: Verb, Name: name, Spec: spec, Total: plan.Events, Position: plan.Spec.From - 1, Actor: d.Actor,
	})
	if err != nil {
		return run, err
	}
	if err := d.overlaps(ctx, plan.Spec.Target, name); err != nil {
		return runs.Run{}, errors.Join(err, d.withdraw(ctx, name))
	}
	return run, d.audit(ctx, run, "begun")
}

// withdraw takes a run back that has just been created. Where a worker has taken it by now, that one ends it and it stays in the book.
func (d *Desk) withdraw(ctx context.Context, name string) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer stop()
	run, err := d.book().Ask(ctx, Verb, name, runs.Cancel)
	if err != nil || !run.Over() {
		return err
	}
	return d.book().Forget(ctx, Verb, name)
}

// free refuses a name that is taken. Errors: runs.ErrName, runs.ErrExists.
func (d *Desk) free(ctx context.Context, name string) error {
	if err := runs.CheckName(name); err != nil {
		return err
	}
	known, err := d.book().Get(ctx, Verb, name)
	if err == nil {
		return fmt.Errorf("replay %s: %w, and it is %s: choose another name, or %s", name, runs.ErrExists, known.State, whatToDo(known))
	}
	if !errors.Is(err, runs.ErrUnknown) {
		return err
	}
	there, err := d.Bus.HasReplayStream(ctx, name)
	if err == nil && there {
		err = fmt.Errorf("replay %s: %w: its stream %s is still there; remove it, or choose another name", name, runs.ErrExists, bus.ReplayStream(name))
	}
	return err
}

func whatToDo(r runs.Run) string {
	switch r.State {
	case runs.Done, runs.Canceled:
		return "forget it first"
	case runs.Running:
		return "cancel and forget it first"
	default:
		return "resume it, or cancel and forget it first"
	}
}

// Check returns what Create would refuse a name for.
func (d *Desk) Check(ctx context.Context, name string) error { return d.free(ctx, name) }

// Get returns a run. Errors: runs.ErrUnknown.
func (d *Desk) Get(ctx context.Context, name string) (runs.Run, error) {
	return d.book().Get(ctx, Verb, name)
}

// List returns all runs, by when they were created.
func (d *Desk) List(ctx context.Context) ([]runs.Run, error) { return d.book().List(ctx, Verb) }

// Pause asks the worker to stop for now. Errors: runs.ErrUnknown, runs.ErrOver.
func (d *Desk) Pause(ctx context.Context, name string) (runs.Run, error) {
	return d.ask(ctx, name, runs.Pause, "paused")
}

// Resume has a run wait for a worker again; one that runs is asked to go on running. Errors: runs.ErrUnknown, runs.ErrOver.
func (d *Desk) Resume(ctx context.Context, name string) (runs.Run, error) {
	return d.ask(ctx, name, runs.Resume, "resumed")
}

// Cancel ends a run for good. Where a worker has it, he removes what it has made and then ends it; else that is done here. Errors:
// runs.ErrUnknown, runs.ErrOver.
func (d *Desk) Cancel(ctx context.Context, name string) (runs.Run, error) {
	run, err := d.ask(ctx, name, runs.Cancel, "canceled")
	if err != nil || run.State != runs.Canceled {
		return run, err
	}
	return run, d.discard(ctx, run)
}

func (d *Desk) ask(ctx context.Context, name, wanted, note string) (runs.Run, error) {
	run, err := d.book().Ask(ctx, Verb, name, wanted)
	if err != nil {
		return run, err
	}
	return run, d.audit(ctx, run, note)
}

// Forget removes a run that has ended from the book, and the stream that it has filled. A file stays. Errors: runs.ErrUnknown, runs.ErrNotOver.
func (d *Desk) Forget(ctx context.Context, name string) error {
	run, err := d.Get(ctx, name)
	if err != nil {
		return err
	}
	if !run.Over() && run.State != runs.Failed {
		return fmt.Errorf("replay %s: %w: it is %s; cancel it first", name, runs.ErrNotOver, run.State)
	}
	if err := d.discard(ctx, run); err != nil {
		return err
	}
	if err := d.book().Forget(ctx, Verb, name); err != nil {
		return err
	}
	return d.audit(ctx, run, "forgotten")
}

// discard removes what a run has made: its stream, and what of a file is not whole.
func (d *Desk) discard(ctx context.Context, run runs.Run) error {
	spec, err := SpecOf(run)
	if err != nil || !DetailOf(run).Begun {
		return err
	}
	path, isFile := strings.CutPrefix(spec.Target, filePrefix)
	switch {
	case spec.Target == TargetStream:
		return d.Bus.DropReplayStream(ctx, run.Name)
	case isFile && run.State != runs.Done:
		// Another run may write to the same name by now.
		if err := d.overlaps(ctx, spec.Target, run.Name); errors.Is(err, ErrOverlap) {
			return nil
		}
		return removePart(path)
	}
	return nil
}

// Leftover names what a run that was cancelled has left where this process cannot see it, empty where nothing is.
func (d *Desk) Leftover(run runs.Run) string {
	spec, err := SpecOf(run)
	path, isFile := strings.CutPrefix(spec.Target, filePrefix)
	detail := DetailOf(run)
	if err != nil || !isFile || !detail.Begun || run.State == runs.Done || detail.Host == host() {
		return ""
	}
	return fmt.Sprintf("%s%s on %s", path, partSuffix, detail.Host)
}

func host() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

func (d *Desk) audit(ctx context.Context, run runs.Run, note string) error {
	spec, err := SpecOf(run)
	if err != nil {
		return err
	}
	return d.Bus.Audit(ctx, bus.AuditEntry{
		Verb: Verb, Actor: d.Actor, Via: d.Via, Target: "replay " + run.Name + " to " + spec.Target,
		Filter: spec.String(), Count: run.Total, Note: note,
	})
}

// String says which events are meant, for people and the audit.
func (s *Spec) String() string {
	text := fmt.Sprintf("%s %d-%d", s.Stream, s.From, s.Through)
	if chosen := s.Filter.String(); chosen != "" {
		text += " " + chosen
	}
	return text
}
