//go:build linux

package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/services/simulator"
)

// round is one installation from its first start to the check.
type round struct {
	cfg    *Config
	in     *installation
	dir    string
	random *rand.Rand
	ledger ledger
	bus    *bus.Bus
	report *Report
	begun  time.Time     // when the first webhook was due
	length time.Duration // how long things go wrong
	found  findings
}

const (
	// recoverWithin is how long all may take to work again once nothing is wrong any more.
	recoverWithin = 30 * time.Second
	// playWithin is how long the senders may go on to try again, and the verifications to become
	// right, once all works again.
	playWithin = 60 * time.Second
	// drainWithin is how long all that was accepted may take to come to its outcome.
	drainWithin = 60 * time.Second
	pollPause   = 50 * time.Millisecond
	// looks is how often the evidence is collected before a finding stands: the streams and
	// the tables are read one after the other.
	looks     = 3
	lookPause = 2 * time.Second
)

// play runs one round. Its error is what kept the harness from finding out anything.
func play(ctx context.Context, cfg *Config, form Form, seed uint64, length time.Duration, report *Report) (found []Finding, err error) {
	dir := filepath.Join(cfg.Dir, fmt.Sprintf("%02d-%s-%d", report.Rounds, form.Name, seed))
	r := &round{cfg: cfg, dir: dir, random: rand.New(rand.NewPCG(seed, 1)), report: report, begun: time.Now(), length: length}
	if r.in, err = newInstallation(form, cfg, seed, dir); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.in.close()) }()
	if err := r.in.start(form.roles...); err != nil {
		return nil, err
	}
	if err := r.await(ctx, "the first start", func() error { return r.in.ready(ctx, form.roles...) }); err != nil {
		return nil, err
	}
	if r.bus, err = bus.Connect(ctx, bus.Config{
		URL: natsURL(r.in.settings["VERDICT_NATS_ADDR"]), Name: "crash", Logger: slog.New(slog.DiscardHandler),
	}); err != nil {
		return nil, err
	}
	defer r.bus.Close()

	r.begun = time.Now()
	told, err := r.load(ctx, seed)
	if err != nil {
		return r.found, err
	}
	_, gap := r.ledger.snapshot()
	report.Outage = max(report.Outage, gap)
	r.tell("all is played and looked at")
	if told != nil {
		r.told(told)
	}
	if err := r.probe(ctx, seed+1); err != nil {
		return r.found, err
	}
	if err := r.settle(ctx); err != nil {
		return r.found, err
	}
	if err := r.in.stop(); err != nil {
		r.found.add(Stuck, "%v", err)
	}
	return r.found, r.keep()
}

// load plays while things go wrong, and for as long as the senders try again. The report is nil
// where they had to be stopped.
func (r *round) load(ctx context.Context, seed uint64) (*simulator.Report, error) {
	playing, stop := context.WithCancel(ctx)
	defer stop()
	enough, ended := make(chan struct{}), make(chan error, 1)
	var report *simulator.Report
	go func() {
		c := r.simulation(seed)
		c.Enough = enough
		var err error
		report, err = simulator.Run(playing, c)
		ended <- err
	}()
	faultErr := r.faults(ctx)
	close(enough)
	giveUp := time.AfterFunc(playWithin, stop)
	err := errors.Join(<-ended, faultErr, ctx.Err())
	if err == nil && !giveUp.Stop() {
		r.found.add(Stuck, "%v after the last fault webhooks are still not taken, or verifications not right%s", playWithin, r.tails())
		return nil, nil
	}
	return report, err
}

// simulation is what is played.
func (r *round) simulation(seed uint64) simulator.Config {
	c := simulator.Config{
		Seed: seed, Start: r.begun, Rate: r.cfg.Rate, Connections: connections,
		Duplicates: 0.1, BadSignatures: 0.05, Shuffle: true, Speed: retrySpeed,
		API:   &simulator.API{URL: r.in.api(), Token: adminToken, Patience: recoverWithin},
		Heard: r.ledger.heard,
	}
	for i := range r.in.providers {
		p := &r.in.providers[i]
		c.Players = append(c.Players, simulator.Player{Provider: p, Scenarios: p.Scenarios, Secret: secretOf(p.Name), URL: r.in.webhooks() + p.Name})
	}
	return c
}

const (
	connections = 32
	// retrySpeed lets the providers' retries outlast the faults, and end soon behind them.
	retrySpeed = 300
)

// faults lets things go wrong until the time is over, and each time waits until all is well
// again.
func (r *round) faults(ctx context.Context) error {
	var hand []fault
	for {
		sleep(ctx, r.between(moment, 4*moment))
		if ctx.Err() != nil || time.Since(r.begun) > r.length {
			return ctx.Err()
		}
		if len(hand) == 0 {
			hand = r.deal()
		}
		if len(hand) == 0 {
			continue
		}
		f := hand[0]
		hand = hand[1:]
		r.ledger.during(f.name)
		restarted, err := f.run(r, ctx)
		if err != nil {
			return err
		}
		ended := time.Now()
		if err := r.recovered(ctx, f, ended, restarted); err != nil {
			return err
		}
		r.ledger.during("")
	}
}

