package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/runs"
)

const (
	// saveInterval is how often a worker makes durable what it has sent, and notes that.
	saveInterval = time.Second
	// saveTime bounds how long a note may take when a run is interrupted.
	saveTime = 5 * time.Second
	// bursts is how many times a second events may be sent at least, where a rate is set.
	bursts = 10
)

// Work takes a run and sends its events until it is done, paused, cancelled, or ctx ends. Errors: those of runs.Book.Work, and why the run has failed.
func (d *Desk) Work(ctx context.Context, name string) error {
	return d.book().Work(ctx, Verb, name, d.Holder, d.work)
}

// worker is one run while it is worked on. It is used by one goroutine.
type worker struct {
	desk *Desk
	job  *runs.Job
	spec Spec
	sink sink

	position uint64 // the last sequence that was looked at
	done     uint64 // how many events were sent
	saved    struct {
		at   time.Time
		done uint64
	}
	rate    float64
	limiter *rate.Limiter // nil where there is no limit
}

func (d *Desk) work(ctx context.Context, job *runs.Job) error {
	run := job.Run()
	spec, err := SpecOf(run)
	if err != nil {
		return err
	}
	w := &worker{desk: d, job: job, spec: spec, position: run.Position, done: run.Done}
	err = w.run(ctx, run)
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, runs.ErrCanceled):
		leaving, stop := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
		defer stop()
		return d.discard(leaving, job.Run())
	case errors.Is(cause, runs.ErrLost):
		return runs.ErrLost
	}
	return err
}

func (w *worker) run(ctx context.Context, run runs.Run) (err error) {
	if err := w.check(ctx); err != nil {
		return err
	}
	w.sink = w.newSink(run)
	defer func() { err = errors.Join(err, w.sink.close()) }()
	if err := w.untilAvailable(ctx, w.sink.open); err != nil {
		if errors.Is(err, errFinished) {
			return nil
		}
		return err
	}
	if s, ok := w.sink.(*stream); ok {
		w.position, w.done = max(w.position, s.through), max(w.done, s.stored)
	}
	if w.spec.Rate > 0 {
		w.limiter = rate.NewLimiter(rate.Limit(w.spec.Rate), max(1, int(w.spec.Rate/bursts)))
	}
	w.saved.at, w.saved.done = time.Now(), w.done
	if err := w.send(ctx); err != nil {
		// What was sent counts, however it ended.
		w.leave(ctx)
		return err
	}
	if err := w.save(ctx); err != nil {
		return err
	}
	// Events that came while they were counted may have been left out.
	if err := w.job.Save(ctx, func(r *runs.Run) { r.Total = r.Done }); err != nil {
		return err
	}
	return w.sink.finish(ctx)
}

// check refuses a stream that is not the one whose sequences the book has.
func (w *worker) check(ctx context.Context) error {
	return w.untilAvailable(ctx, func(ctx context.Context) error {
		identity, err := w.desk.Bus.StreamIdentity(ctx, w.spec.Stream)
		if err != nil {
			return err
		}
		if identity != w.spec.Identity {
			return fmt.Errorf("%s was made anew or restored since this run was begun, and its sequences may be others: cancel this run and begin another", w.spec.Stream)
		}
		state, err := w.desk.Bus.StreamState(ctx, w.spec.Stream)
		if err == nil && state.FirstSeq > w.position+1 && state.FirstSeq > w.spec.From {
			err = fmt.Errorf("%s begins with sequence %d now, and this run has come to %d only: cancel it and begin another", w.spec.Stream, state.FirstSeq, w.position)
		}
		return err
	})
}

