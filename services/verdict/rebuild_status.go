package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/runs"
)

type rebuildStatusCommand struct {
	JSON bool `name:"json" help:"Print the list as JSON."`
}

// Help is shown by `verdict rebuild status --help`.
func (*rebuildStatusCommand) Help() string {
	return `Lists the last rebuild of each kind, how far it is or how it ended.

Examples:
  verdict rebuild status
  verdict rebuild status --json`
}

// Run lists the rebuilds.
func (cmd *rebuildStatusCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, o, stop, err := attend(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	list := newListing(out, cmd.JSON, "NAME\tSTATE\tASKED FOR BY\tAT\tPROGRESS")
	for _, verb := range rebuildVerbs {
		found, err := runs.Open(o.bus).List(ctx, verb)
		if err != nil {
			return err
		}
		for _, r := range found {
			progress := rebuildProgress(r)
			if r.State != runs.Running {
				progress = r.Error
			}
			list.row(r, "%s\t%s\t%s\t%s\t%s", r.Name, r.State, r.Actor, r.CreatedAt.UTC().Format(time.RFC3339), progress)
		}
	}
	return list.end(0)
}

type rebuildCancelCommand struct {
	Name string `arg:"" optional:"" default:"readmodel" help:"The rebuild, as status lists it."`
}

// Help is shown by `verdict rebuild cancel --help`.
func (*rebuildCancelCommand) Help() string {
	return `Cancels a rebuild. Everything that it made is removed; what is in use was never touched.

Examples:
  verdict rebuild cancel
  verdict rebuild cancel readmodel`
}

// Run cancels the rebuild, and waits until nothing of it is left.
func (cmd *rebuildCancelCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, o, stop, err := attend(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	book := runs.Open(o.bus)
	for _, verb := range rebuildVerbs {
		if _, err := book.Get(ctx, verb, cmd.Name); errors.Is(err, runs.ErrUnknown) {
			continue
		} else if err != nil {
			return err
		}
		r, err := book.Ask(ctx, verb, cmd.Name, runs.Cancel)
		if errors.Is(err, runs.ErrOver) {
			return fmt.Errorf("%s cannot be canceled: it is %s", cmd.Name, r.State)
		}
		if err != nil {
			return err
		}
		if err := o.audit(ctx, bus.AuditEntry{Verb: verb, Target: cmd.Name, Note: "cancel"}); err != nil {
			return err
		}
		for !r.Over() {
			select {
			case <-ctx.Done():
				return errors.New("it was asked to end, and will")
			case <-time.After(followInterval):
			}
			if r, err = book.Get(ctx, verb, cmd.Name); err != nil {
				return err
			}
			if r.State == runs.Failed {
				break
			}
			// Who died before he was asked will never answer.
			if r.State == runs.Running && time.Now().After(r.HeldUntil) {
				if r, err = book.Ask(ctx, verb, cmd.Name, runs.Cancel); err != nil && !errors.Is(err, runs.ErrOver) {
					return err
				}
			}
		}
		if r.State == runs.Done {
			return fmt.Errorf("%s could not be canceled any more: it is done", cmd.Name)
		}
		_, err = fmt.Fprintf(out, "%s is %s\n", cmd.Name, r.State)
		return err
	}
	return fmt.Errorf("there is no rebuild %q: see `verdict rebuild status`", cmd.Name)
}
