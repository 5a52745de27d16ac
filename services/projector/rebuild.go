package projector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/runs"
	"github.com/verdict-stream/verdict/pkg/store"
)

// How the runs are named in the book that this process works on: it makes the read model anew beside the one in use, and drops those that
// were in use before.
const (
	RebuildVerb = "rebuild"
	ReadModel   = "readmodel"
	DropOld     = "readmodel-drop-old"
)

// RebuildSpec is what is asked for.
type RebuildSpec struct {
	// Rate is how many messages are read in a second at most; 0 is as fast as it goes.
	Rate int `json:"rate,omitempty"`
	// Accept has the new read model taken into use although it differs from the one before.
	Accept bool `json:"accept,omitempty"`
	// KeepNew has a new read model kept that differs and was not accepted.
	KeepNew bool `json:"keep_new,omitempty"`
}

// RebuildDetail is what is told of a rebuild besides how far it is.
type RebuildDetail struct {
	Phase Phase `json:"phase"`
	// Spent is how long the phases took that are over, in seconds.
	Spent map[Phase]float64 `json:"spent_seconds,omitempty"`
	Rate  float64           `json:"rate"` // messages in a second, since it began
	// Unreadable messages are in the dead letters, and in neither read model.
	Unreadable int           `json:"unreadable"`
	Carried    store.Carried `json:"carried"`
	// Sums are the checksums of the new tables, and Differences what differs.
	Sums        []store.Sum        `json:"sums,omitempty"`
	Differences []store.Difference `json:"differences,omitempty"`
	// PausedMS is how long the one in use was not written, the longest time.
	PausedMS int64 `json:"paused_ms"`
	// Kept is the name of the one before, or of the new one where that was to be kept, and Dropped those that were removed.
	Kept    string   `json:"kept,omitempty"`
	Dropped []string `json:"dropped,omitempty"`
}

// Phase is what a rebuild does.
type Phase string

// The phases, in their order.
const (
	PhaseRead    Phase = "reading the streams"
	PhaseIndex   Phase = "making the indexes"
	PhaseCarry   Phase = "taking over what no stream can give"
	PhaseClaims  Phase = "sealing claims"
	PhaseCatchUp Phase = "catching up"
	PhaseCompare Phase = "comparing"
	PhaseSwitch  Phase = "switching"
	PhaseDone    Phase = "done"
)

// ErrDiffers means that the new read model is not what the one in use is.
var ErrDiffers = errors.New("the new read model differs from the one in use, which stays in use")

const (
	// fewMessages are read so fast that writers may wait for it, and fewBehind handled by the model in use: about what is on its way at any
	// time under load.
	fewMessages, fewBehind = 500, 4000
	// bulkRounds bounds how often what came meanwhile is read before there are indexes.
	bulkRounds = 5
	// catchUpPause is between two looks at whether the one in use has caught up.
	catchUpPause = 100 * time.Millisecond
	// switchAttempts bounds how often the switch is tried while somebody reads for long.
	switchAttempts, switchPause = 20, time.Second
	// exampleRows bounds the rows that are named of those that differ.
	exampleRows = 5
)

// rebuild makes the read model anew.
//
//	in use  ──── written all the while ────┬──────────────────┬───
//	                                    snapshot           switch
//	new     ── read, index, carry over, ───┴── compare, ──────┴───
//	           seal claims, catch up           catch up
//
// At both moments the writers wait until both hold exactly the same of every stream. Whatever ends it before the switch leaves nothing.
func (p *projector) rebuild(ctx context.Context, job *runs.Job) (err error) {
	var spec RebuildSpec
	if err := json.Unmarshal(job.Run().Spec, &spec); err != nil {
		return fmt.Errorf("read what was asked for: %w", err)
	}
	size, err := p.model.Size()
	if err != nil {
		return err
	}
	room := func(more uint64) error {
		if err := p.room(more); err != nil {
			return fmt.Errorf("a second read model would take the room that webhooks need: %w; make room, and begin again", err)
		}
		return nil
	}
	if err := room(size); err != nil {
		return err
	}
	made, err := p.model.Rebuild(ctx, spec.Rate > 0)
	if err != nil {
		return err
	}
	r := &rebuilding{
		projector: p, made: made, spec: spec, through: map[string]uint64{}, first: map[string]uint64{},
		report: report{job: job, begun: time.Now(), rate: spec.Rate, room: room},
	}
	defer func() { err = errors.Join(err, made.Discard(context.WithoutCancel(ctx))) }()
	// Nothing but the streams changes what is in use from here on.
	p.sweeping.Lock()
	defer p.sweeping.Unlock()
	for _, phase := range []struct {
		name Phase
		do   func(context.Context) error
	}{
		{PhaseRead, r.read},
		{PhaseIndex, made.Index},
		{PhaseCarry, r.carry},
		{PhaseClaims, r.seal},
		{PhaseCatchUp, r.catchUp},
		{PhaseCompare, r.compare},
		{PhaseSwitch, r.swap},
	} {
		if err := r.report.enter(ctx, phase.name); err != nil {
			return err
		}
		if err := phase.do(ctx); err != nil {
			if full := room(0); full != nil && errors.Is(err, store.ErrUnavailable) {
				err = fmt.Errorf("%w: %w", full, err)
			}
			return endOf(ctx, err)
		}
	}
	// It is in use: nothing can end that any more.
	job.Complete()
	ctx = context.WithoutCancel(ctx)
	if err := p.model.Tidy(ctx, spec.Rate > 0); err != nil {
		p.logger.WarnContext(ctx, "the personal data in the read model that is in use no more is destroyed at the next start", "error", err)
	}
	return r.report.enter(ctx, PhaseDone)
}

