package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/replay"
	"github.com/verdict-stream/verdict/pkg/runs"
)

type replayRunCommand struct {
	Name string `arg:"" help:"What to call the replay: 1 to 32 lower-case letters, digits and hyphens."`
	replaySelection
	JSON bool `name:"json" help:"Print the run as JSON when it has ended."`
}

// Help is shown by `verdict replay run --help`.
func (*replayRunCommand) Help() string {
	return `Sends the chosen events in the order of the stream, and says how far it is. What is published
meanwhile is not part of it.

The targets:
  subject      a stream of its own, KYC_REPLAY_<NAME>, with the subjects kyc.replay.<name>.<provider>.<kind>.<status>.
               It has each event once, and keeps it for --keep.
  file:PATH    one CloudEvent in JSON on each line, each once. The file has its name when it is whole, PATH.part before.
  http(s)://…  one POST for each event, in the binary mode of CloudEvents, one after the other. What is answered with
               5xx, 429 or 408, or not at all, is sent again, after longer and longer pauses; any other refusal ends
               the run. After a crash the last events may be sent twice.

Ctrl-C interrupts it; resume goes on from there, also after a crash, and after what made it fail is mended.
Another terminal can pause or cancel it.

Examples:
  verdict replay run late-team
  verdict replay run march --since 2026-03-01T00:00:00Z --until 2026-04-01T00:00:00Z --to file:march.ndjson
  verdict replay run crm --status approved,rejected --to https://crm.example/events --bearer-file token --rate 50`
}

// Run plans, and then sends.
func (cmd *replayRunCommand) Run(out io.Writer, flags *settingFlags, providers []provider.Provider) error {
	ctx, o, desk, stop, err := openReplay(flags, providers)
	if err != nil {
		return err
	}
	defer stop()
	if err := desk.Check(ctx, cmd.Name); err != nil {
		return replayNext(err)
	}
	request, err := cmd.request(o)
	if err != nil {
		return err
	}
	plan, err := desk.Plan(ctx, request, newCountProgress().tell)
	if err != nil {
		return replayNext(err)
	}
	if err := writeReplayPlan(os.Stderr, plan); err != nil {
		return err
	}
	if _, err := desk.Create(ctx, cmd.Name, plan); err != nil {
		return replayNext(err)
	}
	return workOnReplay(ctx, desk, cmd.Name, cmd.JSON, out)
}

// replayHeapGrowth is by how many percent the heap may grow before what is not used any more is collected. What is in use is a few
// megabytes, and all that is allocated lives for one event.
const replayHeapGrowth = 1000

// workOnReplay works on a run here, and says how it ended.
func workOnReplay(ctx context.Context, desk *replay.Desk, name string, asJSON bool, out io.Writer) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(replayHeapGrowth)
	}
	working, stop := context.WithCancel(ctx)
	var telling sync.WaitGroup
	telling.Go(func() { tellReplay(working, desk, name) })
	err := desk.Work(ctx, name)
	stop()
	telling.Wait()
	looking, done := context.WithTimeout(context.WithoutCancel(ctx), operatorPatience)
	defer done()
	run, got := desk.Get(looking, name)
	if got == nil {
		if asJSON {
			err = errors.Join(err, writeIndented(out, run))
		} else if run.State == runs.Done {
			_, got = fmt.Fprintln(out, replayDone(run))
		}
	}
	switch {
	case errors.Is(err, runs.ErrPaused):
		return fmt.Errorf("%s was paused at %d of %d: `verdict replay resume %s` goes on", name, run.Done, run.Total, name)
	case errors.Is(err, runs.ErrCanceled):
		return fmt.Errorf("%s was canceled: what it made is removed", name)
	case errors.Is(err, runs.ErrLost), errors.Is(err, bus.ErrUnavailable):
		return fmt.Errorf("%s was interrupted, since the broker was away: `verdict replay resume %s` goes on: %w", name, name, err)
	case ctx.Err() != nil:
		return fmt.Errorf("%s was interrupted at %d of %d: `verdict replay resume %s` goes on", name, run.Done, run.Total, name)
	case errors.Is(err, runs.ErrHeld), errors.Is(err, runs.ErrOver), errors.Is(err, runs.ErrUnknown):
		return replayNext(err)
	case err != nil:
		return fmt.Errorf("%s failed at %d of %d: %w; once that is mended, `verdict replay resume %s` goes on", name, run.Done, run.Total, err, name)
	}
	return got
}

func replayDone(run runs.Run) string {
	spec, _ := replay.SpecOf(run)
	where := spec.Target
	if where == replay.TargetStream {
		where = fmt.Sprintf("the stream %s (kyc.replay.%s.>), which keeps them for %v", bus.ReplayStream(run.Name), run.Name, spec.Keep())
	}
	took := run.EndedAt.Sub(run.StartedAt)
	return fmt.Sprintf("%s: %s events are in %s, after %v; what follows begins after %d of %s",
		run.Name, humanize.Comma(int64(run.Done)), where, took.Round(100*time.Millisecond), spec.Through, spec.Stream)
}

// tellReplay says on standard error how far a run is, until ctx ends.
func tellReplay(ctx context.Context, desk *replay.Desk, name string) {
	every, terminal := progressElsewhere, false
	if onTerminal(os.Stderr) {
		every, terminal = time.Second, true
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			if terminal {
				fmt.Fprintln(os.Stderr)
			}
			return
		case <-ticker.C:
		}
		run, err := desk.Get(ctx, name)
		if err != nil {
			continue // The next look tells more.
		}
		line, end := "", "\n"
		if terminal {
			line, end = "\r\x1b[K", ""
		}
		fmt.Fprint(os.Stderr, line, replayProgress(run), end)
	}
}

// replayProgress says how far a run is.
func replayProgress(run runs.Run) string {
	detail := replay.DetailOf(run)
	percent := 100.0
	if run.Total > 0 {
		percent = 100 * float64(run.Done) / float64(run.Total)
	}
	text := fmt.Sprintf("%s of %s (%.0f %%)", humanize.Comma(int64(run.Done)), humanize.Comma(int64(run.Total)), percent)
	if run.State == runs.Running && detail.Rate > 0 {
		text += fmt.Sprintf(", %s/s", humanize.Comma(int64(detail.Rate)))
	}
	if left := replay.Left(run); left > 0 {
		text += fmt.Sprintf(", %v left", left.Round(time.Second))
	}
	return text
}
