package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/runs"
	"github.com/verdict-stream/verdict/services/lifecycle"
)

type reprocessListCommand struct {
	JSON bool `name:"json" help:"Print the list as JSON."`
}

// Help is shown by `verdict reprocess list --help`.
func (*reprocessListCommand) Help() string {
	return `Lists the runs, the oldest first, and how far they are or how they ended.

Example:
  verdict reprocess list --json`
}

// Run lists the runs.
func (cmd *reprocessListCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, o, stop, err := attend(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	return o.listRuns(ctx, out, cmd.JSON, func(r runs.Run) string {
		if r.State == runs.Failed {
			return r.Error
		}
		return reprocessProgress(r)
	}, lifecycle.VerbReprocess)
}

type reprocessStatusCommand struct {
	Name string `arg:"" help:"The run, as list shows it."`
	JSON bool   `name:"json" help:"Print it as JSON."`
}

// Help is shown by `verdict reprocess status --help`.
func (*reprocessStatusCommand) Help() string {
	return `Shows how far a run is, or how it ended.

Example:
  verdict reprocess status idenfy`
}

// Run shows the run.
func (cmd *reprocessStatusCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, o, stop, err := attend(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	r, err := runs.Open(o.bus).Get(ctx, lifecycle.VerbReprocess, cmd.Name)
	if err != nil {
		return unknownReprocess(err)
	}
	if cmd.JSON {
		return writeIndented(out, r)
	}
	text := reprocessProgress(r)
	switch {
	case r.State == runs.Failed:
		text = "failed: " + r.Error
	case r.Over():
		text = reprocessEnd(r)
	}
	_, err = fmt.Fprintln(out, text)
	return err
}

type reprocessNamed struct {
	Name string `arg:"" help:"The run, as list shows it."`
}

type reprocessPauseCommand struct{ reprocessNamed }

// Help is shown by `verdict reprocess pause --help`.
func (*reprocessPauseCommand) Help() string {
	return `Has a run wait where it is. Resume has it go on.

Example:
  verdict reprocess pause idenfy`
}

// Run pauses the run.
func (cmd *reprocessPauseCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	return cmd.ask(out, flags, providers, runs.Pause, runs.Paused)
}

type reprocessResumeCommand struct{ reprocessNamed }

// Help is shown by `verdict reprocess resume --help`.
func (*reprocessResumeCommand) Help() string {
	return `Has a run go on that is paused or has failed.

Example:
  verdict reprocess resume idenfy`
}

// Run resumes the run.
func (cmd *reprocessResumeCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	return cmd.ask(out, flags, providers, runs.Resume, "")
}

type reprocessCancelCommand struct{ reprocessNamed }

// Help is shown by `verdict reprocess cancel --help`.
func (*reprocessCancelCommand) Help() string {
	return `Ends a run. What it has emitted stays: those verifications are as the new version reads them.

Example:
  verdict reprocess cancel idenfy`
}

// Run cancels the run.
func (cmd *reprocessCancelCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	return cmd.ask(out, flags, providers, runs.Cancel, runs.Canceled)
}

type reprocessForgetCommand struct{ reprocessNamed }

// Help is shown by `verdict reprocess forget --help`.
func (*reprocessForgetCommand) Help() string {
	return `Takes a run off the list that has ended.

Example:
  verdict reprocess forget idenfy`
}

// Run forgets the run.
func (cmd *reprocessForgetCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, o, stop, err := attend(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	if err := runs.Open(o.bus).Forget(ctx, lifecycle.VerbReprocess, cmd.Name); err != nil {
		return unknownReprocess(err)
	}
	_, err = fmt.Fprintf(out, "%s is forgotten\n", cmd.Name)
	return err
}

// ask asks something of a run, and waits until it is so; an empty state is not waited for.
func (n *reprocessNamed) ask(out io.Writer, flags *settingFlags, providers []provider.Provider, wanted string, until runs.State) error {
	ctx, o, stop, err := attend(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	r, err := o.ask(ctx, lifecycle.VerbReprocess, n.Name, wanted, until)
	if errors.Is(err, errLeft) {
		return errors.New("it was asked to, and will")
	}
	if err != nil {
		return unknownReprocess(err)
	}
	_, err = fmt.Fprintf(out, "%s is %s\n", n.Name, r.State)
	return err
}

// unknownReprocess says where the names of runs are.
func unknownReprocess(err error) error {
	if errors.Is(err, runs.ErrUnknown) {
		return fmt.Errorf("%w: see `verdict reprocess list`", err)
	}
	return err
}
