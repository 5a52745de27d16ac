package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
)

// stages measures how fast the lifecycle and the projector work off a backlog, each alone with
// the broker, against a consumer that only acks the same messages.
func (b *bench) stages(ctx context.Context) error {
	defer b.release()
	in, err := b.install("stages")
	if err != nil {
		return err
	}
	if _, _, err := in.start(ctx, roleBroker); err != nil {
		return err
	}
	count, err := b.fillBacklog(ctx, in)
	if err != nil {
		return err
	}
	base, err := in.reader.AckOnly(ctx, bus.Webhooks, count)
	if err != nil {
		return err
	}
	took, err := b.workOff(ctx, in, roleLifecycle, func() (int, error) { return in.behind(ctx, bus.Verifications, count) })
	if err != nil {
		return err
	}
	b.stageRow("lifecycle", count, took, base)
	if base, err = in.reader.AckOnly(ctx, bus.Verifications, count); err != nil {
		return err
	}
	took, err = b.workOff(ctx, in, roleProjector, func() (int, error) { return in.unprojected(ctx) })
	if err != nil {
		return err
	}
	b.stageRow("projector", count, took, base)
	return nil
}

// fillBacklog has webhooks stored while nobody works on them.
func (b *bench) fillBacklog(ctx context.Context, in *installation) (int, error) {
	receiver, _, err := in.start(ctx, roleReceiver)
	if err != nil {
		return 0, err
	}
	b.say("stages: a backlog of %d webhooks", b.Backlog)
	l := in.load(fewSenders)
	l.count = b.Backlog
	filled, err := l.run(ctx)
	if err != nil {
		return 0, err
	}
	if filled.failed() > 0 {
		b.report.note("stages: %d webhooks of the backlog were not answered with 200 (%s).", filled.failed(), filled.failures())
	}
	if err := in.stored(ctx, filled.ok()); err != nil {
		return 0, err
	}
	in.end(receiver, false)
	return filled.ok(), nil
}

// rated is what is timed: how many messages were worked off, and in what time.
type rated struct {
	done int
	took time.Duration
}

func (r rated) perSecond() float64 { return float64(r.done) / r.took.Seconds() }

// workOff starts a process and times it from the first message that it is seen to have done
// to the last.
func (b *bench) workOff(ctx context.Context, in *installation, role string, left func() (int, error)) (rated, error) {
	b.say("stages: %s works off the backlog", role)
	whole, first := -1, rated{done: -1}
	var begun time.Time
	p, _, err := in.start(ctx, role)
	if err != nil {
		return rated{}, err
	}
	err = await(ctx, role, func() (int, error) {
		n, err := left()
		if err != nil {
			return 0, err
		}
		now := time.Now()
		switch {
		case whole < 0:
			whole, begun = n, now
		case first.done < 0 && n < whole:
			first = rated{done: n}
			begun = now
		}
		if n <= 0 {
			first.took = now.Sub(begun)
		}
		return n, nil
	})
	if err != nil {
		return rated{}, err
	}
	in.end(p, false)
	if first.done <= 0 || first.took <= 0 {
		return rated{}, fmt.Errorf("the backlog is too small to be timed: %s worked it off at once", role)
	}
	return first, nil
}

func (b *bench) stageRow(name string, count int, got rated, base time.Duration) {
	b.say("stages: %s: %.0f/s", name, got.perSecond())
	b.report.figure(Row{
		Part: "stages", Case: name, Figure: "worked off", Unit: "messages/s", Value: got.perSecond(),
		Baseline: float64(count) / base.Seconds(), Against: "consumer that only acks",
	})
}
