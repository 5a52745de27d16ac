package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
)

const (
	// kneeFirst is the part of what is drained in a hurry at which the steps begin, kneeStep
	// how much higher each is than the one before, kneeSteps how many there are at most.
	kneeFirst = 0.5
	kneeStep  = 1.15
	kneeSteps = 8
	// kneeTaken is the part of what is to be sent that must have been answered in time.
	kneeTaken = 0.98
	// kneeLag is the time whose webhooks may be under way when a step ends.
	kneeLag = 500 * time.Millisecond
)

// knee finds the highest rate that is held end to end without a lag that grows: it goes up in
// steps from what is surely held until one is not.
func (b *bench) knee(ctx context.Context, in *installation, sent *int) (float64, error) {
	capacity, err := b.capacity(ctx, in, sent)
	if err != nil {
		return 0, err
	}
	held := 0.0
	rate := kneeFirst * capacity
	for range kneeSteps {
		ok, err := b.holds(ctx, in, rate, sent)
		if err != nil {
			return 0, err
		}
		if ok {
			held, rate = rate, rate*kneeStep
			continue
		}
		if held > 0 {
			break
		}
		rate /= kneeStep * kneeStep
	}
	if held == 0 {
		return 0, fmt.Errorf("not even %.0f/s are held", rate)
	}
	return held, nil
}

// capacity is how many webhooks a second are through everything where senders do not wait.
func (b *bench) capacity(ctx context.Context, in *installation, sent *int) (float64, error) {
	start := time.Now()
	l := in.load(fewSenders)
	l.duration = b.Duration / 2
	hurried, err := l.run(ctx)
	if err != nil {
		return 0, err
	}
	*sent += hurried.ok()
	if err := in.drained(ctx, *sent); err != nil {
		return 0, err
	}
	capacity := float64(hurried.ok()) / time.Since(start).Seconds()
	b.say("latency: %.0f/s are through where senders do not wait", capacity)
	return capacity, nil
}

// holds tells whether a rate is held: all is taken in time, and no more is under way at the
// end than kneeLag brings. A lag that grows is longer than that before long.
func (b *bench) holds(ctx context.Context, in *installation, rate float64, sent *int) (bool, error) {
	l := in.load(openConnections)
	l.duration, l.rate = b.Duration, rate
	taken, err := l.run(ctx)
	if err != nil {
		return false, err
	}
	*sent += taken.ok()
	left, err := in.left(ctx, *sent)
	if err != nil {
		return false, err
	}
	want, allowed := kneeTaken*rate*b.Duration.Seconds(), int(rate*kneeLag.Seconds())
	ok := float64(taken.within) >= want && taken.failed() == 0 && left <= allowed
	b.say("latency: knee: %.0f/s: %d of %.0f answered in time, %d under way at the end (%d may be): held %t",
		rate, taken.within, rate*b.Duration.Seconds(), left, allowed, ok)
	return ok, in.drained(ctx, *sent)
}

// left is how many webhooks of so many are not through yet.
func (in *installation) left(ctx context.Context, count int) (int, error) {
	undecided, err := in.behind(ctx, bus.Verifications, count)
	if err != nil {
		return 0, err
	}
	unprojected, err := in.unprojected(ctx)
	return max(undecided, unprojected), err
}