// endOf is why the work ended: that of ctx, where it has.
func endOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// rebuilding is one rebuild under way. Only the goroutine that it began in uses it.
type rebuilding struct {
	*projector

	made *store.Rebuild
	spec RebuildSpec
	// first and through are the positions of each stream from which, and up to which, all is in the new read model.
	first, through map[string]uint64
	// since is when the first delivery was stored that the streams gave, zero where there was none.
	since time.Time
	// lately are the deliveries that were read last.
	lately recent
	report report
}

// ends are the last positions that the streams have now, and the number of messages behind what was read.
func (r *rebuilding) ends(ctx context.Context) (ends map[string]uint64, behind uint64, err error) {
	ends = map[string]uint64{}
	for _, c := range r.consumers() {
		identity, err := r.bus.StreamIdentity(ctx, c.Stream)
		if err != nil {
			return nil, 0, err
		}
		if identity != r.streams[c.Stream] {
			return nil, 0, fmt.Errorf("%s: %w", c.Stream, errMadeAnew)
		}
		state, err := r.bus.StreamState(ctx, c.Stream)
		if err != nil {
			return nil, 0, err
		}
		if _, known := r.first[c.Stream]; !known {
			r.first[c.Stream] = state.FirstSeq
			if c.Stream == bus.Webhooks && state.Messages > 0 {
				r.since = state.FirstTime
			}
		}
		ends[c.Stream] = state.LastSeq
		behind += state.LastSeq - min(max(r.through[c.Stream], max(state.FirstSeq, 1)-1), state.LastSeq)
	}
	return ends, behind, nil
}

// read writes what the streams hold, and what comes meanwhile, until that is little.
func (r *rebuilding) read(ctx context.Context) error {
	for round := range bulkRounds {
		ends, behind, err := r.ends(ctx)
		if err != nil || round > 0 && behind < fewMessages {
			return err
		}
		if round == 0 {
			// First, so that what events tell of these is not written twice.
			if err := r.carryFirst(ctx); err != nil {
				return err
			}
		}
		if err := r.report.expect(ctx, behind); err != nil {
			return err
		}
		if err := r.load(ctx, ends, nil); err != nil {
			return err
		}
	}
	return nil
}

// carryFirst takes over the deliveries that were before the first that the streams hold.
func (r *rebuilding) carryFirst(ctx context.Context) (err error) {
	before := map[string]uint64{}
	for stream, first := range r.first {
		before[stream] = max(first, 1) - 1
	}
	r.report.detail.Carried.Deliveries, err = r.made.CarryDeliveries(ctx, before, r.report.extra(ctx))
	return err
}

func (r *rebuilding) carry(ctx context.Context) error {
	first := r.report.detail.Carried.Deliveries
	carried, err := r.made.Carry(ctx, r.through, r.caused, r.report.extra(ctx))
	carried.Deliveries += first
	r.report.detail.Carried = carried
	return err
}

// caused reports whether the delivery that caused an event is one of those that KYC_WEBHOOKS has given.
func (r *rebuilding) caused(e *store.EventRow) bool {
	return e.Data.CausationSequence >= r.first[bus.Webhooks] && !e.StoredAt.Before(r.webhooksSince)
}

