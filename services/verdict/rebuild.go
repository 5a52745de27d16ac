package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/alecthomas/kong"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/runs"
	"github.com/verdict-stream/verdict/services/lifecycle"
	"github.com/verdict-stream/verdict/services/projector"
)

type rebuildCommand struct {
	Readmodel rebuildReadModelCommand `cmd:"" name:"readmodel" help:"Make the read model anew beside the one in use, and switch."`
	State     rebuildStateCommand     `cmd:"" help:"Make the lifecycle's state anew beside the one in use, and switch."`
	Status    rebuildStatusCommand    `cmd:"" help:"List rebuilds, and how far they are."`
	Cancel    rebuildCancelCommand    `cmd:"" help:"Cancel a rebuild."`
	DropOld   rebuildDropOldCommand   `cmd:"" name:"drop-old" help:"Remove the read models that were in use before."`
	Settings  kong.Plugins            `embed:""`
}

// Help is shown by `verdict rebuild --help`.
func (*rebuildCommand) Help() string {
	return `Tables are made from the streams, and can be made anew from them: after something went wrong in them,
or because somebody wants to be sure. It happens beside the ones in use while everything goes on, and
they are only put in their place when both are the same.

Examples:
  verdict rebuild readmodel --plan
  verdict rebuild readmodel
  verdict rebuild status
  verdict rebuild drop-old`
}

// rebuildVerbs are those of the runs that rebuild something.
var rebuildVerbs = []string{projector.RebuildVerb, lifecycle.VerbRebuildState}

// begin asks for a run. One of that name that has ended makes room for it.
func (o *operator) begin(ctx context.Context, verb, name string, spec any) error {
	text, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	book := runs.Open(o.bus)
	known, err := book.Get(ctx, verb, name)
	switch {
	case errors.Is(err, runs.ErrUnknown):
	case err != nil:
		return err
	case known.Over() || known.State == runs.Failed:
		if err := book.Forget(ctx, verb, name); err != nil {
			return err
		}
	default:
		return underWay(known)
	}
	_, err = book.Create(ctx, runs.Run{Verb: verb, Name: name, Spec: text, Actor: o.actor})
	if errors.Is(err, runs.ErrExists) {
		if known, err = book.Get(ctx, verb, name); err == nil {
			err = underWay(known)
		}
	}
	if err != nil {
		return err
	}
	return o.audit(ctx, bus.AuditEntry{Verb: verb, Target: name, Note: string(text)})
}

func underWay(r runs.Run) error {
	return fmt.Errorf("%s is %s already, asked for by %s: follow it with `verdict rebuild status`, end it with `verdict rebuild cancel %s`", r.Name, r.State, r.Actor, r.Name)
}

// followRebuild tells how far a rebuild is until it has ended, and returns it. It fails where the rebuild does, or somebody leaves it.
func (o *operator) followRebuild(ctx context.Context, verb, name, worker string) (runs.Run, error) {
	r, err := o.follow(ctx, verb, name, worker, rebuildProgress)
	switch {
	case errors.Is(err, errLeft):
		return r, fmt.Errorf("%w: see `verdict rebuild status`", err)
	case err != nil || r.State == runs.Done:
		return r, err
	case r.State == runs.Canceled:
		return r, fmt.Errorf("%s was canceled: nothing of it is left", name)
	default:
		return r, fmt.Errorf("%s %s: %s", name, r.State, r.Error)
	}
}

// rebuildProgress says in a line how far a run is.
func rebuildProgress(r runs.Run) string {
	var detail projector.RebuildDetail
	if json.Unmarshal(r.Detail, &detail) != nil || r.State != runs.Running || detail.Phase == "" {
		return string(r.State)
	}
	line := string(detail.Phase)
	if r.Total == 0 {
		return line
	}
	line += fmt.Sprintf(": %d of %d messages read", r.Done, r.Total)
	if detail.Phase == projector.PhaseRead && detail.Rate > 0 && r.Total > r.Done {
		left := time.Duration(float64(r.Total-r.Done) / detail.Rate * float64(time.Second))
		line += fmt.Sprintf(", %.0f/s, %v left", detail.Rate, left.Round(time.Second))
	}
	return line
}