func (w *worker) newSink(run runs.Run) sink {
	detail := DetailOf(run)
	path, isFile := strings.CutPrefix(w.spec.Target, filePrefix)
	switch {
	case isFile:
		return &file{name: run.Name, path: path, makeDir: w.desk.Dir != "", begun: detail.Begun, bytes: detail.Bytes, claim: w.claim}
	case w.spec.Target == TargetStream:
		return &stream{
			bus: w.desk.Bus, name: run.Name, source: w.spec.Stream, keep: w.spec.Keep(), begun: detail.Begun, sent: detail.Bytes, claim: w.claim,
		}
	default:
		patience := w.desk.patience
		if patience == 0 {
			patience = retryPatience
		}
		return &endpoint{
			name: run.Name, url: w.spec.Target, bearerFile: w.spec.BearerFile, headerFile: w.spec.HeaderFile, patience: patience, sent: detail.Bytes,
		}
	}
}

// claim notes that what the target will have is of this run's making.
func (w *worker) claim(ctx context.Context) error {
	return w.note(ctx, func(detail *Detail) { detail.Begun = true })
}

// note changes the detail in the book.
func (w *worker) note(ctx context.Context, apply func(*Detail)) error {
	return w.job.Save(ctx, func(r *runs.Run) {
		detail := DetailOf(*r)
		apply(&detail)
		detail.Host = host()
		r.Position, r.Done = w.position, w.done
		r.Total = max(r.Total, r.Done)
		r.Detail, _ = json.Marshal(detail) // Numbers and texts always can be.
	})
}

// untilAvailable tries again while the broker is away, as long as the run is not lost to others.
func (w *worker) untilAvailable(ctx context.Context, do func(context.Context) error) error {
	for pause := retryFirst; ; pause = min(2*pause, retryLongest) {
		before := w.position
		err := do(ctx)
		if !errors.Is(err, bus.ErrUnavailable) {
			return err
		}
		if w.position > before {
			pause = retryFirst
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
	}
}

// send sends everything from the position on. Where the broker goes away it goes on when that is back.
func (w *worker) send(ctx context.Context) error {
	return w.untilAvailable(ctx, func(ctx context.Context) error {
		span := w.spec.span()
		span.From = max(span.From, w.position+1)
		if span.From > span.Through {
			return nil
		}
		_, err := w.desk.Bus.Scan(ctx, span, func(m bus.Stored) error { return w.put(ctx, &m) })
		if err == nil {
			w.position = w.spec.Through
		}
		return err
	})
}

func (w *worker) put(ctx context.Context, m *bus.Stored) error {
	if w.spec.Filter.matches(m) {
		if err := w.admitted(ctx); err != nil {
			return err
		}
		if err := w.sink.put(ctx, m); err != nil {
			if ctx.Err() != nil {
				return err
			}
			return fmt.Errorf("event %d of %s: %w", m.Seq, w.spec.Stream, err)
		}
		w.done++
	}
	w.position = m.Seq
	if time.Since(w.saved.at) < saveInterval {
		return nil
	}
	// While the book cannot be written to, the next save says it all.
	if err := w.save(ctx); err != nil && !errors.Is(err, bus.ErrUnavailable) {
		return err
	}
	return nil
}

// admitted waits until the rate allows one more event.
func (w *worker) admitted(ctx context.Context) error {
	if w.limiter == nil {
		return nil
	}
	if delay := w.limiter.Reserve().Delay(); delay > 0 {
		return wait(ctx, delay)
	}
	return nil
}

// save makes what was sent durable, and notes it.
func (w *worker) save(ctx context.Context) error {
	if err := w.sink.flush(ctx); err != nil {
		return err
	}
	now := time.Now()
	if passed := now.Sub(w.saved.at).Seconds(); passed > 0 && w.done > w.saved.done {
		w.rate = float64(w.done-w.saved.done) / passed
	}
	w.saved.at, w.saved.done = now, w.done
	return w.note(ctx, func(detail *Detail) { detail.Bytes, detail.Rate = w.bytes(), w.rate })
}

func (w *worker) bytes() int64 {
	switch s := w.sink.(type) {
	case *file:
		return s.bytes
	case *stream:
		return s.sent
	case *endpoint:
		return s.sent
	}
	return 0
}

// leave notes how far the run is when it is interrupted. Without the note it goes on where it was a second ago.
func (w *worker) leave(ctx context.Context) {
	leaving, stop := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer stop()
	_ = w.save(leaving)
}