// recovered waits until webhooks of every provider are taken and become visible again. What
// does not come back by itself is a finding; then everything is started again.
func (r *round) recovered(ctx context.Context, f fault, ended time.Time, restarted []string) error {
	err := r.await(ctx, f.name, func() error { return r.in.ready(ctx, r.in.form.roles...) })
	if err == nil && len(restarted) > 0 {
		r.report.Ready = append(r.report.Ready, time.Since(ended))
	}
	if err == nil {
		err = r.await(ctx, f.name, func() error { return r.visible(ctx, ended) })
	}
	if err == nil {
		r.report.Visible[f.name] = append(r.report.Visible[f.name], time.Since(ended))
	}
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	r.found.add(Stuck, "%v after: %s: %v%s", time.Since(ended).Round(time.Second), f.name, err, r.tails())
	r.tell("not recovered: %v; all is started again", err)
	if err := errors.Join(r.in.kill(r.in.form.roles...), r.in.start(r.in.form.roles...)); err != nil {
		return err
	}
	return r.await(ctx, "a start of everything", func() error { return r.in.ready(ctx, r.in.form.roles...) })
}

// visible returns nil where a webhook that was sent behind a time was taken, and every
// provider has a verification that was changed behind it.
func (r *round) visible(ctx context.Context, since time.Time) error {
	if !r.ledger.keptSince(since) {
		return errors.New("no webhook is taken")
	}
	for _, p := range r.in.providers {
		body, err := r.in.get(ctx, r.in.api()+"/v1/verifications?limit=1&provider="+p.Name+"&updated_since="+url.QueryEscape(since.UTC().Format(time.RFC3339Nano)))
		if err != nil {
			return err
		}
		var page struct{ Data []json.RawMessage }
		if err := json.Unmarshal(body, &page); err != nil {
			return err
		}
		if len(page.Data) == 0 {
			return fmt.Errorf("nothing of %s becomes visible", p.Name)
		}
	}
	return nil
}

// await repeats do until it returns nil, for as long as recovering may take. Meanwhile it
// starts again what has ended by itself, as a supervisor does.
func (r *round) await(ctx context.Context, what string, do func() error) error {
	begun := time.Now()
	for {
		for _, p := range r.in.died() {
			r.found.add(Died, "%s, during: %s: %v\n    %s", p.role, what, p.cmd.ProcessState, p.tail())
			r.tell("%s has ended by itself", p.role)
			if err := r.in.start(p.role); err != nil {
				return err
			}
		}
		err := do()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(begun) > recoverWithin {
			return err
		}
		sleep(ctx, pollPause)
	}
}

// told takes over what the simulator has found.
func (r *round) told(report *simulator.Report) {
	r.report.GivenUp += report.Failed
	if report.Verified == nil {
		return
	}
	r.report.Verified += report.Verified.Checked
	for _, d := range report.Verified.Differences {
		r.found.add(Wrong, "%s: its scenario wants %s, the API says %s", d.ID, d.Want, d.Got)
	}
}

// probe plays every scenario once more now that nothing goes wrong: all of it must come through.
func (r *round) probe(ctx context.Context, seed uint64) error {
	c := r.simulation(seed)
	c.Rate = 0
	for _, p := range c.Players {
		c.Stories = max(c.Stories, len(c.Players)*len(p.Scenarios))
	}
	report, err := simulator.Run(ctx, c)
	if err != nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	if report.Complete != report.Stories {
		r.found.add(Stuck, "in the end %d of %d stories did not come through: %v%s", report.Stories-report.Complete, report.Stories, report.Refused, r.tails())
	}
	r.told(report)
	return nil
}

// settle waits for the outcomes and checks.
func (r *round) settle(ctx context.Context) error {
	begun := time.Now()
	for {
		err := r.drained(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(begun) > drainWithin {
			r.found.add(Stuck, "%v after the last webhook: %v%s", drainWithin, err, r.tails())
			break
		}
		sleep(ctx, pollPause)
	}
	r.tell("everything has its outcome")
	var found []Finding
	for look := range looks {
		if look > 0 {
			sleep(ctx, lookPause)
		}
		evidence, err := r.collect(ctx)
		if err != nil {
			return err
		}
		if found = Check(evidence); len(found) == 0 || look == looks-1 {
			r.report.take(evidence)
			break
		}
	}
	r.tell("checked")
	r.found = append(r.found, found...)
	return nil
}

// keep removes the round's directory, or writes down there what was found.
func (r *round) keep() error {
	if len(r.found) == 0 {
		return errors.Join(r.in.disk.close(), os.RemoveAll(r.dir))
	}
	written := ""
	for _, f := range r.found {
		written += string(f.Count) + ": " + f.What + "\n"
	}
	return os.WriteFile(filepath.Join(r.dir, "findings.txt"), []byte(written), 0o600)
}

func (r *round) tails() string {
	text := ""
	for _, p := range r.in.all() {
		text += "\n    [" + p.role + "] " + p.tail()
	}
	return text
}

// tell writes what happens now.
func (r *round) tell(format string, args ...any) {
	fmt.Fprintf(r.cfg.Log, "%s %6.1fs  %s\n", r.in.form.Name, time.Since(r.begun).Seconds(), fmt.Sprintf(format, args...))
}
