package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/letters"
	"github.com/verdict-stream/verdict/pkg/provider"
)

type deadDiscardCommand struct {
	deadSelection
	Reason string `help:"Why, for the audit. Without personal data." placeholder:"TEXT"`
}

// Help is shown by `verdict dead discard --help`.
func (*deadDiscardCommand) Help() string {
	return `Gives messages up for good. A delivery stays dead, with its cause; its letter is taken out, and the
message is kept until its time is over. Without --yes it counts, and changes nothing.

Examples:
  verdict dead discard 17 --reason "sent by a broken test system" --yes
  verdict dead discard --provider idenfy --until 72h --reason "too old to matter"`
}

// Run discards, or says what it would.
func (cmd *deadDiscardCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	selection := cmd.selection()
	if err := selection.Check(); err != nil {
		return deadNext(err)
	}
	if err := letters.CheckReason(cmd.Reason); err != nil {
		return fmt.Errorf("--reason: %w", err)
	}
	ctx, o, desk, stop, err := openDesk(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	if err := cmd.check(o); err != nil {
		return err
	}
	plan, err := desk.Plan(ctx, selection)
	if err != nil {
		return deadNext(err)
	}
	result := deadResult{DryRun: !cmd.Yes, Plan: plan}
	if !cmd.Yes {
		if cmd.JSON {
			return writeIndented(out, result)
		}
		writePlan(out, "Would discard", selection, plan, false)
		fmt.Fprintln(out, "Nothing was changed: --yes does it.")
		return nil
	}
	if err := o.audit(ctx, bus.AuditEntry{
		Verb: "dead-discard", Target: selectionTarget(selection), Filter: selection.String(), Count: plan.Matched, Note: cmd.Reason,
	}); err != nil {
		return err
	}
	report := newDeadProgress(plan.Matched)
	so, err := desk.Discard(ctx, letters.Work{Selection: selection, Through: plan.Through, Progress: report.tell})
	report.end(so)
	result.Discarded = so.Done
	if cmd.JSON {
		return errors.Join(deadNext(err), writeIndented(out, result))
	}
	fmt.Fprintf(out, "%d discarded\n", so.Done)
	return deadNext(err)
}
