package projector

import (
	"context"
	"encoding/json"
	"time"

	"github.com/verdict-stream/verdict/pkg/runs"
)

// report tells how far a rebuild is, and keeps it from being faster than it may.
type report struct {
	job         *runs.Job
	begun       time.Time
	entered     time.Time // the phase
	rate        int
	detail      RebuildDetail
	done, total uint64
	// paced is until when all that was done so far may take.
	paced time.Time
	saved time.Time
	// hurried is set while others wait: then it is as fast as it can be.
	hurried bool
	// room tells whether there is room for so many bytes more.
	room func(more uint64) error
}

const (
	// saveInterval is the least time between two notes of how far it is.
	saveInterval = time.Second
	// lightly is how many rows are compared, or taken over, in the time of one message.
	lightly = 4
	// strokes is in how many batches a second what may not be fast is done, and smallBatch the least that is worth one: whoever waits for
	// the processor meanwhile, waits for one of them.
	strokes, smallBatch = 20, 32
)

// batch returns how much is to be done at a time, where it would be so much at most.
func (r *rebuilding) batch(most int) int {
	if r.spec.Rate <= 0 {
		return most
	}
	return min(max(r.spec.Rate/strokes, smallBatch), most)
}

// enter begins a phase.
func (r *report) enter(ctx context.Context, phase Phase) error {
	if r.detail.Spent == nil {
		r.detail.Spent = map[Phase]float64{}
	} else {
		r.detail.Spent[r.detail.Phase] = time.Since(r.entered).Seconds()
	}
	r.detail.Phase, r.entered = phase, time.Now()
	return r.save(ctx)
}

// expect adds messages to what is to be done.
func (r *report) expect(ctx context.Context, n uint64) error {
	r.total = r.done + n
	return r.save(ctx)
}

// read counts messages.
func (r *report) read(ctx context.Context, n int) error {
	r.done += uint64(n)
	r.total = max(r.total, r.done)
	return r.pace(ctx, float64(n))
}

// extra returns what counts work that is no message.
func (r *report) extra(ctx context.Context) func(n int) error {
	return func(n int) error { return r.pace(ctx, float64(n)/lightly) }
}

// compared counts rows.
func (r *report) compared(ctx context.Context, n int) error { return r.pace(ctx, float64(n)/lightly) }

// pace waits until so many messages more may have been read.
func (r *report) pace(ctx context.Context, n float64) error {
	if time.Since(r.saved) >= saveInterval {
		if err := r.room(0); err != nil {
			return err
		}
		if err := r.save(ctx); err != nil {
			return err
		}
	}
	if r.rate <= 0 || r.hurried {
		return ctx.Err()
	}
	now := time.Now()
	if r.paced.Before(now) {
		r.paced = now
	}
	r.paced = r.paced.Add(time.Duration(n / float64(r.rate) * float64(time.Second)))
	select {
	case <-time.After(time.Until(r.paced)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// save notes how far it is.
func (r *report) save(ctx context.Context) error {
	r.saved = time.Now()
	r.detail.Rate = float64(r.done) / time.Since(r.begun).Seconds()
	detail, err := json.Marshal(r.detail)
	if err != nil {
		return err
	}
	return r.job.Save(ctx, func(run *runs.Run) { run.Done, run.Total, run.Detail = r.done, r.total, detail })
}
