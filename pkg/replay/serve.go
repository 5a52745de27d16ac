package replay

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/verdict-stream/verdict/pkg/runs"
)

const (
	// maxRuns is how many runs are worked on at the same time.
	maxRuns = 4
	// lookInterval is how often Serve looks for runs.
	lookInterval = time.Second
	// sweepInterval is how often it looks for streams that are too old.
	sweepInterval = time.Minute
)

// Serve works on the runs that were asked for here and wait, or that their worker has abandoned, until ctx ends. It also removes the streams of runs
// that were done so long ago that all their messages have gone. How a run ends is in the book.
func (d *Desk) Serve(ctx context.Context, logger *slog.Logger) {
	var working sync.WaitGroup
	defer working.Wait()
	places := make(chan struct{}, maxRuns)
	taken := sync.Map{} // the names of the runs that are worked on here
	look, sweep := time.NewTicker(lookInterval), time.NewTicker(sweepInterval)
	defer look.Stop()
	defer sweep.Stop()
	var seen uint64
	var list []runs.Run
	for {
		// While the broker is away nothing can be worked on; the next look tells more.
		if revision, err := d.Bus.EntriesRevision(ctx); err == nil && revision != seen {
			if known, err := d.List(ctx); err == nil {
				seen, list = revision, known
			}
		}
		for i := range list {
			run := list[i]
			if !d.ours(run) {
				continue
			}
			select {
			case places <- struct{}{}:
			default:
				continue
			}
			if _, held := taken.LoadOrStore(run.Name, true); held {
				<-places
				continue
			}
			working.Go(func() {
				defer func() { taken.Delete(run.Name); <-places }()
				err := d.Work(ctx, run.Name)
				if err != nil && ctx.Err() == nil && !errors.Is(err, runs.ErrPaused) && !errors.Is(err, runs.ErrCanceled) && !errors.Is(err, runs.ErrHeld) {
					logger.WarnContext(ctx, "a replay has stopped", "replay", run.Name, "error", err)
				}
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			d.sweep(ctx, list)
		case <-look.C:
		}
	}
}

// ours reports whether a run is for whoever takes it here.
func (d *Desk) ours(run runs.Run) bool {
	waits := run.State == runs.Waiting || run.State == runs.Running && time.Now().After(run.HeldUntil)
	spec, err := SpecOf(run)
	if err != nil || !waits || spec.Via != d.Via {
		return false
	}
	// A file that was begun elsewhere can go on there alone.
	path, isFile := strings.CutPrefix(spec.Target, filePrefix)
	if detail := DetailOf(run); isFile && detail.Bytes > 0 && detail.Host != host() {
		_, err := os.Stat(path + partSuffix)
		return !errors.Is(err, fs.ErrNotExist)
	}
	return true
}

// sweep removes the streams that are empty for good.
func (d *Desk) sweep(ctx context.Context, list []runs.Run) {
	for _, run := range list {
		spec, err := SpecOf(run)
		if err != nil || run.State != runs.Done || spec.Target != TargetStream || time.Now().Before(run.EndedAt.Add(spec.Keep())) {
			continue
		}
		if there, err := d.Bus.HasReplayStream(ctx, run.Name); err == nil && there {
			_ = d.Bus.DropReplayStream(ctx, run.Name) // The next sweep tries again.
		}
	}
}
