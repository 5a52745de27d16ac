// Package doctor holds an installation to its promises while it works: it compares streams, states, read model, dead letters and keys with each other, and
// finds out how every accepted delivery that is still kept has ended.
//
// Its invariants:
//
//   - It changes nothing, and leaves nothing behind.
//   - What is under way is no finding. The streams are read up to where they end when it begins, in an order in which nothing can move from one that is
//     read later to one that was read before; and what looks wrong all the same is reported only if it still does after a second look.
//   - Of a delivery it remembers one byte, in memory; of a verification one row, in a temporary database on the disk.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/pkg/store"
)

// Config is what is looked at.
type Config struct {
	Bus       *bus.Bus
	Store     store.Location
	Providers []provider.Provider
	// Streams is what the streams must be set to.
	Streams   bus.StreamSettings
	Retention func(provider string) time.Duration
	// Keys are nil where there is no master key, or no key directory; then nothing is opened. NoKeyDir says that it is the directory that is missing.
	Keys     *seal.Keyring
	NoKeyDir bool
	KeyDir   string
	// SpoolDir is the spool of a receiver on this machine, and ArchiveDir the archive; both may be missing.
	SpoolDir, ArchiveDir string
	// TempDir is where the temporary database is; empty is the system's.
	TempDir string
	// Only names the checks that are wanted; none is all.
	Only []string
	// Settle is the pause before a second look.
	Settle time.Duration
	// Progress is told what is being read, and how far; it may be nil.
	Progress func(what string, done, total uint64)
}

// The checks, in the order in which they are reported.
const (
	Streams    = "streams"
	Consumers  = "consumers"
	Versions   = "versions"
	Deliveries = "deliveries"
	Letters    = "letters"
	States     = "states"
	ReadModel  = "readmodel"
	Outbox     = "outbox"
	Keys       = "keys"
	Claims     = "claims"
)

// Names lists all checks.
var Names = []string{Streams, Consumers, Versions, Deliveries, Letters, States, ReadModel, Outbox, Keys, Claims}

// titles say what each check holds.
var titles = map[string]string{
	Streams:    "streams are there and set as they should be",
	Consumers:  "consumers are there, ack each message, and go on",
	Versions:   "events have the versions 1, 2, … of each verification, in order, each once",
	Deliveries: "every accepted delivery has ended in an outcome, or waits for it",
	Letters:    "dead letters can be read, and what the read model's writer gave up is shown again",
	States:     "the states of the lifecycle are those of the streams",
	ReadModel:  "the read model says what the streams say",
	Outbox:     "outboxes and spool are empty, or move",
	Keys:       "keys are there for what is kept, and gone when their time is over",
	Claims:     "claims are gone when their time is over",
}

// State is how a check ended.
type State string

// The states.
const (
	Well    State = "ok"
	Ill     State = "finding"
	Skipped State = "skipped"
)

// Check is the result of one check.
type Check struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	State State  `json:"state"`
	// Looked is how many things were looked at, and Count how many of them are not as they should be.
	Looked uint64 `json:"looked"`
	Count  uint64 `json:"count"`
	// Examples are some of them; Mend says what to do about them.
	Examples []string `json:"examples"`
	Mend     []string `json:"mend"`
	// Notes are worth knowing and no findings.
	Notes []string `json:"notes"`
}

// Report is the result of all checks.
type Report struct {
	At     time.Time `json:"at"`
	Checks []Check   `json:"checks"`
}

// Findings is how many things are not as they should be.
func (r *Report) Findings() (n uint64) {
	for i := range r.Checks {
		n += r.Checks[i].Count
	}
	return n
}

// ErrCheck means that there is no check of that name.
var ErrCheck = errors.New("there is no such check")

// Run looks at everything. An error means that it could not be looked at; that something is not as it should be is in the report.
func Run(ctx context.Context, config Config) (*Report, error) {
	for _, name := range config.Only {
		if !slices.Contains(Names, name) {
			return nil, fmt.Errorf("%q: %w; there are %s", name, ErrCheck, strings.Join(Names, ", "))
		}
	}
	first, err := look(ctx, config)
	if err != nil {
		return nil, err
	}
	last := first
	if first.found() {
		if err := pause(ctx, config.Settle); err != nil {
			return nil, err
		}
		if last, err = look(ctx, config); err != nil {
			return nil, err
		}
		last.keep(first)
	}
	report := &Report{At: time.Now().UTC()}
	for _, name := range Names {
		if config.wants(name) {
			report.Checks = append(report.Checks, last.checks[name].result(name))
		}
	}
	return report, nil
}

func (c *Config) wants(names ...string) bool {
	return len(c.Only) == 0 || slices.ContainsFunc(names, func(name string) bool { return slices.Contains(c.Only, name) })
}

func (c *Config) progress(what string, done, total uint64) {
	if c.Progress != nil {
		c.Progress(what, done, total)
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
