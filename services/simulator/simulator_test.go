package simulator

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// playing is a run of all scenarios, several times each, with all that goes wrong on the way.
func playing(p *peer) Config {
	cfg := Config{
		Players: p.players(), Seed: rand.Uint64(), Start: time.Now(), Connections: 8, Speed: 1e9,
		Duplicates: 0.3, BadSignatures: 0.2, Shuffle: true, API: &API{URL: p.URL, Patience: time.Minute},
	}
	for _, one := range cfg.Players {
		cfg.Stories += 3 * len(one.Scenarios)
	}
	return cfg
}

func run(t *testing.T, cfg Config) *Report {
	t.Helper()
	report, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("seed %d, start %s", cfg.Seed, cfg.Start.Format(time.RFC3339Nano))
	return report
}

func TestRun(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"shuffled":  func(*Config) {},
		"in order":  func(c *Config) { c.Shuffle = false },
		"at a rate": func(c *Config) { c.Rate = 1e6 },
		"alone":     func(c *Config) { c.Connections = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, faults{})
			cfg := playing(p)
			change(&cfg)
			r := run(t, cfg)
			if err := r.Err(); err != nil {
				t.Errorf("%v: %+v", err, r.Verified.Differences)
			}
			if r.Stories != cfg.Stories || r.Complete != r.Stories || r.Verified.Checked < r.Stories {
				t.Errorf("%d stories, %d complete, %d verifications", r.Stories, r.Complete, r.Verified.Checked)
			}
			if r.Accepted+r.Held != len(p.received) || r.Sent != p.requests || r.Sent != r.Accepted+r.Duplicate+r.Ignored+r.Held+r.Forged.Refused {
				t.Errorf("%d bodies and %d requests were received, report: %+v", len(p.received), p.requests, r.Counts)
			}
			if r.Ignored == 0 || r.Held == 0 || r.Duplicate == 0 || r.Forged.Sent == 0 || r.Forged.Refused != r.Forged.Sent || r.Refused["bad_signature"] != r.Forged.Sent {
				t.Errorf("nothing went wrong on the way: %+v", r.Counts)
			}
		})
	}
}

// TestRunAtARate has one slow answer hold up all webhooks that should have been sent meanwhile:
// their latency counts from when they should have been sent, and so cannot be below that.
func TestRunAtARate(t *testing.T) {
	const slow = 100 * time.Millisecond
	cfg := playing(newPeer(t, faults{slow: slow}))
	cfg.Rate, cfg.Connections, cfg.API = 1e6, 1, nil
	if r := run(t, cfg); time.Duration(r.Latency.P50) < slow/2 {
		t.Errorf("latency %+v", r.Latency)
	}
}

// TestRunAtARateKeepsStories has the first answer of a story held up for longer than its next
// webhooks are apart. They wait for it, since the order matters, and that they are late counts.
func TestRunAtARateKeepsStories(t *testing.T) {
	const slow = 4 * between
	p := newPeer(t, faults{slow: slow})
	cfg := Config{Seed: 1, Start: time.Now(), Stories: 1, Rate: 1e6, Connections: 8, Speed: 1}
	for _, one := range p.players() {
		for _, scenario := range one.Scenarios {
			if _, story := one, scenario.Make(rand.New(rand.NewPCG(0, 0)), time.Now()); len(story.Deliveries) == 3 {
				one.Scenarios = []provider.Scenario{scenario}
				cfg.Players = []Player{one}
			}
		}
	}
	var mu sync.Mutex
	var heard []Exchange
	cfg.Heard = func(e Exchange) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, e)
	}
	r := run(t, cfg)
	// The second was due one pause after the first, the third two.
	if want := slow - between; r.Sent != 3 || time.Duration(r.Latency.P50) < want || time.Duration(r.Latency.Max) < slow {
		t.Errorf("latency %+v of %d, want the half to be %v late", r.Latency, r.Sent, want)
	}
	for i := 1; i < len(heard); i++ {
		if heard[i].Sent.Before(heard[i-1].Answered) {
			t.Errorf("webhook %d was sent before the one before it was answered", i+1)
		}
	}
}

