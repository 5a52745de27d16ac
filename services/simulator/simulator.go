// Package simulator plays the providers against a running Verdict: it makes up verifications
// by the scenarios of the providers' folders, posts their webhooks with correct signatures,
// and asks the API whether each has come to what its scenario says.
//
// It knows no provider by name. What it sends depends on the seed and the start alone, so a
// run can be made again; how much memory it needs does not depend on the number of
// verifications, but for a byte for each.
package simulator

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// Config is what is played, and how.
type Config struct {
	Players []Player
	// Seed and Start decide what the stories are; all of them have happened before Start.
	Seed  uint64
	Start time.Time
	// Stories is how many are played, 0 for as many as Duration allows.
	Stories  int
	Duration time.Duration
	// Enough, where it is set and closed, lets no new webhooks begin; those that have are gone
	// on with.
	Enough <-chan struct{}
	// Rate is the number of webhooks a second, whatever the answers; latency then counts from
	// when a webhook should have been sent. With 0 each connection sends when it is free.
	Rate        float64
	Connections int
	// Duplicates is the fraction of webhooks that are sent twice, BadSignatures the fraction
	// that a stranger sends as well.
	Duplicates, BadSignatures float64
	// Shuffle sends the webhooks of many stories in a random order.
	Shuffle bool
	// Speed is how many times faster than the provider's the retries come.
	Speed float64
	// API is asked in the end; nil asks nothing.
	API *API
	// Heard, where it is set, is called with every request once its answer is there, or cannot
	// come any more; by several goroutines at a time.
	Heard func(Exchange)
	// Progress, where it is set, is called every ProgressEvery while the run goes on.
	Progress      func(Progress)
	ProgressEvery time.Duration
}

// Player is a provider that takes part.
type Player struct {
	Provider  *provider.Provider
	Scenarios []provider.Scenario // those of it that are played
	Secret    string
	URL       string // with the provider's name and the URL token, as far as the provider's own part
}

// Exchange is one request and what the sender got to know of it.
type Exchange struct {
	Player *Player
	Posted provider.Posted
	// Forged holds where it was signed with a secret that is not the provider's.
	Forged bool
	// Status is that of HTTP, 0 where there was no answer. ID and Result are set where the
	// webhook was taken, Cause where it was not.
	Status            int
	ID, Result, Cause string
	Sent, Answered    time.Time
}

// simulation is one run.
type simulation struct {
	cfg         Config
	cast        []role
	client      *http.Client
	connections chan struct{} // taken for each request
	tally       *tally

	// missing is, for each story, how many of its deliveries have not been taken yet, with
	// untouched added while none has been sent.
	mu      sync.Mutex
	missing []uint8
}

const untouched = 1 << 7

// role is one scenario of one player.
type role struct {
	player   *Player
	scenario provider.Scenario
	// held holds for a scenario with webhooks that come without a signature.
	held bool
}

// heldStories is how many stories of each such scenario are played where there are others: a
// receiver takes a hundred webhooks that nobody vouches for, and then but two a second.
const heldStories = 20

func newRole(p *Player, scenario provider.Scenario) role {
	story := scenario.Make(rand.New(rand.NewPCG(0, 0)), time.Unix(0, 0))
	return role{p, scenario, slices.ContainsFunc(story.Deliveries, func(d provider.Posted) bool {
		return d.Family == provider.FamilyUnsigned
	})}
}

// Run plays until the stories are through, the duration is over or ctx ends, and then asks
// the API, unless ctx has ended. The error is a configuration that cannot be played; what
// went wrong in the run is in the report.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	s := &simulation{cfg: cfg, connections: make(chan struct{}, cfg.Connections), tally: newTally()}
	for i := range cfg.Players {
		p := &cfg.Players[i]
		for _, scenario := range p.Scenarios {
			s.cast = append(s.cast, newRole(p, scenario))
		}
	}
	if err := s.validate(); err != nil {
		return nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: cfg.Connections}
	defer transport.CloseIdleConnections()
	s.client = &http.Client{
		Transport: transport,
		// A webhook is not sent on to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	stop := s.reportProgress(ctx)
	defer stop()
	s.play(ctx)
	report := s.report()
	report.Interrupted = ctx.Err() != nil
	if cfg.API != nil && !report.Interrupted {
		report.Verified = s.verify(ctx)
		if ctx.Err() != nil { // The questions were not answered, so they say nothing.
			report.Interrupted, report.Verified = true, nil
		}
	}
	return report, nil
}

func (s *simulation) validate() error {
	c := &s.cfg
	switch {
	case len(s.cast) == 0:
		return fmt.Errorf("there is nothing to play")
	case c.Stories <= 0 && c.Duration <= 0 && c.Enough == nil:
		return fmt.Errorf("a run needs a number of verifications or a duration")
	case c.Connections <= 0 || c.Rate < 0 || c.Speed <= 0:
		return fmt.Errorf("connections and speed must be above zero, and the rate not below")
	case c.Duplicates < 0 || c.Duplicates > 1 || c.BadSignatures < 0 || c.BadSignatures > 1:
		return fmt.Errorf("a fraction must be from 0 to 1")
	}
	return nil
}

// story makes the story of a number, the same each time.
func (s *simulation) story(n int) (*Player, provider.Story) {
	r := s.role(n)
	source := rand.NewPCG(s.cfg.Seed^uint64(s.cfg.Start.UnixNano()), uint64(n))
	return r.player, r.scenario.Make(rand.New(source), s.cfg.Start)
}

// role is what the story of a number is of: each role in turn.
func (s *simulation) role(n int) role {
	count := len(s.cast)
	for i := range count {
		// What is held often enough leaves its turn to the next.
		if r := s.cast[(n+i)%count]; !r.held || n/count < heldStories {
			return r
		}
	}
	return s.cast[n%count]
}

// planned notes a new story; the stories are numbered from 0 on.
func (s *simulation) planned(deliveries int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missing = append(s.missing, uint8(deliveries)|untouched)
}

// begun notes that something of a story is sent.
func (s *simulation) begun(story int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missing[story] &^= untouched
}

// taken notes that one of the deliveries of a story was taken.
func (s *simulation) taken(story int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missing[story]--
}

// id names the verification of an expectation.
func id(p *provider.Provider, want provider.Expectation) string {
	return verification.NewID(p.Name, want.Kind, want.Reference).String()
}
