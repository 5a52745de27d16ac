package bench

import (
	"context"
	"time"
)

// perWebhooks is what the use of processors is given for.
const perWebhooks = 10_000

// stageCPU measures what each part uses, as processes of their own with a broker, from the
// first webhook until all is in the read model.
func (b *bench) stageCPU(ctx context.Context) error {
	defer b.release()
	var rooflineServer *process
	roofline, err := b.startSlow(ctx, roleRoofline, -1, &rooflineServer)
	if err != nil {
		return err
	}
	l := roofline.load(fewSenders)
	l.duration = b.Duration
	b.say("cpu: roofline, %v", b.Duration)
	base, err := measure(ctx, rooflineServer, l)
	if err != nil {
		return err
	}
	roofline.remove()
	in, err := b.install("cpu")
	if err != nil {
		return err
	}
	for _, role := range []string{roleBroker, roleReceiver, roleLifecycle, roleProjector, roleAPI} {
		if _, _, err := in.start(ctx, role); err != nil {
			return err
		}
	}
	sent := 0
	if err := b.warm(ctx, in, &sent); err != nil {
		return err
	}
	before, err := in.used()
	if err != nil {
		return err
	}
	b.say("cpu: parts as processes of their own, %v and what is left then", b.Duration)
	l = in.load(fewSenders)
	l.duration = b.Duration
	got, err := l.run(ctx)
	if err != nil {
		return err
	}
	sent += got.ok()
	if err := in.drained(ctx, sent); err != nil {
		return err
	}
	after, err := in.used()
	if err != nil {
		return err
	}
	b.cpuRows(in, got, before, after, base)
	return nil
}

// used is the processor time of each process so far.
func (in *installation) used() (map[string]time.Duration, error) {
	used := map[string]time.Duration{}
	for _, p := range in.processes {
		cpu, err := p.cpu()
		if err != nil {
			return nil, err
		}
		used[p.name] = cpu
	}
	return used, nil
}

func (b *bench) cpuRows(in *installation, got *tally, before, after map[string]time.Duration, base *sample) {
	row := func(name string, cpu, baseline time.Duration) {
		b.report.figure(Row{
			Part: "cpu", Case: name, Figure: "CPU", Unit: "s for 10,000", Against: "roofline's server", LessIsBetter: true,
			Value: cpu.Seconds() / float64(max(1, got.ok())) * perWebhooks, Baseline: baseline.Seconds() / float64(max(1, base.ok())) * perWebhooks,
		})
	}
	all := time.Duration(0)
	for _, p := range in.processes {
		used := after[p.name] - before[p.name]
		all += used
		row(p.name, used, base.server)
	}
	row("all of these", all, base.server)
	// What is asked while all is waited for is not the generator's.
	row("generator", got.cpu, base.server)
}
