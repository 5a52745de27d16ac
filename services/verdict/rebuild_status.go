package main

import (
	"errors"
	"fmt"
	"io"

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
	return o.listRuns(ctx, out, cmd.JSON, func(r runs.Run) string {
		if r.State == runs.Running {
			return rebuildProgress(r)
		}
		return r.Error
	}, rebuildVerbs...)
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
	for _, verb := range rebuildVerbs {
		r, err := o.ask(ctx, verb, cmd.Name, runs.Cancel, runs.Canceled)
		switch {
		case errors.Is(err, runs.ErrUnknown):
			continue
		case errors.Is(err, runs.ErrOver):
			return fmt.Errorf("%s cannot be canceled: it is %s", cmd.Name, r.State)
		case errors.Is(err, errLeft):
			return errors.New("it was asked to end, and will")
		case err != nil:
			return err
		case r.State == runs.Done:
			return fmt.Errorf("%s could not be canceled any more: it is done", cmd.Name)
		}
		_, err = fmt.Fprintf(out, "%s is %s\n", cmd.Name, r.State)
		return err
	}
	return fmt.Errorf("there is no rebuild %q: see `verdict rebuild status`", cmd.Name)
}
