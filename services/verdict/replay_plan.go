package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/replay"
)

type replayPlanCommand struct {
	replaySelection
	JSON bool `name:"json" help:"Print the plan as JSON."`
}

// Help is shown by `verdict replay plan --help`.
func (*replayPlanCommand) Help() string {
	return `Says how many events a replay would send, of which period, how much that is and about how long it takes.
Nothing is written, neither here nor at the broker, and no endpoint is asked.

Examples:
  verdict replay plan
  verdict replay plan --kind id_verification --status approved,rejected --since 720h
  verdict replay plan --from-sequence 100001 --to-sequence 200000 --to file:part2.ndjson
  verdict replay plan --applicant client-7 --json`
}

// Run prints the plan.
func (cmd *replayPlanCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, o, desk, stop, err := openReplay(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	request, err := cmd.request(o)
	if err != nil {
		return err
	}
	plan, err := desk.Plan(ctx, request, newCountProgress().tell)
	if err != nil {
		return replayNext(err)
	}
	if cmd.JSON {
		return writeIndented(out, plan)
	}
	return writeReplayPlan(out, plan)
}

func writeReplayPlan(out io.Writer, p replay.Plan) error {
	chosen := p.Spec.Filter.String()
	if chosen == "" {
		chosen = "everything"
	}
	limit := ""
	if p.Spec.Rate > 0 {
		limit = fmt.Sprintf(", %g a second at most", p.Spec.Rate)
	}
	_, err := fmt.Fprintf(out, "%s events of %s (%s)\nsequences %d to %d, stored %s to %s\nabout %s to %s\nabout %v%s\n",
		humanize.Comma(int64(p.Events)), p.Spec.Stream, chosen, p.Spec.From, p.Spec.Through, p.First.Format(time.RFC3339), p.Last.Format(time.RFC3339),
		humanize.IBytes(p.Bytes), p.Spec.Target, roughly(p.Seconds), limit)
	return err
}

// roughly is how long something takes, as precisely as an estimate is.
func roughly(seconds float64) time.Duration {
	took := time.Duration(seconds * float64(time.Second))
	if took < time.Minute {
		return took.Round(time.Second) + time.Second
	}
	return took.Round(time.Minute)
}

// countProgress tells on standard error how far the counting is, where that takes long.
type countProgress struct{ last time.Time }

func newCountProgress() *countProgress { return &countProgress{time.Now()} }

func (p *countProgress) tell(done, total uint64) {
	if time.Since(p.last) >= progressElsewhere {
		p.last = time.Now()
		fmt.Fprintf(os.Stderr, "counting: looked at %s of %s events\n", humanize.Comma(int64(done)), humanize.Comma(int64(total)))
	}
}
