package simulator

import (
	"context"
	"time"
)

// leastPause is what is left of a pause at least, so that a receiver that is away for a
// moment is not given up before it is back.
const leastPause = 100 * time.Millisecond

// deliver sends one delivery as often as its provider would. What ctx ends is neither taken
// nor failed.
func (s *simulation) deliver(ctx context.Context, one step, intended time.Time, connected bool) {
	retries := &one.player.Provider.Retries
	timeout := retries.Timeout
	for attempt := 0; ; attempt++ {
		if !connected && !take(ctx, s.connections) {
			return
		}
		if s.cfg.Rate == 0 {
			intended = time.Now() // Nobody said when, so waiting for a connection does not count.
		}
		sent := time.Now()
		given := s.post(one, timeout)
		<-s.connections
		s.heard(one, given, sent)
		connected = false
		s.tally.count(one, given, time.Since(intended))
		switch {
		case one.forged:
			return
		case given.taken():
			if !one.extra {
				s.taken(one.story)
			}
			return
		case attempt == len(retries.After), given.status != 0 && !retries.Again(given.status):
			s.tally.failed()
			return
		}
		intended = time.Now().Add(s.pause(retries.After[attempt]))
		if !sleepUntil(ctx, intended) {
			return
		}
		s.tally.retried()
		timeout = retries.LaterTimeout
	}
}

// heard tells who listens.
func (s *simulation) heard(one step, given answer, sent time.Time) {
	if s.cfg.Heard == nil {
		return
	}
	e := Exchange{
		Player: one.player, Posted: one.posted, Forged: one.forged, Status: given.status, Cause: given.cause,
		Sent: sent, Answered: time.Now(),
	}
	if given.taken() {
		e.ID, e.Result = given.id, given.result
	}
	s.cfg.Heard(e)
}

// pause is the provider's pause at the speed of the simulation.
func (s *simulation) pause(d time.Duration) time.Duration {
	return max(time.Duration(float64(d)/s.cfg.Speed), min(d, leastPause))
}
