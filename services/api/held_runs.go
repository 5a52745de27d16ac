package api

import (
	"context"
	"net/http"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/held"
	"github.com/verdict-stream/verdict/pkg/letters"
	"github.com/verdict-stream/verdict/pkg/runs"
)

// heldVerb is the verb of the runs that decide about held deliveries for callers of this API.
const heldVerb = "held"

// heldSpec is what was asked for.
type heldSpec struct {
	Decision  held.Decision  `json:"decision"`
	Selection held.Selection `json:"selection"`
	Rate      float64        `json:"rate,omitempty"`
	// Through is the sequence of the last one that the plan has counted.
	Through uint64 `json:"through"`
}

// releaseSelection lets held deliveries go on their way, or says how many that would be.
func (a *api) releaseSelection(w http.ResponseWriter, r *http.Request) error {
	var order HeldReleaseOrder
	if err := readBody(w, r, &order); err != nil {
		return err
	}
	rate, err := paceOf(order.Rate)
	if err != nil {
		return err
	}
	return a.heldOrder(w, r, order.DryRun == nil || *order.DryRun, "", heldSpec{
		Decision: held.Release, Rate: rate, Selection: held.Selection{All: order.All, Filter: held.Filter{
			Provider: order.Provider, Event: order.Event, Delivery: order.Delivery, Since: order.Since, Until: order.Until,
		}},
	})
}

// discardSelection gives held deliveries up, or says how many that would be.
func (a *api) discardSelection(w http.ResponseWriter, r *http.Request) error {
	var order HeldDiscardOrder
	if err := readBody(w, r, &order); err != nil {
		return err
	}
	if err := letters.CheckReason(order.Reason); err != nil {
		return err
	}
	return a.heldOrder(w, r, order.DryRun == nil || *order.DryRun, order.Reason, heldSpec{
		Decision: held.Discard, Selection: held.Selection{All: order.All, Filter: held.Filter{
			Provider: order.Provider, Event: order.Event, Delivery: order.Delivery, Since: order.Since, Until: order.Until,
		}},
	})
}

// heldOrder answers with what an order comes to, and has it done unless it is only asked what that would be.
func (a *api) heldOrder(w http.ResponseWriter, r *http.Request, dry bool, why string, spec heldSpec) error {
	if a.bus == nil {
		return errNoBroker
	}
	plan, err := a.held.Plan(r.Context(), spec.Decision, spec.Selection)
	if err != nil {
		return err
	}
	answer := HeldOrder{
		DryRun: dry, Matched: int(plan.Matched), Releasable: int(plan.Releasable), Oldest: plan.Oldest.UTC(), Newest: plan.Newest.UTC(),
		Events: convert(plan.Events, newNamedCount), Obstacles: convert(plan.Obstacles, newNamedCount),
	}
	if !dry {
		count := plan.Possible(spec.Decision)
		if count == 0 {
			return errNonePossible
		}
		spec.Through = plan.Through
		name, err := a.beginRun(r.Context(), heldVerb, string(spec.Decision), spec, bus.AuditEntry{
			Target: "held deliveries", Filter: spec.Selection.String(), Count: count, Note: why,
		})
		if err != nil {
			return err
		}
		answer.Run = &name
	}
	return respondOnce(w, r, HeldOrderAnswer{answer})
}

// decide works on what was asked for about held deliveries, until ctx ends.
func decide(ctx context.Context, desk *held.Desk) {
	serveRuns(ctx, desk.Bus, heldVerb, func(ctx context.Context, job *runs.Job) error { return decideRun(ctx, desk, job) })
}

// decideRun does one run from where it stands.
func decideRun(ctx context.Context, desk *held.Desk, job *runs.Job) error {
	var spec heldSpec
	return workOn(ctx, job, &spec, func(r *runs.Run, tell func(position, done uint64) error) (position, done uint64, err error) {
		p, err := desk.Work(ctx, held.Work{
			Decision: spec.Decision, Selection: spec.Selection, After: r.Position, Through: spec.Through, Rate: spec.Rate,
			Progress: func(p held.Progress) error { return tell(p.Position, p.Done) },
		})
		return p.Position, p.Done, err
	})
}
