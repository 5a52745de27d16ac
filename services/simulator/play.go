package simulator

import (
	"context"
	"sync"
	"time"
)

// maxUnderWay bounds the jobs that have begun: those that wait for a free connection and
// those that wait for their next try. Beyond it nothing new begins.
const maxUnderWay = 10_000

// ahead is how many jobs are planned before they are needed.
const ahead = 4 * chapter

// play sends everything that is planned and returns when all of it is through.
func (s *simulation) play(ctx context.Context) {
	var jobs sync.WaitGroup
	defer jobs.Wait()
	planning, stop := context.WithCancel(ctx)
	defer stop()
	planned := make(chan job, ahead)
	jobs.Go(func() { s.plan(planning, planned) })
	underWay := make(chan struct{}, maxUnderWay)
	var begun time.Time
	var table *timetable
	for next := range planned {
		select {
		case <-s.cfg.Enough:
			return
		default:
		}
		due := slots{first: time.Now()}
		if begun.IsZero() {
			begun = due.first
			table = newTimetable(begun, s.cfg.Rate)
		}
		if s.cfg.Rate > 0 {
			due = table.enter(next.posts())
		}
		if s.cfg.Duration > 0 && due.first.Sub(begun) >= s.cfg.Duration || !sleepUntil(ctx, due.first) {
			return
		}
		if !take(ctx, underWay) {
			return
		}
		connected := s.cfg.Rate == 0
		if connected && !take(ctx, s.connections) {
			return
		}
		jobs.Go(func() {
			defer func() { <-underWay }()
			s.run(ctx, next, due, connected)
		})
	}
}

// plan makes the jobs ahead of time: what is sent must not wait for it.
func (s *simulation) plan(ctx context.Context, planned chan<- job) {
	defer close(planned)
	plan := s.newPlan()
	for {
		next, ok := plan.job()
		if !ok {
			return
		}
		select {
		case planned <- next:
		case <-ctx.Done():
			return
		}
	}
}

// run sends the deliveries of a job, each as soon as the one before is through, and not before
// it is due: how late it is for that counts. Where it is connected, it has a connection to
// begin with.
func (s *simulation) run(ctx context.Context, j job, due slots, connected bool) {
	s.begun(j[0].story)
	nth := 0
	for _, one := range j {
		intended := due.at(nth)
		if !sleepUntil(ctx, intended) {
			return
		}
		nth += one.posts()
		var twin sync.WaitGroup
		if one.twin {
			again := one
			again.extra = true
			twin.Go(func() { s.deliver(ctx, again, intended, false) })
		}
		s.deliver(ctx, one, intended, connected)
		twin.Wait()
		connected = false
	}
}

// take takes a place, false where ctx ends before one is free.
func take(ctx context.Context, places chan struct{}) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// sleepUntil returns false where ctx ends before.
func sleepUntil(ctx context.Context, t time.Time) bool {
	pause := time.Until(t)
	if pause <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
