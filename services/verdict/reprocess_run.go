package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/runs"
	"github.com/verdict-stream/verdict/services/lifecycle"
)

type reprocessRunCommand struct {
	reprocessSelection
	Name   string `help:"Name of the run, 1 to 32 lower-case letters, digits and hyphens; otherwise that of the provider."`
	Rate   int    `help:"How many deliveries are read, and verifications written, in a second at most; otherwise as fast as it goes." placeholder:"N"`
	Detach bool   `help:"Do not wait for it."`
}

// Help is shown by `verdict reprocess run --help`.
func (*reprocessRunCommand) Help() string {
	return `Makes the plan, shows it, and has the lifecycle of the provider carry it out: each verification takes over all
that its deliveries say now at once, and every signal that says something else than before makes one event.
Deliveries that were unhandled or dead and are applied now have that outcome, and their dead letters are
closed. Live deliveries go on meanwhile; those that came after the plan are read by the new version anyway.

The running lifecycle must be of the version that makes the plan. Ctrl-C leaves the run going on; a
lifecycle that is killed goes on with it at its next start. What a run that is canceled has emitted stays.

Examples:
  verdict reprocess run --provider idenfy
  verdict reprocess run --provider idenfy --rate 200 --detach
  verdict reprocess run --verification idenfy/id_verification/3af0b5c9`
}

// Run plans, asks for the run, and follows it.
func (cmd *reprocessRunCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	spec, err := cmd.spec(providers)
	if err != nil {
		return err
	}
	if cmd.Rate < 0 {
		return errors.New("--rate must be more than 0")
	}
	name := cmd.Name
	if name == "" {
		name = spec.Provider
	}
	if err := runs.CheckName(name); err != nil {
		return fmt.Errorf("--name: %w", err)
	}
	ctx, o, stop, err := attend(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	if err := o.idleLifecycle(ctx, spec.Provider); err != nil {
		return err
	}
	plan, err := o.planReprocess(ctx, spec, cmd.Limit, cmd.JSON)
	if err != nil {
		return err
	}
	if !cmd.JSON {
		if err := writeReprocessPlan(out, plan); err != nil {
			return err
		}
	}
	if plan.Empty() {
		return errors.New("nothing would change: nothing was done")
	}
	plan.Spec.Rate = cmd.Rate
	if err := o.createReprocess(ctx, name, cmd.Name == "", plan); err != nil {
		return err
	}
	if cmd.Detach {
		_, err := fmt.Fprintf(out, "The run was asked for: see `verdict reprocess status %s`\n", name)
		return err
	}
	r, err := o.followReprocess(ctx, name)
	if err != nil {
		return err
	}
	if cmd.JSON {
		return writeIndented(out, r)
	}
	_, err = fmt.Fprintln(out, reprocessEnd(r))
	return err
}

// idleLifecycle refuses to ask for work on a provider's state while other work on it is not over.
func (o *operator) idleLifecycle(ctx context.Context, name string) error {
	for verb, command := range map[string]string{lifecycle.VerbReprocess: "reprocess", lifecycle.VerbRebuildState: "rebuild"} {
		list, err := runs.Open(o.bus).List(ctx, verb)
		if err != nil {
			return err
		}
		for _, r := range list {
			var spec lifecycle.RebuildStateSpec
			if r.Over() || json.Unmarshal(r.Spec, &spec) != nil || spec.Provider != name {
				continue
			}
			if verb == lifecycle.VerbRebuildState && r.State == runs.Failed {
				continue // Nothing of it is left.
			}
			return fmt.Errorf("the run %s about %s is %s: let it end, or `verdict %s cancel %s`", r.Name, name, r.State, command, r.Name)
		}
	}
	return nil
}

// createReprocess asks for a run. One that has ended makes room for it where nobody has chosen the name.
func (o *operator) createReprocess(ctx context.Context, name string, replace bool, plan *lifecycle.ReprocessPlan) error {
	spec, err := json.Marshal(plan.Spec)
	if err != nil {
		return err
	}
	book := runs.Open(o.bus)
	if replace {
		if err := book.Forget(ctx, lifecycle.VerbReprocess, name); err != nil && !errors.Is(err, runs.ErrUnknown) && !errors.Is(err, runs.ErrNotOver) {
			return err
		}
	}
	if _, err := book.Create(ctx, runs.Run{Verb: lifecycle.VerbReprocess, Name: name, Spec: spec, Actor: o.actor}); err != nil {
		return fmt.Errorf("%w: choose another --name, or `verdict reprocess forget %s`", err, name)
	}
	return o.audit(ctx, bus.AuditEntry{Verb: lifecycle.VerbReprocess, Target: name, Filter: string(spec), Count: plan.Changed})
}

// followReprocess tells how far a run is until it has ended.
func (o *operator) followReprocess(ctx context.Context, name string) (runs.Run, error) {
	r, err := o.follow(ctx, lifecycle.VerbReprocess, name, "the provider's lifecycle", reprocessProgress)
	switch {
	case errors.Is(err, errLeft):
		return r, fmt.Errorf("%w: see `verdict reprocess list`", err)
	case err != nil || r.State == runs.Done:
		return r, err
	case r.State == runs.Failed:
		return r, fmt.Errorf("%s has failed: %s", name, r.Error)
	default:
		return r, fmt.Errorf("%s is %s; what it has emitted stays", name, r.State)
	}
}

// reprocessProgress says in a line how far a run is.
func reprocessProgress(r runs.Run) string {
	var detail lifecycle.ReprocessDetail
	if json.Unmarshal(r.Detail, &detail) != nil || detail.Step == "" || r.State == runs.Waiting {
		return string(r.State)
	}
	line := fmt.Sprintf("%s: %s", r.State, detail.Step)
	if r.Total > 0 {
		line += fmt.Sprintf(" %d of %d", r.Done, r.Total)
		if gone := r.UpdatedAt.Sub(r.StartedAt); r.State == runs.Running && r.Done > 0 && r.Done < r.Total {
			left := time.Duration(float64(gone) / float64(r.Done) * float64(r.Total-r.Done))
			line += fmt.Sprintf(", %.0f/s, about %v left", float64(r.Done)/gone.Seconds(), left.Round(time.Second))
		}
	}
	return line + fmt.Sprintf("; %d verifications changed, %d events", detail.Changed, detail.Events)
}

// reprocessEnd says what a run has come to.
func reprocessEnd(r runs.Run) string {
	var detail lifecycle.ReprocessDetail
	_ = json.Unmarshal(r.Detail, &detail) // what cannot be read was never written
	return fmt.Sprintf("%s is %s: %s deliveries read; %d verifications changed, %d events.", r.Name, r.State, counted(detail.Deliveries), detail.Changed, detail.Events)
}
