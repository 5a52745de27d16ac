//go:build linux

package crash

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// Config is what is run, and for how long.
type Config struct {
	// Verdict is the path of the binary, Broker the command that runs [RunBroker].
	Verdict string
	Broker  []string
	// Dir is where the installations live, one directory for each round.
	Dir       string
	Providers []provider.Provider
	// Seed decides what is played and what goes wrong. A round alone is played again with its
	// own seed and form.
	Seed  uint64
	Forms []Form
	// Faults are the names of what goes wrong, none for everything.
	Faults []string
	// Spools are the modes of the spool that rounds are played in; each takes one by its seed.
	Spools []string
	// Database returns the URL of an empty PostgreSQL database for a round, whose tables are then
	// neither copied nor put back; nil stands for SQLite.
	Database func() string
	// For is how long things go wrong in all rounds together; a round is RoundLength or, so
	// that each form has its turn, less.
	For         time.Duration
	RoundLength time.Duration
	Rate        float64       // webhooks a second
	Window      time.Duration // of deduplication
	Log         io.Writer
}

// Spools lists the modes of the spool.
var Spools = []string{"always", "off", "on_outage"}

// spool is the mode of the round with that seed.
func (c *Config) spool(seed uint64) string {
	return c.Spools[rand.New(rand.NewPCG(seed, seedOfSpool)).IntN(len(c.Spools))]
}

// seedOfSpool keeps what a round's seed says of its spool apart from what it says of all else.
const seedOfSpool = 2

// Run plays round after round. The error is what kept it from finding out anything; what was
// found is in the report.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	report := &Report{Seed: cfg.Seed, Unavailable: map[string]int{}, Visible: map[string][]time.Duration{}}
	length := min(cfg.RoundLength, cfg.For/time.Duration(len(cfg.Forms)))
	seeds := rand.New(rand.NewPCG(cfg.Seed, 0))
	seed := cfg.Seed // The first round's, so that one which failed can be played first.
	for left := cfg.For; left > 0; left -= length {
		form := cfg.Forms[report.Rounds%len(cfg.Forms)]
		fmt.Fprintf(cfg.Log, "round %d: FORM=%s SEED=%d for %v, VERDICT_SPOOL=%s\n", report.Rounds+1, form.Name, seed, length, cfg.spool(seed))
		found, err := play(ctx, &cfg, form, seed, length, report)
		if len(found) > 0 {
			fmt.Fprint(cfg.Log, describe(found))
			dir := filepath.Join(cfg.Dir, fmt.Sprintf("%02d-%s-%d", report.Rounds, form.Name, seed))
			report.Failed = append(report.Failed, Failure{Form: form.Name, Seed: seed, Found: found, Evidence: dir})
		}
		report.Rounds++
		if err != nil {
			return report, fmt.Errorf("round %d, FORM=%s SEED=%d: %w", report.Rounds, form.Name, seed, err)
		}
		seed = seeds.Uint64()
	}
	return report, nil
}
