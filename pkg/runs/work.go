package runs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// leaseTime is how long a worker that is not heard of keeps its run.
	leaseTime = 10 * time.Second
	// heartbeat is how often a worker looks into the book, and prolongs its lease there.
	heartbeat = time.Second
	// lookInterval is how often Serve looks for runs.
	lookInterval = time.Second
)

var (
	// ErrPaused and ErrCanceled are the causes that a worker's context ends with when that was asked for.
	ErrPaused   = errors.New("paused")
	ErrCanceled = errors.New("canceled")
	// ErrLost is the cause where the lease is over: somebody else may have taken the run.
	ErrLost = errors.New("the run was lost to somebody else")
)

// Job is a run in the hands of its worker. It may be used by many goroutines.
type Job struct {
	book *Book
	mu   sync.Mutex
	run  Run
	end  context.CancelCauseFunc
	// complete is set by Complete.
	complete bool
}

// Run returns the run as it was last written.
func (j *Job) Run() Run {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.run
}

// Complete says that what was asked for has happened, and cannot be taken back: if its worker returns nil, the run is done, whatever is
// asked for meanwhile, and even where its process is being stopped.
func (j *Job) Complete() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.complete = true
}

// Save changes the run and returns once that is durable. It prolongs the lease. Errors: ErrLost, bus.ErrUnavailable, after either of which
// the change may or may not have happened.
func (j *Job) Save(ctx context.Context, apply func(*Run)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	holder := j.run.Holder
	saved, err := j.book.change(ctx, j.run.Verb, j.run.Name, func(r *Run) error {
		if r.State != Running || r.Holder != holder {
			return ErrLost
		}
		apply(r)
		r.HeldUntil = time.Now().UTC().Add(leaseTime)
		return nil
	})
	if errors.Is(err, ErrLost) || errors.Is(err, ErrUnknown) {
		j.end(ErrLost)
		return ErrLost
	}
	if err != nil {
		return err
	}
	j.run = saved
	switch saved.Wanted {
	case Pause:
		j.end(ErrPaused)
	case Cancel:
		j.end(ErrCanceled)
	}
	return nil
}

// Work takes a run and works on it until it is done, its worker fails, or ctx ends. The worker's context ends also when pausing or
// cancelling is asked for, with ErrPaused or ErrCanceled as its cause: the worker returns then, after having removed what it made where it
// was canceled. What it returns otherwise is why the run failed, and is returned; where ctx has ended the run waits to be taken up
// again. Work returns ErrPaused and ErrCanceled where it ended so. Further errors: ErrUnknown, ErrOver, ErrHeld, ErrLost, bus.ErrUnavailable.
func (b *Book) Work(ctx context.Context, verb, name, holder string, work func(ctx context.Context, job *Job) error) error {
	for {
		err := b.workOnce(ctx, verb, name, holder, work)
		if !errors.Is(err, errAgain) || ctx.Err() != nil {
			return err
		}
	}
}

// errAgain means that a run was paused, and something else was asked for before its worker had ended.
var errAgain = errors.New("the run goes on")

func (b *Book) workOnce(ctx context.Context, verb, name, holder string, work func(ctx context.Context, job *Job) error) error {
	taken, err := b.change(ctx, verb, name, func(r *Run) error {
		now := time.Now().UTC()
		switch {
		case r.Over():
			return fmt.Errorf("%s %s: %w: it is %s", verb, name, ErrOver, r.State)
		case r.heldByOther(holder, now):
			return fmt.Errorf("%s %s: %w: %s", verb, name, ErrHeld, r.Holder)
		}
		if r.StartedAt.IsZero() {
			r.StartedAt = now
		}
		r.State, r.Holder, r.HeldUntil, r.Error = Running, holder, now.Add(leaseTime), ""
		return nil
	})
	if err != nil {
		return err
	}
	working, end := context.WithCancelCause(ctx)
	defer end(nil)
	job := &Job{book: b, run: taken, end: end}
	var beating sync.WaitGroup
	beating.Go(func() { job.beat(working) })
	err = work(working, job)
	cause := context.Cause(working)
	end(nil)
	beating.Wait()
	return b.finish(ctx, job, err, cause)
}

// beat keeps the lease, and gives it up where the book cannot be reached for as long as it lasts.
func (j *Job) beat(ctx context.Context) {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := j.Save(ctx, func(*Run) {}); err != nil && time.Now().After(j.Run().HeldUntil) {
			j.end(ErrLost)
		}
	}
}

// finishTime bounds how long the end of a run may take to be noted.
const finishTime = 5 * time.Second

// finish notes how a run ended.
func (b *Book) finish(ctx context.Context, job *Job, err, cause error) error {
	if errors.Is(cause, ErrLost) {
		return ErrLost
	}
	noting, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	result := err
	holder := job.Run().Holder
	_, noted := b.change(noting, job.run.Verb, job.run.Name, func(r *Run) error {
		if r.State != Running || r.Holder != holder {
			return ErrLost
		}
		now := time.Now().UTC()
		wanted := r.Wanted
		r.Holder, r.HeldUntil, r.Wanted = "", time.Time{}, ""
		switch {
		case err == nil && (cause == nil || job.complete):
			r.State, r.EndedAt = Done, now
		case errors.Is(cause, ErrPaused) && wanted == Pause:
			r.State, result = Paused, ErrPaused
		case errors.Is(cause, ErrPaused): // and something else was asked for since
			r.State, r.Wanted, result = Waiting, wanted, errAgain
		case errors.Is(cause, ErrCanceled):
			r.State, r.EndedAt, result = Canceled, now, ErrCanceled
		case ctx.Err() != nil && wanted == Pause:
			r.State, result = Paused, ErrPaused
		case ctx.Err() != nil: // whoever takes it up again hears of what was asked for
			r.State, r.Wanted, result = Waiting, wanted, ctx.Err()
		default:
			r.State, r.EndedAt, r.Error = Failed, now, err.Error()
		}
		return nil
	})
	if noted != nil {
		return fmt.Errorf("note how the run ended: %w", noted)
	}
	return result
}

// Serve works on every run of the verb that waits, or that its worker has abandoned, one after the other, until ctx ends. How a run
// ends is in the book; Serve itself returns nil.
func (b *Book) Serve(ctx context.Context, verb, holder string, work func(ctx context.Context, job *Job) error) error {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	var seen uint64
	var list []Run
	for {
		// While the broker is away nothing can be worked on; the next look tells more.
		if revision, err := b.bus.EntriesRevision(ctx); err == nil && revision != seen {
			if known, err := b.List(ctx, verb); err == nil {
				seen, list = revision, known
			}
		}
		for i := range list {
			if list[i].abandoned(time.Now()) && ctx.Err() == nil {
				_ = b.Work(ctx, verb, list[i].Name, holder, work)
				seen = 0
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
