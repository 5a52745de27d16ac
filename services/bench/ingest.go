package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

const againstRoofline = "roofline"

// warmUp is how long a load lasts that is not counted, before the one that is.
const warmUp = 300 * time.Millisecond

// sample is what one load came to.
type sample struct {
	*tally
	server time.Duration // processor time of the server meanwhile
}

// microseconds of processor time for each request that was taken.
func (s *sample) each(cpu time.Duration) float64 {
	return float64(cpu) / float64(time.Microsecond) / float64(max(1, s.ok()))
}

// measure runs a load against a server, after a short one that is not counted.
func measure(ctx context.Context, server *process, l load) (*sample, error) {
	warm := l
	warm.duration, warm.count = warmUp, 0
	if _, err := warm.run(ctx); err != nil {
		return nil, err
	}
	before, err := server.cpu()
	if err != nil {
		return nil, err
	}
	counted, err := l.run(ctx)
	if err != nil {
		return nil, err
	}
	after, err := server.cpu()
	return &sample{counted, after - before}, err
}

// turns is how often the two that are compared take turns, so that what else happens on the
// machine meets both.
const turns = 2

// takeTurns measures both with the same number of senders, in turns.
func (b *bench) takeTurns(ctx context.Context, ours, theirs *process, us, them *installation, connections int) (got, base *sample, err error) {
	got, base = &sample{tally: newTally()}, &sample{tally: newTally()}
	for range turns {
		for _, one := range []struct {
			sum    *sample
			server *process
			in     *installation
		}{{base, theirs, them}, {got, ours, us}} {
			l := one.in.load(connections)
			l.duration = b.Duration / turns
			measured, err := measure(ctx, one.server, l)
			if err != nil {
				return nil, nil, err
			}
			one.sum.merge(measured.tally)
			one.sum.server += measured.server
		}
	}
	return got, base, nil
}

// ingest measures how many webhooks a second become durable, for several numbers of senders.
func (b *bench) ingest(ctx context.Context) error {
	return b.durable(ctx, "ingest", b.Connections, -1)
}

// slowSync is what is added to each sync of the disk where it is to be slow.
const slowSync = time.Millisecond

// fewSenders is the number of senders where one number must do.
const fewSenders = 64

// fsync measures the same where every sync takes a millisecond more, and what it costs to add
// nothing.
func (b *bench) fsync(ctx context.Context) error {
	if err := b.addNothing(ctx); err != nil {
		return err
	}
	return b.durable(ctx, "fsync+1ms", b.Connections, slowSync)
}

// durable compares a receiver with its broker to the roofline, both running all the while and
// taking turns.
func (b *bench) durable(ctx context.Context, part string, connections []int, slow time.Duration) error {
	defer b.release()
	var server, base *process
	ours, err := b.startSlow(ctx, roleIngest, slow, &server)
	if err != nil {
		return err
	}
	roofline, err := b.startSlow(ctx, roleRoofline, slow, &base)
	if err != nil {
		return err
	}
	for _, n := range connections {
		b.say("%s: %d connections, %v each", part, n, b.Duration)
		got, least, err := b.takeTurns(ctx, server, base, ours, roofline, n)
		if err != nil {
			return err
		}
		b.say("%s: %d connections: %.0f/s, roofline %.0f/s", part, n, got.perSecond(), least.perSecond())
		b.durableRows(part, fmt.Sprintf("%d connections", n), got, least)
	}
	if slow < 0 {
		return nil
	}
	return errors.Join(heldUp(server), heldUp(base))
}

func (b *bench) startSlow(ctx context.Context, role string, slow time.Duration, server **process) (*installation, error) {
	in, err := b.install(role)
	if err != nil {
		return nil, err
	}
	in.slow = slow
	*server, _, err = in.start(ctx, role)
	return in, err
}

func (b *bench) durableRows(part, name string, got, base *sample) {
	row := func(figure, unit string, value, baseline float64, less bool) {
		b.report.figure(Row{Part: part, Case: name, Figure: figure, Unit: unit, Value: value, Baseline: baseline, Against: againstRoofline, LessIsBetter: less})
	}
	row("durable", "1/s", got.perSecond(), base.perSecond(), false)
	for _, q := range quantiles(got.latency, base.latency) {
		row(fmt.Sprintf("p%v", q), "ms", quantile(got.latency, q), quantile(base.latency, q), true)
	}
	row("server CPU", "µs each", got.each(got.server), base.each(base.server), true)
	row("generator CPU", "µs each", got.each(got.cpu), base.each(base.cpu), true)
	if got.failed()+base.failed() > 0 {
		row("not answered with 200", "requests", float64(got.failed()), float64(base.failed()), true)
		b.report.note("%s, %s: of %d requests %d were not answered with 200 (%s), of the baseline's %d %d (%s).",
			part, name, got.sent(), got.failed(), orNone(got.failures()), base.sent(), base.failed(), orNone(base.failures()))
	}
}

func orNone(list string) string {
	if list == "" {
		return "none"
	}
	return strings.TrimSpace(list)
}