// TestTimetable checks that no two requests have one slot, that none is left out while there
// are jobs, and that those of one job are apart.
func TestTimetable(t *testing.T) {
	const rate, jobs = 1000, 500
	begun := time.Unix(0, 0)
	table := newTimetable(begun, rate)
	taken := map[time.Duration]int{}
	var last time.Time
	for i := range jobs {
		posts := 1 + i%4
		due := table.enter(posts)
		if due.first.Before(last) {
			t.Fatalf("job %d begins before the one before", i)
		}
		last = due.first
		if due.apart < between {
			t.Errorf("job %d has its requests %v apart", i, due.apart)
		}
		for n := range posts {
			taken[due.at(n).Sub(begun).Round(time.Second/rate)]++
		}
	}
	for slot := time.Duration(0); slot <= last.Sub(begun); slot += time.Second / rate {
		if taken[slot] != 1 {
			t.Fatalf("at %v there are %d requests", slot, taken[slot])
		}
	}
}

// TestRunHoldsFew plays what is held no more often than a receiver takes it at once.
func TestRunHoldsFew(t *testing.T) {
	p := newPeer(t, faults{})
	cfg := playing(p)
	cfg.Duplicates, cfg.BadSignatures, cfg.API = 0, 0, nil
	cfg.Players = slices.DeleteFunc(cfg.Players, func(one Player) bool { return !one.Provider.Unsigned })
	for i := range cfg.Players {
		scenarios := cfg.Players[i].Scenarios
		cfg.Players[i].Scenarios = scenarios[max(0, len(scenarios)-3):]
	}
	cfg.Stories = 3 * (heldStories + 30)
	if r := run(t, cfg); r.Held != heldStories || r.Complete != cfg.Stories {
		t.Errorf("%d are held of %d stories: %+v", r.Held, r.Complete, r.Counts)
	}
}

// TestRunRetries lets the receiver be away for a while: everything arrives in the end.
func TestRunRetries(t *testing.T) {
	p := newPeer(t, faults{busy: 40, hangUp: 7})
	r := run(t, playing(p))
	if err := r.Err(); err != nil {
		t.Errorf("%v: %+v", err, r.Verified.Differences)
	}
	f := r.Forged
	if r.Refused["unavailable"] != 40 || r.Refused[causeNoAnswer] == 0 || r.Retried == 0 || f.Unanswered == 0 || f.Sent != f.Refused+f.Unanswered {
		t.Errorf("report: %+v", r.Counts)
	}
}

// Of two copies the one that came first may be handled last: the events say so, and are what they must be.
func TestRunTakesCopiesInAnyOrder(t *testing.T) {
	r := run(t, playing(newPeer(t, faults{overtaken: true})))
	if r.Verified.Checked == 0 || r.Verified.Different > 0 {
		t.Errorf("verified: %+v", r.Verified)
	}
}

func TestRunFinds(t *testing.T) {
	for name, test := range map[string]struct {
		faults faults
		change func(*Config)
		check  func(*Report) bool
		want   string
	}{
		"bad signatures that are accepted": {
			faults{trusting: true},
			func(*Config) {},
			func(r *Report) bool { return r.Forged.Accepted == r.Forged.Sent && r.Verified.Different == 0 }, "with a bad signature were accepted",
		},
		"bad signatures that are refused for another reason": {
			faults{refusal: "unknown_provider"},
			func(*Config) {},
			func(r *Report) bool { return r.Forged.RefusedOtherwise == r.Forged.Sent && r.Forged.Refused == 0 }, "were refused with another status or cause",
		},
		"webhooks that are accepted and must not be": {
			faults{unlike: true},
			func(*Config) {},
			func(r *Report) bool { return r.Unexpected > 0 && r.Ignored == 0 && r.Held == 0 }, "were not answered with what they must be",
		},
		"events that are doubled": {
			faults{doubled: true},
			func(c *Config) { c.API.Patience, c.Duplicates, c.Shuffle = time.Millisecond, 0, false },
			func(r *Report) bool { return r.Verified.Different == r.Verified.Checked }, "verifications are not what they must be",
		},
		"events that are doubled among duplicates": {
			faults{doubled: true},
			func(c *Config) { c.API.Patience = time.Millisecond },
			func(r *Report) bool {
				return r.Verified.Different == r.Verified.Checked && strings.Contains(r.Verified.Differences[0].Got, "announce a signal again")
			}, "verifications are not what they must be",
		},
		"effects that are lost": {
			faults{forgetful: true},
			func(c *Config) { c.API.Patience = time.Millisecond },
			func(r *Report) bool {
				v := r.Verified
				return v.Different == v.Checked && len(v.Differences) == maxDifferences && v.Differences[0].Got == "is not there"
			}, "verifications are not what they must be",
		},
		"a receiver that takes nothing": {
			faults{refusedAlike: http.StatusTeapot},
			func(*Config) {},
			func(r *Report) bool {
				return r.Complete == 0 && r.Refused["status_418"] == r.Sent && r.Verified.Checked == 0
			}, "were given up",
		},
		"a receiver that says nothing": {
			faults{refusedAlike: http.StatusOK},
			func(*Config) {},
			func(r *Report) bool { return r.Complete == 0 && r.Refused["status_200"] == r.Sent }, "were given up",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := playing(newPeer(t, test.faults))
			test.change(&cfg)
			r := run(t, cfg)
			if err := r.Err(); err == nil || !strings.Contains(err.Error(), test.want) || !test.check(r) {
				t.Errorf("error %v, report %+v, verified %+v", err, r, r.Verified)
			}
		})
	}
}

