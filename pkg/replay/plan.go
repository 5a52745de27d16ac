package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/runs"
)

// Plan is what a run would send. To make it, nothing is written anywhere.
type Plan struct {
	Spec Spec `json:"spec"`
	// Events is how many events are chosen. First is when the stream stored the first of them, and Last when, at the latest, the last.
	Events uint64    `json:"events"`
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
	// Bytes is how much would be written or sent, as the first events let expect, and Seconds how long that would take.
	Bytes   uint64  `json:"bytes"`
	Seconds float64 `json:"seconds"`
}

const (
	// sampleEvents is how many events tell how long they are.
	sampleEvents = 200
	// The events a second that are to be expected where nothing else holds a run up. That of an endpoint is up to the endpoint.
	fileRate     = 100_000
	streamRate   = 20_000
	endpointRate = 500
	scanRate     = 200_000
)

// Plan says what a run would send. Counting what only the events themselves tell takes time; progress, where it is not nil, then gets how many of how
// many have been looked at. Errors: ErrRequest, ErrNothing, ErrTrimmed, ErrOverlap, bus.ErrUnavailable.
func (d *Desk) Plan(ctx context.Context, r Request, progress func(done, total uint64)) (Plan, error) {
	spec, err := d.settle(ctx, r)
	if err != nil {
		return Plan{}, err
	}
	plan := Plan{Spec: spec}
	span := spec.span()
	if len(span.Filters) == 0 || spec.From > spec.Through {
		return Plan{}, spec.nothing()
	}
	broad, err := d.Bus.Count(ctx, span)
	if err != nil {
		return Plan{}, err
	}
	if spec.Filter.exact() {
		err = d.planBySubjects(ctx, &plan, broad)
	} else {
		err = d.planByEvents(ctx, &plan, broad, progress)
	}
	if err != nil {
		return Plan{}, err
	}
	plan.Seconds = float64(plan.Events)/spec.pace() + float64(max(broad, plan.Events)-plan.Events)/scanRate
	return plan, nil
}

func (s *Spec) span() bus.Span {
	return bus.Span{Stream: s.Stream, Filters: s.Filter.subjects(s.Stream == bus.Sandbox), From: s.From, Through: s.Through}
}

func (s *Spec) nothing() error {
	chosen := s.Filter.String()
	if chosen != "" {
		chosen = " for " + chosen
	}
	return fmt.Errorf("%w%s in %s from sequence %d to %d", ErrNothing, chosen, s.Stream, s.From, s.Through)
}

// pace is how many events a second are to be expected.
func (s *Spec) pace() float64 {
	usual := float64(endpointRate)
	switch {
	case s.Target == TargetStream:
		usual = streamRate
	case strings.HasPrefix(s.Target, filePrefix):
		usual = fileRate
	}
	if s.Rate > 0 {
		return min(usual, s.Rate)
	}
	return usual
}

// errEnough ends a scan that has seen enough.
var errEnough = errors.New("enough")

// planBySubjects is for what the broker can count.
func (d *Desk) planBySubjects(ctx context.Context, plan *Plan, count uint64) error {
	span := plan.Spec.span()
	head, err := d.Bus.First(ctx, span)
	if errors.Is(err, bus.ErrNotFound) {
		return plan.Spec.nothing()
	}
	if err != nil {
		return err
	}
	var sampled, bytes uint64
	if _, err := d.Bus.Scan(ctx, span, func(m bus.Stored) error {
		sampled, bytes = sampled+1, bytes+plan.Spec.size(&m)
		if sampled == sampleEvents {
			return errEnough
		}
		return nil
	}); err != nil && !errors.Is(err, errEnough) {
		return err
	}
	plan.Events = max(count, sampled)
	plan.First = head.Time.UTC()
	plan.Bytes = uint64(math.Round(float64(bytes) / float64(max(1, sampled)) * float64(plan.Events)))
	plan.Last, err = d.lastTime(ctx, span)
	return err
}

// lastTime returns when the last message of a span was stored, or the last one of the stream before its end.
func (d *Desk) lastTime(ctx context.Context, span bus.Span) (time.Time, error) {
	var last time.Time
	for seq := span.Through; seq >= span.From && seq > 0; seq-- {
		m, err := d.Bus.Get(ctx, span.Stream, seq)
		if errors.Is(err, bus.ErrNotFound) {
			continue
		}
		return m.Time.UTC(), err
	}
	return last, nil
}

// planByEvents is for what the events alone tell.
func (d *Desk) planByEvents(ctx context.Context, plan *Plan, total uint64, progress func(done, total uint64)) error {
	var looked uint64
	_, err := d.Bus.Scan(ctx, plan.Spec.span(), func(m bus.Stored) error {
		if looked++; progress != nil && looked%scanStep == 0 {
			progress(looked, total)
		}
		if !plan.Spec.Filter.matches(&m) {
			return nil
		}
		if plan.Events == 0 {
			plan.First = m.Time.UTC()
		}
		plan.Events, plan.Last, plan.Bytes = plan.Events+1, m.Time.UTC(), plan.Bytes+plan.Spec.size(&m)
		return nil
	})
	if err == nil && plan.Events == 0 {
		err = plan.Spec.nothing()
	}
	return err
}

// scanStep is how many events are looked at between two words about it.
const scanStep = 10_000

// size is how many bytes an event takes at the target.
func (s *Spec) size(m *bus.Stored) uint64 {
	if !strings.HasPrefix(s.Target, filePrefix) {
		return uint64(len(m.Data))
	}
	line, err := event.AppendStructured(nil, m.Header, m.Data, strings.Repeat("x", typicalName))
	if err != nil {
		return uint64(len(m.Data))
	}
	return uint64(len(line)) + 1
}

// typicalName is the length of the name of a run that is not known yet.
const typicalName = 10

// overlaps refuses a file or an endpoint that another run than the named one sends to: their events would come mixed.
func (d *Desk) overlaps(ctx context.Context, target, name string) error {
	if target == TargetStream {
		return nil
	}
	list, err := d.book().List(ctx, Verb)
	if err != nil {
		return err
	}
	for _, r := range list {
		var spec Spec
		if !r.Over() && r.Name != name && json.Unmarshal(r.Spec, &spec) == nil && spec.Target == target {
			return fmt.Errorf("%w: %s, which is %s: let it end, or cancel it", ErrOverlap, r.Name, r.State)
		}
	}
	return nil
}

func (d *Desk) book() *runs.Book { return runs.Open(d.Bus) }
