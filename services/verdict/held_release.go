package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/held"
	"github.com/verdict-stream/verdict/pkg/letters"
	"github.com/verdict-stream/verdict/pkg/provider"
)

// heldSelection is some that are named, those of a filter, or all.
type heldSelection struct {
	Held []string `arg:"" optional:"" help:"The numbers that the list shows, or ids of deliveries."`
	heldFilter
	All  bool `help:"All, where there is no filter."`
	Yes  bool `help:"Do it also where no numbers are given. Otherwise say how many that would be, and change nothing."`
	JSON bool `name:"json" help:"Print the result as JSON."`
}

type heldReleaseCommand struct {
	heldSelection
	Rate float64 `default:"100" help:"How many a second at most."`
}

// Help is shown by `verdict held release --help`.
func (*heldReleaseCommand) Help() string {
	return `Lets held deliveries go on their way, sealed as they are, as if they had been accepted: they are folded
and end as any other. In the list of deliveries the held one becomes a repeat of the accepted one of the
same id, with the cause released. To release twice does no harm. What cannot be released, such as the
handshake of an endpoint, is counted and stays; where it is named, nothing is released at all.

No more than --rate a second are released. Ctrl-C stops it there, and the same command goes on with the rest.

Examples:
  verdict held release 3 5
  verdict held release --provider treezor --event kycreview_result
      Say how many that would be; --yes does it.`
}

// Run releases.
func (cmd *heldReleaseCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	if cmd.Rate <= 0 || math.IsNaN(cmd.Rate) {
		return errors.New("--rate must be more than 0")
	}
	return cmd.decide(out, flags, providers, heldDecision{what: held.Release, past: "released", rate: cmd.Rate})
}

type heldDiscardCommand struct {
	heldSelection
	Reason string `help:"Why, for the audit. Without personal data." placeholder:"TEXT"`
}

// Help is shown by `verdict held discard --help`.
func (*heldDiscardCommand) Help() string {
	return `Gives held deliveries up. Their outcome is dead, with the cause discarded, and their bodies are gone.

Examples:
  verdict held discard 4 --reason "nobody asked for this endpoint"
  verdict held discard --all --reason "load test" --yes`
}

// Run discards.
func (cmd *heldDiscardCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	if err := letters.CheckReason(cmd.Reason); err != nil {
		return fmt.Errorf("--reason: %w", err)
	}
	return cmd.decide(out, flags, providers, heldDecision{what: held.Discard, past: "discarded", note: cmd.Reason})
}

// heldDecision is what is done with held deliveries, how that is called when it is done, and why.
type heldDecision struct {
	what       held.Decision
	past, note string
	rate       float64 // 0 is as many as there can be
}

// heldResult is what a decision has come to, as JSON. What cannot be done stays held.
type heldResult struct {
	DryRun bool `json:"dry_run"`
	held.Plan
	Done   uint64 `json:"done"`
	Passed uint64 `json:"passed"`
}

// decide decides about everything that is selected, or says what that would be. What is named and cannot be done is an error before
// anything is.
func (s *heldSelection) decide(out io.Writer, flags *settingFlags, providers []provider.Provider, d heldDecision) error {
	selection := held.Selection{Held: make([]uint64, len(s.Held)), Filter: s.filter(), All: s.All}
	if err := selection.Check(); err != nil {
		return err
	}
	ctx, o, desk, stop, err := openHeld(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	if err := s.check(o); err != nil {
		return err
	}
	if selection.Held, err = findHeld(ctx, desk, s.Held); err != nil {
		return err
	}
	r := heldResult{DryRun: len(selection.Held) == 0 && !s.Yes}
	if r.Plan, err = desk.Plan(ctx, d.what, selection); err != nil {
		return heldNext(err)
	}
	possible := r.Possible(d.what)
	if !r.DryRun {
		if possible == 0 {
			r.writePlan(os.Stderr, selection, d)
			return fmt.Errorf("none of them can be %s", d.past)
		}
		entry := bus.AuditEntry{
			Verb: "held-" + string(d.what), Target: "held deliveries", Filter: cut(selection.String(), maxReasonShown), Count: possible, Note: d.note,
		}
		if err := o.audit(ctx, entry); err != nil {
			return err
		}
		report := newDeadProgress(possible)
		so, failed := desk.Work(ctx, held.Work{
			Decision: d.what, Selection: selection, Through: r.Through, Rate: d.rate,
			Progress: func(so held.Progress) error { return report.tell(letters.Progress{Done: so.Done}) },
		})
		report.end(letters.Progress{Done: so.Done})
		r.Done, r.Passed, err = so.Done, so.Passed, heldNext(failed)
	}
	switch {
	case s.JSON:
		err = errors.Join(err, writeIndented(out, r))
	case r.DryRun:
		r.writePlan(out, selection, d)
		if d.rate > 0 {
			fmt.Fprintf(out, "At %g a second that takes %v. ", d.rate, estimate(possible, d.rate))
		}
		fmt.Fprintln(out, "Nothing was changed: --yes does it.")
	default:
		fmt.Fprintf(out, "%d %s, %d cannot be\n", r.Done, d.past, r.Passed)
	}
	return err
}

const maxReasonShown = 200

// writePlan says what a decision comes to.
func (r *heldResult) writePlan(out io.Writer, s held.Selection, d heldDecision) {
	fmt.Fprintf(out, "Would %s %d of %d held deliveries (%s), held since %s to %s\n",
		d.what, r.Possible(d.what), r.Matched, &s, r.Oldest.UTC().Format(time.RFC3339), r.Newest.UTC().Format(time.RFC3339))
	for _, c := range r.Events {
		fmt.Fprintf(out, "  %s: %d\n", c.Name, c.Count)
	}
	for _, c := range r.Obstacles {
		fmt.Fprintf(out, "  %d cannot be released: %s\n", c.Count, c.Name)
	}
}

// harmless is a text of strangers without what a terminal would obey.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return '\uFFFD'
		}
		return r
	}, text)
}
