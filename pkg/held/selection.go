package held

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/letters"
)

// Selection says which held deliveries are meant.
type Selection struct {
	// Held are some, by their sequences.
	Held []uint64 `json:"held,omitempty"`
	Filter
	// All says that no filter is meant to be there.
	All bool `json:"all,omitempty"`
}

var (
	// ErrSelection means that a selection cannot be meant.
	ErrSelection = errors.New("name what is meant: some by their numbers, or a filter, or all")
	// ErrNothing means that a selection chooses nothing.
	ErrNothing = errors.New("nothing that is held is chosen by this")
)

// Check refuses a selection that cannot be meant. Errors: ErrSelection.
func (s *Selection) Check() error {
	ways := 0
	for _, way := range []bool{len(s.Held) > 0, s.Filter != Filter{}, s.All} {
		if way {
			ways++
		}
	}
	if ways != 1 {
		return ErrSelection
	}
	if !s.Until.IsZero() && !s.Since.Before(s.Until) {
		return fmt.Errorf("%w: the time that it is to end at is not after the one that it begins with", ErrSelection)
	}
	return nil
}

// String is the selection as it was asked for.
func (s *Selection) String() string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	for _, seq := range s.Held {
		add("held", fmt.Sprint(seq))
	}
	add("provider", s.Provider)
	add("event", s.Event)
	add("delivery", s.Delivery)
	for name, at := range map[string]time.Time{"since": s.Since, "until": s.Until} {
		if !at.IsZero() {
			add(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	slices.Sort(parts)
	if s.All {
		parts = append(parts, "all")
	}
	return strings.Join(parts, " ")
}

// pageSize is how many held deliveries are taken at a time, bodies and all.
const pageSize = 100

// walk hands over the sequences of what is selected behind a sequence and up to another, in order; with what is held there where it had to be
// read to choose it.
func (d *Desk) walk(ctx context.Context, s *Selection, after, through uint64, fn func(seq uint64, item *Item) error) error {
	for _, seq := range slices.Sorted(slices.Values(s.Held)) {
		if seq <= after || seq > through {
			continue
		}
		if err := fn(seq, nil); err != nil {
			return err
		}
		after = seq
	}
	for len(s.Held) == 0 {
		page, err := d.Page(ctx, s.Filter, after, pageSize)
		if err != nil {
			return err
		}
		for i := range page.Items {
			if page.Items[i].Seq > through {
				return nil
			}
			if err := fn(page.Items[i].Seq, &page.Items[i]); err != nil {
				return err
			}
		}
		if after = page.Next; after == 0 {
			return nil
		}
	}
	return nil
}

// Plan is what a decision about a selection comes to, now.
type Plan struct {
	// Matched is how many are chosen, and Releasable how many of them can be released; all can be discarded.
	Matched    uint64 `json:"matched"`
	Releasable uint64 `json:"releasable"`
	// Events and Obstacles count them: by provider and event, and by why they cannot be released.
	Events    []letters.Count `json:"events"`
	Obstacles []letters.Count `json:"obstacles"`
	// Oldest and Newest are since when the first and the last of them are held.
	Oldest time.Time `json:"oldest,omitzero"`
	Newest time.Time `json:"newest,omitzero"`
	// Through is the sequence of the last one.
	Through uint64 `json:"through"`
}

// Plan counts what a selection chooses, and changes nothing. What is named by its number and does not allow the decision is an error. Errors:
// ErrSelection, ErrNothing, those of Check for what is named, bus.ErrUnavailable.
func (d *Desk) Plan(ctx context.Context, what Decision, s Selection) (Plan, error) {
	if err := s.Check(); err != nil {
		return Plan{}, err
	}
	var p Plan
	events, obstacles := map[string]uint64{}, map[string]uint64{}
	err := d.walk(ctx, &s, 0, last, func(seq uint64, item *Item) error {
		named := item == nil
		if named {
			read, err := d.Item(ctx, seq)
			if err != nil {
				return err
			}
			item = &read
		}
		err := d.obstacle(Release, item)
		why := whyNot(err)
		switch {
		case err == nil:
			p.Releasable++
		case why == "", named && what == Release:
			return err
		default:
			obstacles[why]++
		}
		if p.Matched++; p.Oldest.IsZero() {
			p.Oldest = item.Held
		}
		p.Newest, p.Through = item.Held, seq
		events[item.Provider+" "+item.Event]++
		return nil
	})
	if err != nil {
		return Plan{}, err
	}
	if p.Matched == 0 {
		return Plan{}, fmt.Errorf("%w: %s", ErrNothing, &s)
	}
	p.Events, p.Obstacles = letters.Counts(events), letters.Counts(obstacles)
	return p, nil
}

// Possible is for how many a decision can be carried out.
func (p *Plan) Possible(what Decision) uint64 {
	if what == Release {
		return p.Releasable
	}
	return p.Matched
}

// last is behind all sequences.
const last = ^uint64(0)

// whyNot is why something cannot be done with a held delivery, whichever it is; empty where that has nothing to do with it.
func whyNot(err error) string {
	for _, why := range []error{ErrHandshake, ErrNoKeys, ErrExpired, ErrKeyLost, ErrUnreadable} {
		if errors.Is(err, why) {
			return why.Error()
		}
	}
	return ""
}
