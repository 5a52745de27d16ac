// Package runs is the book of long-running work that somebody has asked for: replays, rebuilds and what else takes minutes. It says what
// was asked for, how far it is and how it ended, so that work can be watched, paused, cancelled and taken up again from anywhere.
//
//	ask ──▶ waiting ──▶ running ──▶ done
//	           ▲           ├──────▶ failed ───┐
//	           │           ├──────▶ paused ───┤ go on
//	           │           └──────▶ canceled  │
//	           └──────────────────────────────┘
//
// Its invariants:
//
//   - One worker at a time works on a run: he holds a lease, which his heartbeat prolongs. Who dies loses it after leaseTime.
//   - A worker that has lost its lease is told by the end of its context, and can write nothing more to the book.
//   - Progress that Save has returned for is durable: whoever takes the run up again begins there.
//   - The book is kept on the broker, so it is one for all processes.
package runs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
)

// State is how a run stands.
type State string

// The states. A run that is done or canceled has ended.
const (
	Waiting  State = "waiting"
	Running  State = "running"
	Paused   State = "paused"
	Done     State = "done"
	Canceled State = "canceled"
	Failed   State = "failed"
)

// What can be asked of a run.
const (
	Resume = "" // go on
	Pause  = "pause"
	Cancel = "cancel"
)

var (
	// ErrExists means that there is a run of that name.
	ErrExists = errors.New("there is a run of that name")
	// ErrUnknown means that there is no run of that name.
	ErrUnknown = errors.New("there is no run of that name")
	// ErrOver means that the run has ended.
	ErrOver = errors.New("the run has ended")
	// ErrNotOver means that the run has not ended.
	ErrNotOver = errors.New("the run has not ended")
	// ErrHeld means that somebody else works on the run now.
	ErrHeld = errors.New("somebody else works on the run")
	// ErrName means that a run cannot have that name.
	ErrName = errors.New("a name is 1 to 32 lower-case letters, digits and hyphens")
)

