package held

import (
	"cmp"
	"context"
	"errors"

	"golang.org/x/time/rate"

	"github.com/verdict-stream/verdict/pkg/letters"
)

// Work is a decision about a selection that is carried out, from somewhere on.
type Work struct {
	Decision  Decision
	Selection Selection
	// After and Through bound it to the sequences behind the one and up to the other; see Plan.Through.
	After, Through uint64
	// Rate bounds how many a second; 0 stands for letters.DefaultRate where they are released, since all are folded then, else for as many as
	// there can be.
	Rate float64
	// Progress is told of each step, at most one for each delivery. Its error ends the work.
	Progress func(Progress) error
}

// Progress is how far a work is.
type Progress struct {
	// Position is the sequence up to which everything selected is done: where to begin again, as Work.After.
	Position uint64
	// Done counts what was decided about, and Passed what does not allow it. What somebody else was faster with is neither.
	Done, Passed uint64
}

// Work carries a decision out, at a rate. While the broker is away it waits, for letters.DefaultPatience. Errors: those of Progress,
// bus.ErrUnavailable, and why ctx ended.
func (d *Desk) Work(ctx context.Context, w Work) (Progress, error) {
	limit := rate.Inf
	switch {
	case w.Rate > 0:
		limit = rate.Limit(w.Rate)
	case w.Decision == Release:
		limit = letters.DefaultRate
	}
	pace := rate.NewLimiter(limit, 1)
	so := Progress{Position: w.After}
	err := letters.Patiently(ctx, 0, func() (moved bool, err error) {
		after := so.Position
		err = d.walk(ctx, &w.Selection, after, w.Through, func(seq uint64, _ *Item) error {
			if err := pace.Wait(ctx); err != nil {
				return cmp.Or(context.Cause(ctx), err)
			}
			switch _, err := d.Decide(ctx, w.Decision, seq); {
			case err == nil:
				so.Done++
			case whyNot(err) != "":
				so.Passed++
			case !errors.Is(err, ErrNotHeld):
				return err
			}
			so.Position = seq
			if w.Progress == nil {
				return nil
			}
			return w.Progress(so)
		})
		return so.Position > after, err
	})
	return so, err
}
