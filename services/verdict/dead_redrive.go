package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/letters"
	"github.com/verdict-stream/verdict/pkg/provider"
)

type deadRedriveCommand struct {
	deadSelection
	Unhandled bool    `help:"Deliveries that told of nothing in place of letters, for a provider folder that has learnt them since."`
	Rate      float64 `default:"100" help:"How many a second at most."`
}

// Help is shown by `verdict dead redrive --help`.
func (*deadRedriveCommand) Help() string {
	return `Has the consumers that gave messages up handle them once more. What goes well then has no letter any
more; what fails again has a new one. Without --yes it counts, and changes nothing.

No more than --rate messages a second are redriven, and only a few at a time wait for their
consumer: Ctrl-C stops it there, and the same command goes on with the rest. To redrive twice does
no harm. The exit status is 0 only if nothing was given up again.

Examples:
  verdict dead redrive 17 --yes
  verdict dead redrive --provider idenfy --cause undecodable
      Say how many that would be.
  verdict dead redrive --all --rate 500 --yes
  verdict dead redrive --unhandled --provider treezor --yes`
}

// deadResult is what a command has come to, as JSON.
type deadResult struct {
	DryRun bool `json:"dry_run"`
	letters.Plan
	// Asked counts what was asked for, Already what had just been asked for before, Passed what cannot be redriven, and Again what
	// was given up once more.
	Asked     uint64 `json:"asked"`
	Already   uint64 `json:"already"`
	Passed    uint64 `json:"passed"`
	Again     uint64 `json:"given_up_again"`
	Discarded uint64 `json:"discarded"`
}

// Run redrives, or says what it would.
func (cmd *deadRedriveCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	if cmd.Rate <= 0 || math.IsNaN(cmd.Rate) {
		return errors.New("--rate must be more than 0")
	}
	selection := cmd.selection()
	selection.Unhandled = cmd.Unhandled
	if err := selection.Check(); err != nil {
		return deadNext(err)
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
		writePlan(out, "Would redrive", selection, plan, true)
		fmt.Fprintf(out, "At %g a second that takes %v. Nothing was changed: --yes does it.\n", cmd.Rate, estimate(plan.Redrivable, cmd.Rate))
		return nil
	}
	if plan.Redrivable == 0 {
		writePlan(os.Stderr, "Can redrive", selection, plan, true)
		return errors.New("none of them can be redriven")
	}
	if err := o.audit(ctx, bus.AuditEntry{Verb: "dead-redrive", Target: selectionTarget(selection), Filter: selection.String(), Count: plan.Redrivable}); err != nil {
		return err
	}
	err = cmd.redrive(ctx, desk, selection, &result)
	if cmd.JSON {
		err = errors.Join(err, writeIndented(out, result))
	} else {
		fmt.Fprintf(out, "%d asked for, %d just before, %d cannot be redriven, %d given up again\n", result.Asked, result.Already, result.Passed, result.Again)
	}
	return err
}

// redrive asks for all that was planned and waits until it is done.
func (cmd *deadRedriveCommand) redrive(ctx context.Context, desk *letters.Desk, s letters.Selection, result *deadResult) error {
	report := newDeadProgress(result.Redrivable)
	so, err := desk.Redrive(ctx, letters.Work{Selection: s, Through: result.Through, Rate: cmd.Rate, Progress: report.tell})
	result.Asked, result.Already, result.Passed = so.Done, so.Again, so.Passed
	report.end(so)
	if err != nil {
		return deadNext(err)
	}
	if result.Again, err = desk.Settle(ctx, s, result.Plan); err != nil {
		return deadNext(err)
	}
	if result.Again > 0 {
		return fmt.Errorf("%d were given up once more; `verdict dead list` says why", result.Again)
	}
	return nil
}

// selectionTarget names what a selection is about, for the audit.
func selectionTarget(s letters.Selection) string {
	switch {
	case s.Letter > 0:
		return fmt.Sprintf("dead letter %d", s.Letter)
	case s.Unhandled:
		return "deliveries that told of nothing"
	default:
		return "dead letters"
	}
}

func estimate(n uint64, perSecond float64) time.Duration {
	return time.Duration(float64(n) / perSecond * float64(time.Second)).Round(time.Second)
}

// deadProgress tells on standard error how far it is.
type deadProgress struct {
	total    uint64
	every    time.Duration
	last     time.Time
	terminal bool
}

func newDeadProgress(total uint64) *deadProgress {
	p := &deadProgress{total: total, every: progressElsewhere, last: time.Now()}
	if onTerminal(os.Stderr) {
		p.every, p.terminal = progressOnTerminal, true
	}
	return p
}

func (p *deadProgress) tell(so letters.Progress) error {
	if time.Since(p.last) >= p.every {
		p.last = time.Now()
		p.write(so)
	}
	return nil
}

func (p *deadProgress) write(so letters.Progress) {
	waits := ""
	if so.Waits != "" {
		waits = ", waiting for " + so.Waits
	}
	if p.terminal {
		fmt.Fprintf(os.Stderr, "\r\x1b[K%d of %d%s", so.Done+so.Again, p.total, waits)
		return
	}
	fmt.Fprintf(os.Stderr, "%d of %d%s\n", so.Done+so.Again, p.total, waits)
}

func (p *deadProgress) end(so letters.Progress) {
	if p.terminal {
		p.write(so)
		fmt.Fprintln(os.Stderr)
	}
}
