package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/verdict-stream/verdict/pkg/runs"
	"github.com/verdict-stream/verdict/pkg/store"
)

const (
	// lookInterval is between two looks for work that somebody has asked for.
	lookInterval = time.Second
	// trimInterval is between two looks at where the stream of events begins.
	trimInterval = time.Minute
)

// asks is a kind of work that can be asked for.
type asks struct {
	verb string
	work func(ctx context.Context, job *runs.Job) error
	// clean removes what work that nobody goes on with has left behind.
	clean func(ctx context.Context) error
}

// serve does what was asked for about this provider, one thing after the other, until ctx ends. It returns errAnew when something has
// taken this worker's place.
func (w *worker) serve(ctx context.Context) error {
	kinds := []asks{
		{VerbReprocess, w.reprocess, func(context.Context) error { return store.RemoveStaging(w.Store.Dir, stagingName(w.provider.Name)) }},
		{VerbRebuildState, w.rebuildBeside, w.state.DropBeside},
	}
	book := runs.Open(w.Bus)
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	var seen uint64
	var trimmed time.Time
	looked := false
	for {
		if time.Since(trimmed) > trimInterval {
			for _, lane := range w.lanes {
				if err := lane.followTrim(ctx); err != nil && ctx.Err() == nil {
					w.alarm.WarnContext(ctx, "the position in the stream is not moved", "error", err)
				}
			}
			trimmed = time.Now()
		}
		// While the broker is away nothing can be worked on.
		if revision, err := w.Bus.EntriesRevision(ctx); err == nil && (revision != seen || !looked) {
			idle := true
			for i := range kinds {
				one, err := w.ask(ctx, book, &kinds[i])
				if w.halted {
					return errAnew
				}
				if final(err) {
					return err
				}
				idle = idle && one && err == nil
			}
			seen, looked = revision, idle
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// ask does what waits of one kind. It reports whether there is nothing of it that may be gone on with later.
func (w *worker) ask(ctx context.Context, book *runs.Book, kind *asks) (idle bool, err error) {
	list, err := book.List(ctx, kind.verb)
	if err != nil {
		return false, err
	}
	idle = true
	for i := range list {
		if list[i].Over() || !w.mine(&list[i]) {
			continue
		}
		idle = false
		if !waiting(&list[i], time.Now()) {
			continue
		}
		w.logger.InfoContext(ctx, "work begins that was asked for", "verb", kind.verb, "run", list[i].Name)
		err = book.Work(ctx, kind.verb, list[i].Name, w.holder(), kind.work)
		w.logger.InfoContext(ctx, "work has ended that was asked for", "verb", kind.verb, "run", list[i].Name, "error", err)
		if w.halted || final(err) {
			return false, err
		}
	}
	if idle {
		return true, kind.clean(ctx)
	}
	return false, nil
}

// mine reports whether a run is about this provider.
func (w *worker) mine(r *runs.Run) bool {
	var spec struct {
		Provider string `json:"provider"`
	}
	return json.Unmarshal(r.Spec, &spec) == nil && spec.Provider == w.provider.Name
}

// waiting reports whether nobody works on a run that is to be worked on.
func waiting(r *runs.Run, now time.Time) bool {
	return r.State == runs.Waiting || r.State == runs.Running && !now.Before(r.HeldUntil)
}

// holder names this worker in the book of runs.
func (w *worker) holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("lifecycle-%s@%s:%d", w.provider.Name, host, os.Getpid())
}

// ended is what a run's work returns when its context has ended.
func ended(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return errors.Join(cause, err)
	}
	return err
}
