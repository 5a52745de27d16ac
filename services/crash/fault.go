//go:build linux

package crash

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// fault is one thing that goes wrong: it happens, lasts and ends. It returns the roles whose
// processes were started again, and an error only where the harness itself cannot go on.
type fault struct {
	name string
	run  func(r *round, ctx context.Context) (restarted []string, err error)
}

var (
	faultKill    = fault{"kill", (*round).faultKill}
	faultFill    = fault{"fill", (*round).faultFill}
	faultStall   = fault{"stall", (*round).faultStall}
	faultCut     = fault{"cut", (*round).faultCut}
	faultBackup  = fault{"backup", (*round).faultBackup}
	faultRestore = fault{"restore", (*round).faultRestore}
)

// Faults lists what can go wrong, by name. A restore puts back what a backup has copied.
var Faults = []string{faultKill.name, faultFill.name, faultStall.name, faultCut.name, faultBackup.name, faultRestore.name}

// deal returns the faults of the next while, each kind at least once, in a random order. They
// begin with the backup that is put back later.
func (r *round) deal() []fault {
	hand := []fault{faultKill, faultKill, faultFill, faultStall, faultRestore}
	if len(r.in.lines) > 0 {
		hand = append(hand, faultCut, faultCut, faultKill)
	}
	r.random.Shuffle(len(hand), func(i, j int) { hand[i], hand[j] = hand[j], hand[i] })
	return slices.DeleteFunc(append([]fault{faultBackup}, hand...), func(f fault) bool {
		elsewhere := r.cfg.Database != nil && (f.name == faultBackup.name || f.name == faultRestore.name)
		return elsewhere || len(r.cfg.Faults) > 0 && !slices.Contains(r.cfg.Faults, f.name)
	})
}

// between draws a time.
func (r *round) between(least, most time.Duration) time.Duration {
	return least + time.Duration(r.random.Int64N(int64(most-least)))
}

const moment = 300 * time.Millisecond

// outage draws how long something is away: mostly for a moment, sometimes for longer than the
// streams recognise what comes again.
func (r *round) outage() time.Duration {
	if r.random.IntN(3) == 0 {
		return r.between(r.cfg.Window+moment, r.cfg.Window+4*moment)
	}
	return r.between(0, 2*moment)
}

// one draws one of some roles.
func (r *round) one(roles []string) string { return roles[r.random.IntN(len(roles))] }

// faultKill kills one process, sometimes all.
func (r *round) faultKill(ctx context.Context) ([]string, error) {
	roles := []string{r.one(r.in.form.roles)}
	if r.random.IntN(4) == 0 {
		roles = r.in.form.roles
	}
	return roles, r.away(ctx, roles, r.outage(), nil)
}

// away kills roles, does something meanwhile, and starts them again after a pause.
func (r *round) away(ctx context.Context, roles []string, pause time.Duration, meanwhile func() error) error {
	r.tell("kill %v for %v", roles, pause.Round(time.Millisecond))
	r.report.Kills += len(roles)
	if err := r.in.kill(roles...); err != nil {
		return err
	}
	if meanwhile != nil {
		if err := meanwhile(); err != nil {
			return err
		}
	}
	sleep(ctx, pause)
	return r.in.start(roles...)
}

// faultFill lets the disk be full for some time.
func (r *round) faultFill(ctx context.Context) ([]string, error) {
	pause := r.between(1*time.Second, 4*time.Second)
	r.tell("fill the disk for %v (%s)", pause.Round(time.Millisecond), r.in.disk.kind())
	r.report.Fills++
	filled := r.in.running()
	if err := r.in.disk.fill(ctx, filled); err != nil {
		return nil, errors.Join(err, r.in.disk.free(filled))
	}
	sleep(ctx, pause)
	return nil, r.in.disk.free(filled)
}

// faultStall holds up a process, or its syncs.
func (r *round) faultStall(ctx context.Context) ([]string, error) {
	roles := slices.DeleteFunc(slices.Clone(r.in.form.roles), func(role string) bool { return role == roleAPI })
	role, pause, syncsOnly := r.one(roles), r.between(1*time.Second, 4*time.Second), r.random.IntN(3) > 0
	r.report.Stalls++
	for _, p := range r.in.running() {
		if p.role != role {
			continue
		}
		r.tell("stall %s for %v, syncs only: %v", role, pause.Round(time.Millisecond), syncsOnly)
		err := stall(p, pause, syncsOnly)
		if errors.Is(err, errNotTraced) {
			r.tell("%v: it is stopped instead", err)
			err = stall(p, pause, false)
		}
		if err != nil && p.running() {
			return nil, err
		}
	}
	return nil, nil
}

// faultCut cuts services off from the broker, or lets nothing arrive, sometimes killing one of
// them meanwhile: it then begins without a broker.
func (r *round) faultCut(ctx context.Context) ([]string, error) {
	roles := slices.DeleteFunc(slices.Clone(r.in.form.roles), func(role string) bool { return r.in.lines[role] == nil })
	if r.random.IntN(2) == 0 {
		roles = []string{r.one(roles)}
	}
	state, pause, killed := cut, r.between(1*time.Second, 5*time.Second), ""
	if r.random.IntN(3) == 0 {
		state = silent
	}
	if r.random.IntN(3) == 0 {
		killed = r.one(roles)
	}
	r.tell("cut %v for %v, silently: %v", roles, pause.Round(time.Millisecond), state == silent)
	r.report.Cuts++
	for _, role := range roles {
		r.in.lines[role].set(state)
	}
	var restarted []string
	var err error
	if killed != "" {
		restarted = []string{killed}
		err = r.away(ctx, restarted, moment, nil)
	}
	sleep(ctx, pause)
	for _, role := range roles {
		r.in.lines[role].set(whole)
	}
	return restarted, err
}

// databases are the roles that use the databases.
func (r *round) databases() []string {
	return slices.DeleteFunc(slices.Clone(r.in.form.roles), func(role string) bool { return role == roleBroker || role == roleReceiver })
}

func (r *round) backup() string { return filepath.Join(r.dir, "backup") }

// faultBackup copies the databases while nobody uses them.
func (r *round) faultBackup(ctx context.Context) ([]string, error) {
	roles := r.databases()
	return roles, r.away(ctx, roles, 0, func() error {
		return errors.Join(copyFiles(r.in.data(), r.backup(), lifecycleFiles), copyFiles(r.in.data(), r.backup(), readModelFiles))
	})
}

// faultRestore puts the copies in the place of one or both of the databases.
func (r *round) faultRestore(ctx context.Context) ([]string, error) {
	roles := r.databases()
	patterns := [][]string{{lifecycleFiles}, {readModelFiles}, {lifecycleFiles, readModelFiles}}[r.random.IntN(3)]
	r.report.Restores++
	return roles, r.away(ctx, roles, r.outage(), func() error {
		r.tell("restore %v", patterns)
		for _, pattern := range patterns {
			if err := copyFiles(r.backup(), r.in.data(), pattern); err != nil {
				return fmt.Errorf("restore: %w", err)
			}
		}
		return nil
	})
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, pause time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}
