package simulator

import (
	"context"
	"sync"
	"time"
)

// API is where the read API is, and how to ask it.
type API struct {
	URL   string // without a slash in the end
	Token string // empty where none is needed
	// Patience is how long to wait while not one more verification becomes what it must be.
	Patience time.Duration
}

// Verified is what the API says of the verifications of the stories that are complete.
type Verified struct {
	Checked   int `json:"checked"`
	Different int `json:"different"`
	// Differences are the first of them.
	Differences []Difference `json:"differences"`
}

// Difference is a verification that is not what it must be.
type Difference struct {
	ID   string `json:"id"`
	Want string `json:"want"`
	Got  string `json:"got"`
}

const (
	// maxDifferences is how many differences are shown; they mostly have one cause.
	maxDifferences = 20
	// batch is how many verifications are looked at again and again at a time, so that the
	// questions do not slow down what they wait for.
	batch = 256
	// The pauses between two looks at a batch.
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
)

// target is a verification to look at: an expectation of a story.
type target struct{ story, want int }

// verifying is the state of a verification of all stories.
type verifying struct {
	*simulation
	result  *Verified
	wrong   []target
	settled bool // nothing has changed for so long that nothing will
}

// verify asks for every verification until each is what it must be, or not one more has
// become so for too long.
func (s *simulation) verify(ctx context.Context) *Verified {
	v := &verifying{simulation: s, result: &Verified{Differences: []Difference{}}}
	var next []target
	for t := range s.targets {
		if next = append(next, t); len(next) == batch {
			v.settle(ctx, next)
			next = nil
		}
	}
	v.settle(ctx, next)
	// What was given up early has had the time of all others since.
	v.wrong = s.look(ctx, v.wrong)
	v.result.Different = len(v.wrong)
	for _, t := range v.wrong[:min(len(v.wrong), maxDifferences)] {
		// What has become right in between is shown too: it came too late.
		_, difference := s.ask(ctx, t)
		v.result.Differences = append(v.result.Differences, difference)
	}
	return v.result
}

// settle looks at a batch until all of it is right. Once it has run out of patience, it looks
// at each batch once.
func (v *verifying) settle(ctx context.Context, targets []target) {
	v.result.Checked += len(targets)
	progress, pause := time.Now(), firstPause
	for {
		left := v.look(ctx, targets)
		if len(left) < len(targets) {
			progress = time.Now()
		}
		targets = left
		if len(targets) > 0 && time.Since(progress) >= v.cfg.API.Patience {
			v.settled = true
		}
		if len(targets) == 0 || v.settled || !sleepUntil(ctx, time.Now().Add(pause)) {
			v.wrong = append(v.wrong, targets...)
			return
		}
		pause = min(2*pause, lastPause)
	}
}

// targets goes through the verifications of the stories that are complete.
func (s *simulation) targets(yield func(target) bool) {
	for n, missing := range s.missing {
		if missing > 0 {
			continue
		}
		_, story := s.story(n)
		for i := range story.Want {
			if !yield(target{n, i}) {
				return
			}
		}
	}
}

// look asks for all targets, as many at once as there are connections, and returns those that
// are not what they must be.
func (s *simulation) look(ctx context.Context, targets []target) []target {
	var mu sync.Mutex
	var wrong []target
	queue := make(chan target)
	var workers sync.WaitGroup
	for range min(s.cfg.Connections, len(targets)) {
		workers.Go(func() {
			for t := range queue {
				if right, _ := s.ask(ctx, t); !right {
					mu.Lock()
					wrong = append(wrong, t)
					mu.Unlock()
				}
			}
		})
	}
	for _, t := range targets {
		queue <- t
		s.tally.looked()
	}
	close(queue)
	workers.Wait()
	return wrong
}
