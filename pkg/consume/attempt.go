package consume

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// attempt handles the first event of a lane once.
func (r *run) attempt(ctx context.Context, of *lane, h *held) {
	chosen, err := r.read(h)
	if chosen && err == nil {
		err = safely(func() error { return r.handle(ctx, h.event) })
	}
	if err == nil {
		r.lanes.finish(of, false)
		return
	}
	if ctx.Err() != nil {
		return // It is handed back.
	}
	h.attempts++
	after := backoff(r.config.RetryMin, r.config.RetryMax, h.attempts)
	if errors.Is(err, ErrUndecodable) || isPermanent(err) || r.config.Attempts > 0 && h.attempts >= r.config.Attempts {
		if r.config.GiveUp == nil {
			after = r.config.RetryMax
		} else {
			refused := safely(func() error { return r.config.GiveUp(ctx, h.event, err) })
			if refused == nil {
				r.config.Logger.Warn("event given up", "consumer", r.config.Name, "verification", h.event.ID, "version", h.event.Version,
					"stream", h.event.Stream, "sequence", h.event.Sequence, "attempts", h.attempts, "error", err)
				r.lanes.finish(of, true)
				return
			}
			err = fmt.Errorf("give up: %w (%w)", refused, err)
		}
	}
	if more, ok := r.failures.take(); ok {
		r.config.Logger.Warn("event not handled yet", "consumer", r.config.Name, "verification", h.event.ID, "version", h.event.Version,
			"stream", h.event.Stream, "sequence", h.event.Sequence, "attempts", h.attempts, "again_in", after, "others_since", more, "error", err)
	}
	r.lanes.again(of, after)
}

// read reads an event once, and tells whether it is one to be handled.
func (r *run) read(h *held) (chosen bool, err error) {
	if h.msg == nil {
		return true, nil // The snapshot has chosen.
	}
	if !h.read {
		if err := h.event.decode(r.lanes.delivery(h)); err != nil {
			return false, err
		}
		h.read = true
	}
	return r.config.Filter.matches(&h.event) && !r.known.told(&h.event), nil
}

// safely turns a panic into an error: one event must not end the process for all others.
func safely(do func() error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("panic: %v", reason)
		}
	}()
	return do()
}

// seldom lets one line through each logInterval, and counts the others.
type seldom struct {
	mu    sync.Mutex
	last  time.Time
	since int
}

func (s *seldom) take() (others int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.last) < logInterval {
		s.since++
		return 0, false
	}
	others, s.since, s.last = s.since, 0, time.Now()
	return others, true
}
