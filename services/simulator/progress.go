package simulator

import (
	"context"
	"fmt"
	"time"
)

// Progress is how far a run is.
type Progress struct {
	Counts
	Latency Latency
	Elapsed time.Duration
	// Looked is how often the API was asked for a verification.
	Looked int
}

// String is the progress in one line.
func (p Progress) String() string {
	if p.Looked > 0 {
		return fmt.Sprintf("%4.0fs  verifying: %d looked at", p.Elapsed.Seconds(), p.Looked)
	}
	refused := 0
	for _, n := range p.Refused {
		refused += n
	}
	return fmt.Sprintf("%4.0fs  %d sent (%.0f/s)  %d accepted  %d duplicate  %d refused  %d retried  p99 %s",
		p.Elapsed.Seconds(), p.Sent, float64(p.Sent)/p.Elapsed.Seconds(), p.Accepted, p.Duplicate, refused, p.Retried, p.Latency.P99)
}

// reportProgress calls the configured function until the returned one is called.
func (s *simulation) reportProgress(ctx context.Context) (stop func()) {
	if s.cfg.Progress == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(s.cfg.ProgressEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				s.cfg.Progress(s.tally.progress())
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}
