package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// ReprocessPlan is what reading deliveries once more would come to.
type ReprocessPlan struct {
	Spec ReprocessSpec `json:"spec"`
	// Deliveries are those that can be read, by what comes of it.
	Deliveries map[string]uint64 `json:"deliveries"`
	// Ends counts the deliveries that had made no event, by how they ended and how they would.
	Ends map[string]uint64 `json:"ends"`
	// Verifications are those that the deliveries tell of, Changed those that would become others, and Events what would be published.
	Verifications uint64 `json:"verifications"`
	Changed       uint64 `json:"changed"`
	Events        uint64 `json:"events"`
	// Statuses counts the changed verifications by their status of before and after, Fields by what else of the state changes.
	Statuses map[string]uint64 `json:"statuses"`
	Fields   map[string]uint64 `json:"fields"`
	// Differences are the first of them.
	Differences []ReprocessDifference `json:"differences"`
}

// ReprocessDifference is a verification that would become another.
type ReprocessDifference struct {
	Verification string              `json:"verification"`
	Sandbox      bool                `json:"sandbox,omitempty"`
	Version      int                 `json:"version"` // of the last event
	Events       int                 `json:"events"`  // that would follow
	Fields       []string            `json:"fields"`  // of the state that change; none where a signal alone does
	Before       *verification.State `json:"before"`  // null where there is no such verification
	After        verification.State  `json:"after"`
}

// Empty reports whether nothing would change.
func (p *ReprocessPlan) Empty() bool { return p.Events == 0 && len(p.Ends) == 0 }

// Read is how many deliveries there are to read.
func (p *ReprocessPlan) Read() (n uint64) {
	for _, count := range p.Deliveries {
		n += count
	}
	return n
}

// PlanReprocess says what a run would come to, with at most limit differences. It writes nothing but a file of its own in the
// directory scratch, which it removes. It needs the keys, and the state of the provider, which it reads beside its writer.
func PlanReprocess(ctx context.Context, cfg Config, spec ReprocessSpec, scratch string, limit int, progress func(step string, done, total uint64)) (*ReprocessPlan, error) {
	i := slices.IndexFunc(cfg.Providers, func(p provider.Provider) bool { return p.Name == spec.Provider })
	if i < 0 {
		return nil, fmt.Errorf("there is no provider %q", spec.Provider)
	}
	state, err := store.OpenLifecycleReader(ctx, cfg.Store, spec.Provider)
	if err != nil {
		return nil, err
	}
	defer state.Close()
	staging, err := store.OpenStaging(ctx, scratch, stagingName(spec.Provider), "plan")
	if err != nil {
		return nil, err
	}
	plan, err := planReprocess(ctx, cfg, &cfg.Providers[i], state, staging, spec, limit, progress)
	return plan, errors.Join(err, staging.Remove())
}

func planReprocess(ctx context.Context, cfg Config, p *provider.Provider, state *store.Lifecycle, staging *store.Staging, spec ReprocessSpec,
	limit int, progress func(step string, done, total uint64),
) (*ReprocessPlan, error) {
	quiet := slog.New(slog.DiscardHandler)
	w, err := newWorker(cfg, p, state, quiet, quiet)
	if err != nil {
		return nil, err
	}
	last, err := cfg.Bus.StreamState(ctx, bus.Webhooks)
	if err != nil {
		return nil, err
	}
	spec.Through = last.LastSeq
	draft := store.NewDraft(state, staging)
	plan := &ReprocessPlan{Spec: spec, Ends: map[string]uint64{}, Statuses: map[string]uint64{}, Fields: map[string]uint64{}, Differences: []ReprocessDifference{}}
	r := &reading{
		worker: w, spec: spec, staging: staging, state: state, payload: draft.Payload,
		update: func(_ context.Context, fn func(ledger) error) error { return fn(draft) },
		progress: func(ctx context.Context, step string, done, total uint64) error {
			progress(step, done, total)
			return ctx.Err()
		},
		changed: func(before, after *verification.Record, events int) error {
			plan.add(before, after, events, limit)
			return nil
		},
	}
	for _, step := range []func(context.Context) error{r.stage, r.owners, r.records, r.apply} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	if plan.Deliveries, err = staging.Results(ctx); err != nil {
		return nil, err
	}
	if plan.Verifications, err = staging.CountRecords(ctx); err != nil {
		return nil, err
	}
	return plan, plan.ends(ctx, staging)
}

// add counts a verification whose signals would be others.
func (p *ReprocessPlan) add(before, after *verification.Record, events, limit int) {
	if events == 0 {
		return
	}
	p.Changed++
	p.Events += uint64(events)
	d := ReprocessDifference{
		Verification: after.ID.String(), Sandbox: after.Sandbox, Version: before.Version, Events: events, Fields: []string{}, After: after.State,
	}
	from := "none"
	if before.Version > 0 {
		d.Before, from = &before.State, string(before.State.Status)
		d.Fields = differing(before.State, after.State)
	}
	p.Statuses[from+" → "+string(after.State.Status)]++
	for _, field := range d.Fields {
		p.Fields[field]++
	}
	if len(p.Differences) < limit {
		p.Differences = append(p.Differences, d)
	}
}

// differing names the fields of two states that differ, as JSON names them.
func differing(a, b verification.State) []string {
	of := func(s verification.State) (fields map[string]any) {
		text, err := json.Marshal(s)
		if err == nil {
			err = json.Unmarshal(text, &fields)
		}
		if err != nil {
			panic(err) // It has strings, numbers, times and lists.
		}
		return fields
	}
	before, after := of(a), of(b)
	names := []string{}
	for name := range before {
		if !reflect.DeepEqual(before[name], after[name]) {
			names = append(names, name)
		}
	}
	for name := range after {
		if _, known := before[name]; !known {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// ends counts the deliveries that would end in another way.
func (p *ReprocessPlan) ends(ctx context.Context, staging *store.Staging) error {
	for after := uint64(0); ; {
		page, err := staging.Endings(ctx, after, recordPage)
		if err != nil {
			return err
		}
		for i := range page {
			after = page[i].Seq
			if now := nowEnds(&page[i]); now != "" && string(now) != page[i].Before {
				p.Ends[page[i].Before+" → "+string(now)]++
			}
		}
		if len(page) < recordPage {
			return nil
		}
	}
}
