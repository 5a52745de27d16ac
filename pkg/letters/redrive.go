package letters

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/verdict-stream/verdict/pkg/bus"
)

// DefaultRate is how many messages a second are redriven where nothing else is said: live traffic hardly notices.
const DefaultRate = 100

const (
	// ahead is for how long at the given rate requests may wait for their consumer. Who stops asking has asked for no more than that.
	ahead = 2 * time.Second
	// minAhead is how many may wait at least.
	minAhead = 16
	// lookInterval is between two looks at what waits.
	lookInterval = 100 * time.Millisecond
)

// Work is a selection that is worked on, from somewhere on.
type Work struct {
	Selection Selection
	// After and Through bound it to the sequences behind the one and up to the other; see Plan.Through.
	After, Through uint64
	// Rate bounds how many are redriven a second; 0 stands for DefaultRate.
	Rate float64
	// Progress is told of each step, at most one for each message. Its error ends the work.
	Progress func(Progress) error
}

// Progress is how far a work is.
type Progress struct {
	// Position is the sequence up to which everything selected is done: where to begin again, as Work.After.
	Position uint64
	// Done counts what was asked for or given up, Again what had been asked for before, and Passed what cannot be redriven.
	Done, Again, Passed uint64
	// Waits names a consumer that is waited for, because it has not done enough of what was asked of it; else it is empty.
	Waits string
}

// ErrNobody means that no such consumer has ever worked here, so nobody would do the request.
var ErrNobody = errors.New("nobody works under this name here")

// ErrStalled means that a consumer does nothing of what it was asked for.
var ErrStalled = errors.New("does nothing of what it was asked for")

// await waits until fewer than so many requests wait for a consumer. Errors: ErrNobody, ErrStalled, bus.ErrUnavailable, why ctx ended, and
// those of waits, which is told each time that there are too many.
func (d *Desk) await(ctx context.Context, consumer string, fewer uint64, waits func() error) (waiting uint64, err error) {
	least, since := farthest, time.Now()
	for {
		err = Patiently(ctx, d.Patience, func() (moved bool, err error) {
			waiting, err = d.Bus.Redriving(ctx, consumer)
			return false, err
		})
		if errors.Is(err, bus.ErrNotFound) {
			return 0, fmt.Errorf("%s: %w: start the service that it belongs to once, or discard what it gave up", consumer, ErrNobody)
		}
		if err != nil || waiting < fewer {
			return waiting, err
		}
		if waiting < least {
			least, since = waiting, time.Now()
		}
		if time.Since(since) > cmp.Or(d.Patience, DefaultPatience) {
			return waiting, fmt.Errorf("%s %w: %d requests wait for it, and are done once it runs", consumer, ErrStalled, waiting)
		}
		if err := waits(); err != nil {
			return waiting, err
		}
		select {
		case <-ctx.Done():
			return waiting, context.Cause(ctx)
		case <-time.After(lookInterval):
		}
	}
}

// Patiently does something again for as long as the broker is away, but not for longer than the patience without having moved; 0 stands for
// DefaultPatience. Errors: those of do, and why ctx ended.
func Patiently(ctx context.Context, patience time.Duration, do func() (moved bool, err error)) error {
	since := time.Now()
	for {
		moved, err := do()
		if moved {
			since = time.Now()
		}
		if !errors.Is(err, bus.ErrUnavailable) || time.Since(since) > cmp.Or(patience, DefaultPatience) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lookInterval):
		}
	}
}

// farthest is more than there can be of anything.
const farthest = ^uint64(0)

// Redrive asks for the messages of a selection to be handled once more, at a rate, and never far ahead of those who handle them. While the
// broker is away it waits, as patiently as for a consumer. It returns once they were asked for; Settle waits until they are done. Errors: those of Progress, ErrNoLetter, ErrNobody, ErrStalled, bus.ErrUnavailable.
func (d *Desk) Redrive(ctx context.Context, w Work) (Progress, error) {
	perSecond := w.Rate
	if perSecond <= 0 {
		perSecond = DefaultRate
	}
	r := redrive{
		Desk: d, work: &w, limit: rate.NewLimiter(rate.Limit(perSecond), 1),
		ahead: max(minAhead, uint64(perSecond*ahead.Seconds())), left: map[string]uint64{},
	}
	r.so.Position = w.After
	err := Patiently(ctx, d.Patience, func() (moved bool, err error) {
		after := r.so.Position
		err = d.each(ctx, w.Selection, after, w.Through, func(list []chosen) error {
			for i := range list {
				if err := r.one(ctx, &list[i]); err != nil {
					return err
				}
			}
			return nil
		})
		return r.so.Position > after, err
	})
	return r.so, err
}

// redrive is one such work.
type redrive struct {
	*Desk
	work  *Work
	so    Progress
	limit *rate.Limiter
	ahead uint64
	// left is how many may be asked of each consumer before it has to be looked at.
	left map[string]uint64
}

func (r *redrive) one(ctx context.Context, c *chosen) error {
	if c.obstacle != "" {
		r.so.Passed++
	} else {
		if err := r.room(ctx, c.request.Consumer); err != nil {
			return err
		}
		if err := r.limit.Wait(ctx); err != nil {
			return context.Cause(ctx)
		}
		news, err := r.Bus.Redrive(ctx, c.request)
		if err != nil {
			return err
		}
		if news {
			r.so.Done++
		} else {
			r.so.Again++
		}
	}
	r.so.Position = c.seq
	return r.tell()
}

// room waits until the consumer has done enough of what was asked of it.
func (r *redrive) room(ctx context.Context, consumer string) error {
	if r.left[consumer] == 0 {
		waiting, err := r.await(ctx, consumer, r.ahead, func() error {
			r.so.Waits = consumer
			return r.tell()
		})
		if err != nil {
			return err
		}
		r.left[consumer] = r.ahead - waiting
	}
	r.so.Waits = ""
	r.left[consumer]--
	return nil
}

func (r *redrive) tell() error {
	if r.work.Progress == nil {
		return nil
	}
	return r.work.Progress(r.so)
}

// Settle waits until the consumers have done what was asked of them, and returns how many messages of the selection were given up once
// more since a plan was made. Errors: ErrStalled, bus.ErrUnavailable, and why ctx ended.
func (d *Desk) Settle(ctx context.Context, s Selection, p Plan) (again uint64, err error) {
	for _, consumer := range p.Consumers {
		_, err := d.await(ctx, consumer.Name, 1, func() error { return nil })
		if err != nil && !errors.Is(err, ErrNobody) {
			return 0, err
		}
	}
	// A new letter is filed behind those of the plan, and may have another cause.
	f := bus.LetterFilter{Consumer: s.Consumer, Provider: s.Provider, Delivery: s.Delivery}
	from := p.Through + 1
	if s.Unhandled {
		from = 0
	}
	err = d.Bus.Letters(ctx, f, from, func(l bus.Letter) error {
		switch {
		case s.Letter > 0 && l.Replaces != s.Letter:
		case !s.Unhandled && (l.Replaces == 0 || l.Replaces > p.Through):
		case s.Unhandled && l.Filed.Before(p.Made):
		default:
			again++
		}
		return nil
	})
	return again, err
}