// TestRunGivesUp lets every provider repeat a webhook as often as it would.
func TestRunGivesUp(t *testing.T) {
	p := newPeer(t, faults{busy: 1 << 30})
	for _, one := range p.players() {
		t.Run(one.Provider.Name, func(t *testing.T) {
			t.Parallel() // It waits most of the time.
			one.Scenarios = one.Scenarios[:1]
			r := run(t, Config{Players: []Player{one}, Start: time.Now(), Stories: 1, Connections: 1, Speed: 1e12})
			retries := one.Provider.Retries
			if r.Failed == 0 || r.Sent != r.Failed*(1+len(retries.After)) || r.Retried != r.Failed*len(retries.After) {
				t.Errorf("report: %+v", r.Counts)
			}
		})
	}
}

func TestRunEndsEarly(t *testing.T) {
	p := newPeer(t, faults{})
	cfg := playing(p)
	cfg.Stories = 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg.ProgressEvery = time.Millisecond
	cfg.Progress = func(p Progress) {
		if p.Accepted > 0 {
			cancel()
		}
	}
	cfg.Duration = time.Hour
	r, err := Run(ctx, cfg)
	if err != nil || !r.Interrupted || r.Verified != nil || r.Err() != nil || r.Accepted == 0 {
		t.Errorf("error %v, report %+v", err, r)
	}

	// The times of what is sent at a rate are known before: 20 stories begin in that time.
	cfg.Progress, cfg.Duration, cfg.Rate, cfg.Duplicates, cfg.BadSignatures, cfg.Shuffle = nil, 20*time.Millisecond, 1000, 0, 0, false
	r = run(t, cfg)
	if r.Interrupted || r.Err() != nil || r.Stories != 20 || r.Sent < 20 || r.Verified.Checked < r.Complete || r.Complete == 0 {
		t.Errorf("report %+v, verified %+v", r, r.Verified)
	}
}

// TestRunEndsWhileItAsks ends a run that waits for what will not happen.
func TestRunEndsWhileItAsks(t *testing.T) {
	cfg := playing(newPeer(t, faults{forgetful: true}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg.API.Patience, cfg.ProgressEvery = time.Hour, time.Millisecond
	cfg.Progress = func(p Progress) {
		if p.Looked > 0 {
			cancel()
		}
	}
	r, err := Run(ctx, cfg)
	if err != nil || !r.Interrupted || r.Verified != nil || r.Err() != nil || r.Complete != cfg.Stories {
		t.Errorf("error %v, report %+v", err, r)
	}
}

func TestRunOfNothing(t *testing.T) {
	valid := playing(newPeer(t, faults{}))
	for name, change := range map[string]func(*Config){
		"no players":     func(c *Config) { c.Players = nil },
		"no end":         func(c *Config) { c.Stories = 0 },
		"no connections": func(c *Config) { c.Connections = 0 },
		"negative rate":  func(c *Config) { c.Rate = -1 },
		"no speed":       func(c *Config) { c.Speed = 0 },
		"duplicates":     func(c *Config) { c.Duplicates = 1.1 },
		"bad signatures": func(c *Config) { c.BadSignatures = -0.1 },
	} {
		cfg := valid
		change(&cfg)
		if r, err := Run(t.Context(), cfg); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
