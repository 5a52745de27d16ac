package simulator

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"
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
			if r.Accepted != len(p.received) || r.Sent != p.requests || r.Sent != r.Accepted+r.Duplicate+r.Forged.Refused {
				t.Errorf("%d bodies and %d requests were received, report: %+v", len(p.received), p.requests, r.Counts)
			}
			if r.Duplicate == 0 || r.Forged.Sent == 0 || r.Forged.Refused != r.Forged.Sent || r.Refused["bad_signature"] != r.Forged.Sent {
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

// TestRunRetries lets the receiver be away for a while: everything arrives in the end.
func TestRunRetries(t *testing.T) {
	p := newPeer(t, faults{busy: 40, hangUp: 7})
	r := run(t, playing(p))
	if err := r.Err(); err != nil {
		t.Errorf("%v: %+v", err, r.Verified.Differences)
	}
	if r.Refused["unavailable"] != 40 || r.Refused[causeNoAnswer] == 0 || r.Retried == 0 {
		t.Errorf("report: %+v", r.Counts)
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

	// The times of what is sent at a rate are known before: no story here has more than five.
	cfg.Progress, cfg.Duration, cfg.Rate, cfg.Duplicates, cfg.Shuffle = nil, 20*time.Millisecond, 1000, 0, false
	r = run(t, cfg)
	if r.Interrupted || r.Err() != nil || r.Sent < 20 || r.Sent > 24 || r.Verified.Checked < r.Complete || r.Complete == 0 {
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
