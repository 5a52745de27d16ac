package bus

import (
	"sync"
	"time"
)

// pause keeps a consumer from asking for messages that it cannot handle now. Each pause that follows another without a success between is longer.
type pause struct {
	base, longest time.Duration

	mu     sync.Mutex
	until  time.Time
	streak int
}

// begin starts a pause, or joins the one that is running, and returns how long it lasts from now.
func (p *pause) begin() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !now.Before(p.until) {
		p.streak++
		p.until = now.Add(backoff(p.base, p.longest, p.streak))
	}
	return p.until.Sub(now)
}

// end says that something succeeded: work goes on at once.
func (p *pause) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streak, p.until = 0, time.Time{}
}

// left is how long the pause still lasts.
func (p *pause) left() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Until(p.until)
}