// Run is one piece of work.
type Run struct {
	Verb string `json:"verb"`
	Name string `json:"name"`
	// State and Wanted say how it stands, and what was asked of its worker that has not happened yet.
	State  State  `json:"state"`
	Wanted string `json:"wanted,omitempty"`
	// Spec is what was asked for, and never changes; Detail is what the worker keeps besides. Neither holds a secret.
	Spec   json.RawMessage `json:"spec,omitempty"`
	Detail json.RawMessage `json:"detail,omitempty"`
	// Done of Total is how much is done; Position is from where to go on, as the verb counts it.
	Done     uint64 `json:"done"`
	Total    uint64 `json:"total"`
	Position uint64 `json:"position"`
	// Actor asked for it; Holder works on it, and is given up if he is not heard of by HeldUntil.
	Actor     string    `json:"actor"`
	Holder    string    `json:"holder,omitempty"`
	HeldUntil time.Time `json:"held_until,omitzero"`
	CreatedAt time.Time `json:"created_at"`
	StartedAt time.Time `json:"started_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	// Error is why it failed.
	Error string `json:"error,omitempty"`

	revision uint64
}

// Over reports whether the run has ended for good.
func (r *Run) Over() bool { return r.State == Done || r.State == Canceled }

// heldByOther reports whether somebody else than the holder is at work.
func (r *Run) heldByOther(holder string, now time.Time) bool {
	return r.State == Running && r.Holder != holder && now.Before(r.HeldUntil)
}

// abandoned reports whether the run is there for whoever takes it.
func (r *Run) abandoned(now time.Time) bool {
	return r.State == Waiting || r.State == Running && !now.Before(r.HeldUntil)
}

var namePattern = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// CheckName returns ErrName for a name that a run cannot have.
func CheckName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%q: %w", name, ErrName)
	}
	return nil
}

// Book is all runs.
type Book struct{ bus *bus.Bus }

// Open returns the book that the broker keeps.
func Open(b *bus.Bus) *Book { return &Book{b} }

func key(verb, name string) string { return verb + "." + name }

// Create notes a new run that waits for its worker. Errors: ErrName, ErrExists, bus.ErrUnavailable.
func (b *Book) Create(ctx context.Context, r Run) (Run, error) {
	if err := CheckName(r.Name); err != nil {
		return Run{}, err
	}
	now := time.Now().UTC()
	r.State, r.Wanted, r.CreatedAt, r.UpdatedAt, r.revision = Waiting, "", now, now, 0
	err := b.put(ctx, &r)
	if !errors.Is(err, bus.ErrConflict) {
		return r, err
	}
	known, err := b.Get(ctx, r.Verb, r.Name)
	if err != nil {
		return Run{}, err
	}
	return Run{}, fmt.Errorf("%s %s: %w, and it is %s", r.Verb, r.Name, ErrExists, known.State)
}

// Get returns a run. Errors: ErrUnknown, bus.ErrUnavailable.
func (b *Book) Get(ctx context.Context, verb, name string) (Run, error) {
	if CheckName(name) != nil {
		return Run{}, fmt.Errorf("%s %q: %w", verb, name, ErrUnknown)
	}
	entry, err := b.bus.Entry(ctx, key(verb, name))
	if errors.Is(err, bus.ErrNotFound) {
		return Run{}, fmt.Errorf("%s %s: %w", verb, name, ErrUnknown)
	}
	if err != nil {
		return Run{}, err
	}
	return parse(entry)
}

// List returns all runs of a verb, by when they were created. Errors: bus.ErrUnavailable.
func (b *Book) List(ctx context.Context, verb string) ([]Run, error) {
	entries, err := b.bus.Entries(ctx, verb+".")
	if err != nil {
		return nil, err
	}
	list := make([]Run, 0, len(entries))
	for _, entry := range entries {
		r, err := parse(entry)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	slices.SortStableFunc(list, func(a, b Run) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return list, nil
}

// Ask asks the worker of a run to Pause or Cancel, or has a run that is paused or has failed wait to be taken up again (Resume). Where
// nobody works on it, it is paused or canceled at once. Errors: ErrUnknown, ErrOver, bus.ErrUnavailable.
func (b *Book) Ask(ctx context.Context, verb, name, wanted string) (Run, error) {
	return b.change(ctx, verb, name, func(r *Run) error {
		now := time.Now()
		switch {
		case r.Over():
			return fmt.Errorf("%s %s: %w: it is %s", verb, name, ErrOver, r.State)
		case r.Wanted == Cancel && wanted != Cancel:
			return fmt.Errorf("%s %s: %w: it is being canceled", verb, name, ErrOver)
		case wanted == Resume:
			r.Wanted = ""
			if r.State != Running {
				r.State, r.Error = Waiting, ""
			}
		case r.State == Running && now.Before(r.HeldUntil):
			r.Wanted = wanted
		case wanted == Pause:
			r.State, r.Holder = Paused, ""
		default:
			r.State, r.Holder, r.EndedAt = Canceled, "", now.UTC()
		}
		return nil
	})
}

// Forget removes a run that has ended from the book. Errors: ErrUnknown, ErrNotOver, bus.ErrUnavailable.
func (b *Book) Forget(ctx context.Context, verb, name string) error {
	r, err := b.Get(ctx, verb, name)
	if err != nil {
		return err
	}
	if !r.Over() && r.State != Failed {
		return fmt.Errorf("%s %s: %w: it is %s", verb, name, ErrNotOver, r.State)
	}
	return b.bus.DropEntry(ctx, key(verb, name), r.revision)
}

// change applies a change to the run as it is now, again where somebody else was faster.
func (b *Book) change(ctx context.Context, verb, name string, apply func(*Run) error) (Run, error) {
	for {
		r, err := b.Get(ctx, verb, name)
		if err != nil {
			return Run{}, err
		}
		if err := apply(&r); err != nil {
			return r, err
		}
		r.UpdatedAt = time.Now().UTC()
		if err := b.put(ctx, &r); !errors.Is(err, bus.ErrConflict) {
			return r, err
		}
	}
}

func (b *Book) put(ctx context.Context, r *Run) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("book of runs: %w", err)
	}
	revision, err := b.bus.PutEntry(ctx, bus.Entry{Key: key(r.Verb, r.Name), Value: data, Revision: r.revision})
	if err == nil {
		r.revision = revision
	}
	return err
}

func parse(entry bus.Entry) (Run, error) {
	var r Run
	if err := json.Unmarshal(entry.Value, &r); err != nil {
		return Run{}, fmt.Errorf("book of runs: entry %s: %w", entry.Key, err)
	}
	r.revision = entry.Revision
	return r, nil
}
