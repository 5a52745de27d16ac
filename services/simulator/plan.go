package simulator

import (
	"math/rand/v2"
	"slices"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// chapter is how many stories are planned at once, and mixed where the order is random.
const chapter = 1024

// job is some deliveries of one story, each of which is sent when the one before is through.
type job []step

// step is one delivery.
type step struct {
	player *Player
	story  int
	posted provider.Posted
	// extra deliveries do not count: the story has them once already.
	extra bool
	// twin holds for a delivery that is sent twice at once.
	twin bool
	// forged holds for a delivery that is signed with a secret which is not the provider's.
	forged bool
}

// posts is how many requests the job is, without retries.
func (j job) posts() int {
	n := 0
	for i := range j {
		n += j[i].posts()
	}
	return n
}

// posts is how many requests the step is.
func (s *step) posts() int {
	if s.twin {
		return 2
	}
	return 1
}

// plan says what is sent in which order. It is used by one goroutine.
type plan struct {
	s      *simulation
	random *rand.Rand
	next   int // story
	jobs   []job
}

func (s *simulation) newPlan() *plan {
	return &plan{s: s, random: rand.New(rand.NewPCG(s.cfg.Seed, 0))}
}

// job returns the next job, false where the stories are through.
func (p *plan) job() (job, bool) {
	if len(p.jobs) == 0 {
		p.plan()
	}
	if len(p.jobs) == 0 {
		return nil, false
	}
	first := p.jobs[0]
	p.jobs = p.jobs[1:]
	return first, true
}

// plan plans the next chapter.
func (p *plan) plan() {
	p.jobs = nil
	for range chapter {
		if p.s.cfg.Stories > 0 && p.next >= p.s.cfg.Stories {
			break
		}
		p.add(p.next)
		p.next++
	}
	if p.s.cfg.Shuffle {
		p.random.Shuffle(len(p.jobs), func(i, j int) { p.jobs[i], p.jobs[j] = p.jobs[j], p.jobs[i] })
	}
}

// add plans one story. Its deliveries are one job where their order matters, or is to be
// kept: a copy then comes behind what it is one of.
func (p *plan) add(n int) {
	player, story := p.s.story(n)
	p.s.planned(len(story.Deliveries))
	var steps, copies []step
	for _, posted := range story.Deliveries {
		one := step{player: player, story: n, posted: posted}
		if p.random.Float64() < p.s.cfg.Duplicates {
			if p.random.IntN(2) == 0 {
				one.twin = true
			} else {
				again := one
				again.extra = true
				copies = append(copies, again)
			}
		}
		steps = append(steps, one)
	}
	apart := p.s.cfg.Shuffle && !story.Ordered
	for _, again := range copies {
		at := len(steps)
		if !apart {
			original := slices.IndexFunc(steps, func(s step) bool { return &s.posted.Body[0] == &again.posted.Body[0] })
			at = original + 1 + p.random.IntN(len(steps)-original)
		}
		steps = slices.Insert(steps, at, again)
	}
	if apart {
		for _, one := range steps {
			p.jobs = append(p.jobs, job{one})
		}
	} else {
		p.jobs = append(p.jobs, steps)
	}
	for _, posted := range story.Deliveries {
		if p.random.Float64() < p.s.cfg.BadSignatures {
			p.jobs = append(p.jobs, job{{player: player, story: n, posted: posted, extra: true, forged: true}})
		}
	}
}
