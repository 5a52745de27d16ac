package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/runs"
	"github.com/verdict-stream/verdict/services/projector"
)

type rebuildReadModelCommand struct {
	Plan    bool `help:"Say what would be read, and do nothing."`
	Rate    int  `help:"How many messages are read in a second at most; otherwise as fast as it goes." placeholder:"N"`
	Accept  bool `help:"Take the new one into use also where it differs from the one before, and say what differs."`
	KeepNew bool `help:"Keep a new one that differs, to look into it, until drop-old."`
	Detach  bool `help:"Do not wait for it."`
	JSON    bool `name:"json" help:"Print the result as JSON."`
}

// Help is shown by `verdict rebuild readmodel --help`.
func (*rebuildReadModelCommand) Help() string {
	return `Makes all tables of the read model anew from the streams, beside the ones in use, in the process of the
projector. What no stream holds any more is taken over: deliveries and events that have expired or were
archived. Claims are sealed anew from the deliveries that are still kept; what was anonymized stays so.

Then all tables of both are compared by checksums, at one moment. If they are the same the new ones take the
place of the others, without an answer of the API failing; if not, nothing changes, and it is said what
differs. The ones before are kept, without claims, until ` + "`verdict rebuild drop-old`" + `.

Webhooks, events and questions go on all the while. Ctrl-C leaves it running; cancel leaves no trace. A
projector that is killed meanwhile begins anew at its next start.

Examples:
  verdict rebuild readmodel --plan
  verdict rebuild readmodel --rate 5000
      Leave the machine to the webhooks.
  verdict rebuild readmodel --accept
      Mend tables that are wrong.`
}

// rebuildPlan is what a rebuild would read.
type rebuildPlan struct {
	Messages uint64          `json:"messages"`
	Bytes    uint64          `json:"bytes"`
	Seconds  float64         `json:"seconds"`
	Streams  []rebuildStream `json:"streams"`
}

type rebuildStream struct {
	Stream   string    `json:"stream"`
	Messages uint64    `json:"messages"`
	Bytes    uint64    `json:"bytes"`
	First    uint64    `json:"first_sequence"`
	Last     uint64    `json:"last_sequence"`
	Since    time.Time `json:"since,omitzero"`
}

// usualRate is about what a rebuild reads in a second where nothing else is to be done.
const usualRate = 20_000

// Run asks for a rebuild and follows it.
func (cmd *rebuildReadModelCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	if cmd.Rate < 0 {
		return errors.New("--rate must be more than 0")
	}
	ctx, o, stop, err := attend(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	if cmd.Plan {
		return cmd.plan(ctx, o, out)
	}
	spec := projector.RebuildSpec{Rate: cmd.Rate, Accept: cmd.Accept, KeepNew: cmd.KeepNew}
	if err := o.begin(ctx, projector.RebuildVerb, projector.ReadModel, spec); err != nil {
		return err
	}
	if cmd.Detach {
		_, err := fmt.Fprintln(out, "The rebuild was asked for: see `verdict rebuild status`")
		return err
	}
	r, err := o.followRebuild(ctx, projector.RebuildVerb, projector.ReadModel, "a projector")
	if err != nil {
		return err
	}
	return cmd.report(r, out)
}

func (cmd *rebuildReadModelCommand) plan(ctx context.Context, o *operator, out io.Writer) error {
	var p rebuildPlan
	for _, stream := range projector.Streams {
		state, err := o.bus.StreamState(ctx, stream)
		if err != nil {
			return err
		}
		p.Messages, p.Bytes = p.Messages+state.Messages, p.Bytes+state.Bytes
		row := rebuildStream{Stream: stream, Messages: state.Messages, Bytes: state.Bytes, First: state.FirstSeq, Last: state.LastSeq}
		if state.Messages > 0 {
			row.Since = state.FirstTime.UTC()
		}
		p.Streams = append(p.Streams, row)
	}
	rate := cmd.Rate
	if rate == 0 {
		rate = usualRate
	}
	p.Seconds = float64(p.Messages) / float64(rate)
	if cmd.JSON {
		return writeIndented(out, p)
	}
	list := newListing(out, false, "STREAM\tMESSAGES\tMIB\tSEQUENCES\tSINCE")
	for _, s := range p.Streams {
		since := "-"
		if !s.Since.IsZero() {
			since = s.Since.Format(time.RFC3339)
		}
		list.row(s, "%s\t%d\t%d\t%d-%d\t%s", s.Stream, s.Messages, s.Bytes>>20, s.First, s.Last, since)
	}
	if err := list.end(0); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%d messages would be read, which takes about %v at %d a second, and then compared. What was before them is taken over from the tables in use.\n"+
		"The new tables need about as much room as those in use, which are kept.\n",
		p.Messages, (time.Duration(p.Seconds+1) * time.Second).Round(time.Second), rate)
	return err
}

// report says what has become of it.
func (cmd *rebuildReadModelCommand) report(r runs.Run, out io.Writer) error {
	if cmd.JSON {
		return writeIndented(out, r)
	}
	var detail projector.RebuildDetail
	if err := json.Unmarshal(r.Detail, &detail); err != nil {
		return err
	}
	for _, sum := range detail.Sums {
		fmt.Fprintf(out, "%-18s %10d rows  %s\n", sum.Table, sum.Rows, sum.Sum)
	}
	for _, d := range detail.Differences {
		fmt.Fprintf(out, "differs from the one before: %s\n", d)
	}
	if detail.Unreadable > 0 {
		fmt.Fprintf(out, "%d messages could not be read: see `verdict dead list`\n", detail.Unreadable)
	}
	_, err := fmt.Fprintf(out, "The new read model is in use: %d messages in %v, writers waited for %d ms at most.\n"+
		"The one before is kept as %s until `verdict rebuild drop-old`.\n",
		r.Done, r.EndedAt.Sub(r.StartedAt).Round(time.Millisecond), detail.PausedMS, detail.Kept)
	return err
}

type rebuildDropOldCommand struct {
	JSON bool `name:"json" help:"Print what was removed as JSON."`
}

// Help is shown by `verdict rebuild drop-old --help`.
func (*rebuildDropOldCommand) Help() string {
	return `Removes the read models that were in use before, and those that were kept to be looked into.

Example:
  verdict rebuild drop-old`
}

// Run has the projector remove them.
func (cmd *rebuildDropOldCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, o, stop, err := attend(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	known, err := runs.Open(o.bus).Get(ctx, projector.RebuildVerb, projector.ReadModel)
	if err != nil && !errors.Is(err, runs.ErrUnknown) {
		return err
	}
	if err == nil && !known.Over() && known.State != runs.Failed {
		return underWay(known)
	}
	if err := o.begin(ctx, projector.RebuildVerb, projector.DropOld, struct{}{}); err != nil {
		return err
	}
	r, err := o.followRebuild(ctx, projector.RebuildVerb, projector.DropOld, "a projector")
	if err != nil {
		return err
	}
	var detail projector.RebuildDetail
	if err := json.Unmarshal(r.Detail, &detail); err != nil {
		return err
	}
	if cmd.JSON {
		return writeIndented(out, struct {
			Dropped []string `json:"dropped"`
		}{append([]string{}, detail.Dropped...)})
	}
	for _, name := range detail.Dropped {
		fmt.Fprintln(out, "removed", name)
	}
	if len(detail.Dropped) == 0 {
		_, err = fmt.Fprintln(out, "there was none")
	}
	return err
}