// catchUp reads what has come until that is little, and waits until what is in use is not far behind either.
func (r *rebuilding) catchUp(ctx context.Context) error {
	for {
		ends, behind, err := r.ends(ctx)
		if err != nil {
			return err
		}
		if behind < fewMessages {
			lag, err := r.lag(ctx)
			if err != nil || lag < fewBehind {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(catchUpPause):
			}
			continue
		}
		if err := r.report.expect(ctx, behind); err != nil {
			return err
		}
		if err := r.load(ctx, ends, r.settle); err != nil {
			return err
		}
	}
}

// lag is how many messages what is in use has not seen.
func (p *projector) lag(ctx context.Context) (lag uint64, err error) {
	for _, c := range p.consumers() {
		floor, err := p.bus.AckFloor(ctx, c.Stream, c.Name)
		if errors.Is(err, bus.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		lag += floor.Pending
	}
	return lag, nil
}

// level calls do while nobody writes and both hold exactly the same of every stream.
func (r *rebuilding) level(ctx context.Context, do func(ctx context.Context) error) error {
	begun := time.Now()
	r.gate.Lock()
	defer r.gate.Unlock()
	r.report.hurried = true
	defer func() { r.report.hurried = false }()
	err := r.model.Alone(ctx, func(ctx context.Context) error {
		ends, _, err := r.ends(ctx)
		if err != nil {
			return err
		}
		if err := r.drain(ctx, ends); err != nil {
			return err
		}
		if err := r.load(ctx, ends, r.settle); err != nil {
			return err
		}
		return do(ctx)
	})
	r.report.detail.PausedMS = max(r.report.detail.PausedMS, time.Since(begun).Milliseconds())
	return err
}

// compare compares both as they were at one moment.
func (r *rebuilding) compare(ctx context.Context) error {
	var now, made *store.Snapshot
	err := r.level(ctx, func(ctx context.Context) (err error) {
		// What the sweep has not removed from both is no difference.
		at := time.Now().UTC()
		for _, model := range []*store.ReadModel{r.model, r.made.Model()} {
			if err := prune(ctx, model, at); err != nil {
				return err
			}
		}
		if now, err = r.model.Snapshot(ctx); err != nil {
			return err
		}
		made, err = r.made.Model().Snapshot(ctx)
		return err
	})
	defer func() {
		for _, s := range []*store.Snapshot{now, made} {
			if s == nil {
				continue
			}
			if err := s.Close(ctx); err != nil {
				r.logger.WarnContext(ctx, "a snapshot was not ended well", "error", err)
			}
		}
	}()
	if err != nil {
		return err
	}
	if err := r.differences(ctx, now, made); err != nil {
		return err
	}
	found := r.report.detail.Differences
	if len(found) == 0 || r.spec.Accept {
		return nil
	}
	if err := r.keepNew(ctx, now, made); err != nil {
		return err
	}
	if err := r.report.save(ctx); err != nil {
		return err
	}
	lines := make([]string, len(found))
	for i, d := range found {
		lines[i] = d.String()
	}
	return fmt.Errorf("%w: %s; look into it, and begin again with --accept to take the new one into use all the same", ErrDiffers, strings.Join(lines, "; "))
}

// keepNew keeps what is not taken into use, where that was asked for.
func (r *rebuilding) keepNew(ctx context.Context, snapshots ...*store.Snapshot) (err error) {
	if !r.spec.KeepNew {
		return nil
	}
	for _, s := range snapshots {
		if err := s.Close(ctx); err != nil {
			return err
		}
	}
	r.report.detail.Kept, err = r.made.Keep(ctx)
	return err
}

// swap takes the new one into use.
func (r *rebuilding) swap(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		if err := r.catchUp(ctx); err != nil {
			return err
		}
		err := r.level(ctx, func(ctx context.Context) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			kept, err := r.made.Switch(ctx)
			if err == nil {
				r.report.detail.Kept = kept
				r.bases.forget()
			}
			return err
		})
		if err == nil || attempt == switchAttempts || !errors.Is(err, store.ErrUnavailable) {
			return err
		}
		// Somebody reads for long.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(switchPause):
		}
	}
}

// Streams are those that a read model is made of.
var Streams = []string{bus.Webhooks, bus.Verifications, bus.Sandbox, bus.Held, bus.Rejected, bus.Outcomes, bus.Dead}
