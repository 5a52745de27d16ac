package bench

import (
	"context"
	"fmt"
	"time"
)

// sized is an installation at one size.
type sized struct {
	start    time.Duration
	resident float64 // MiB, after a first trial
	through  float64 // webhooks a second, end to end, in a longer one
	cpu      float64 // µs of the server for each webhook of it
}

// window is short: the ids of the messages in it are in memory, and are to be as many at all sizes, however fast it grew.
var window = []string{"--deduplication-window", "10s"}

// size measures memory, throughput and start for several numbers of verifications, each time
// after a kill, so that all begin alike.
func (b *bench) size(ctx context.Context) error {
	defer b.release()
	in, err := b.install("size")
	if err != nil {
		return err
	}
	sent := 0
	server, _, err := in.start(ctx, roleUp, window...)
	if err != nil {
		return err
	}
	var first sized
	for i, size := range b.Sizes {
		if err := in.connect(); err != nil {
			return err
		}
		b.say("size: %d verifications", size)
		if err := b.grow(ctx, in, size, &sent); err != nil {
			return err
		}
		before := sent
		in.end(server, true)
		var got sized
		if server, got.start, err = in.start(ctx, roleUp, window...); err != nil {
			return err
		}
		if err := in.connect(); err != nil {
			return err
		}
		for _, trial := range []int{b.Trial, steady * b.Trial} {
			if err := b.try(ctx, in, server, trial, &got, &sent); err != nil {
				return err
			}
		}
		b.say("size: %d verifications: %.0f/s, %.0f MiB, start %v", before, got.through, got.resident, got.start)
		if i == 0 {
			first = got
		}
		b.sizeRows(before, got, first)
	}
	return nil
}

// steady is how many times longer the trial is by which throughput is measured: in the first seconds after a start, files are not in memory.
const steady = 4

// chunk is how many webhooks are sent before they are waited for, so that no backlog grows
// that would be measured too.
const chunk = 20_000

// grow sends webhooks until there are so many verifications.
func (b *bench) grow(ctx context.Context, in *installation, size int, sent *int) error {
	for *sent < size {
		l := in.load(fewSenders)
		l.count = min(chunk, size-*sent)
		grown, err := l.run(ctx)
		if err != nil {
			return err
		}
		if grown.ok() == 0 {
			return fmt.Errorf("no webhook is taken: %s", grown.failures())
		}
		*sent += grown.ok()
		if err := in.drained(ctx, *sent); err != nil {
			return err
		}
		if size > chunk {
			b.say("size: %d of %d verifications", *sent, size)
		}
	}
	return nil
}

// try measures an installation with so many webhooks.
func (b *bench) try(ctx context.Context, in *installation, server *process, trial int, got *sized, sent *int) error {
	if err := in.drained(ctx, *sent); err != nil {
		return err
	}
	before, err := server.cpu()
	if err != nil {
		return err
	}
	begun := time.Now()
	l := in.load(fewSenders)
	l.count = trial
	tried, err := l.run(ctx)
	if err != nil {
		return err
	}
	*sent += tried.ok()
	if err := in.drained(ctx, *sent); err != nil {
		return err
	}
	got.through = float64(tried.ok()) / time.Since(begun).Seconds()
	after, err := server.cpu()
	if err != nil {
		return err
	}
	got.cpu = float64(after-before) / float64(time.Microsecond) / float64(max(1, tried.ok()))
	if got.resident == 0 {
		resident, err := server.resident()
		if err != nil {
			return err
		}
		got.resident = float64(resident) / mebibyte
	}
	if tried.failed() > 0 {
		b.report.note("size: %d webhooks were not answered with 200 (%s).", tried.failed(), tried.failures())
	}
	return nil
}

func (b *bench) sizeRows(size int, got, first sized) {
	against := fmt.Sprintf("%d verifications", b.Sizes[0])
	row := func(figure, unit string, value, baseline float64, less bool) {
		b.report.figure(Row{
			Part: "size", Case: fmt.Sprintf("%d verifications", size), Figure: figure, Unit: unit,
			Value: value, Baseline: baseline, Against: against, LessIsBetter: less,
		})
	}
	row("end to end", "1/s", got.through, first.through, false)
	row("resident", "MiB", got.resident, first.resident, true)
	row("start after a kill", "ms", milliseconds(got.start), milliseconds(first.start), true)
	row("server CPU", "µs each", got.cpu, first.cpu, true)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
