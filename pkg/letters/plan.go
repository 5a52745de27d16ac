package letters

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Plan is what a selection comes to, now.
type Plan struct {
	// Matched is how many are chosen, and Redrivable how many of them can be redriven.
	Matched    uint64 `json:"matched"`
	Redrivable uint64 `json:"redrivable"`
	// Consumers, Causes and Obstacles count them: by who handles them, why they were given up, and why they cannot be redriven.
	Consumers []Count `json:"consumers"`
	Causes    []Count `json:"causes"`
	Obstacles []Count `json:"obstacles"`
	// Oldest and Newest are when the first and the last of them were filed.
	Oldest time.Time `json:"oldest,omitzero"`
	Newest time.Time `json:"newest,omitzero"`
	// Made is when the plan was made.
	Made time.Time `json:"made"`
	// Through is the sequence of the last one.
	Through uint64 `json:"through"`
}

// Count is how many are of that name.
type Count struct {
	Name  string `json:"name"`
	Count uint64 `json:"count"`
}

// ErrNothing means that a selection chooses nothing.
var ErrNothing = errors.New("nothing is chosen by this")

// Plan counts what a selection chooses, and changes nothing. Errors: ErrSelection, ErrNoLetter, ErrNothing, bus.ErrUnavailable.
func (d *Desk) Plan(ctx context.Context, s Selection) (Plan, error) {
	if err := s.Check(); err != nil {
		return Plan{}, err
	}
	// What is filed meanwhile is not part of the plan.
	end, err := d.Bus.StreamState(ctx, s.stream())
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Made: time.Now().UTC()}
	consumers, causes, obstacles := map[string]uint64{}, map[string]uint64{}, map[string]uint64{}
	err = d.walk(ctx, s, 0, end.LastSeq, func(c chosen) error {
		if p.Matched++; p.Oldest.IsZero() {
			p.Oldest = c.at
		}
		p.Newest, p.Through = c.at, c.seq
		consumers[c.request.Consumer]++
		if c.letter != nil {
			causes[c.letter.Cause]++
		}
		if c.obstacle == "" {
			p.Redrivable++
		} else {
			obstacles[c.obstacle]++
		}
		return nil
	})
	if err != nil {
		return Plan{}, err
	}
	if p.Matched == 0 {
		return Plan{}, fmt.Errorf("%w: %s", ErrNothing, s)
	}
	p.Consumers, p.Causes, p.Obstacles = Counts(consumers), Counts(causes), Counts(obstacles)
	return p, nil
}

// Counts returns the counts by their names.
func Counts(m map[string]uint64) []Count {
	list := []Count{}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, Count{name, m[name]})
	}
	return list
}
