package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/failpoint"
	"github.com/verdict-stream/verdict/pkg/runs"
	"github.com/verdict-stream/verdict/pkg/store"
)

// VerbRebuildState is the verb of runs that make a provider's state anew from the streams.
const VerbRebuildState = "rebuild-state"

// RebuildStateSpec says whose state is made anew.
type RebuildStateSpec struct {
	Provider string `json:"provider"`
	// Accept has the new state take the place of the one in use also where they differ.
	Accept bool `json:"accept,omitempty"`
}

// RebuildStateDetail is what a run tells besides how far it is.
type RebuildStateDetail struct {
	Step string `json:"phase"`
	// Verifications are those that were compared, Carried those of which the streams do not hold everything any more.
	Verifications uint64 `json:"verifications"`
	Carried       uint64 `json:"carried"`
	// InUse and Made are what was compared of the state in use, and of the new one completed with what was carried.
	InUse StateSum `json:"in_use"`
	Made  StateSum `json:"made"`
	// Differing counts the verifications that differ from the state in use, and Differences are the first of them.
	Differing   uint64            `json:"differing"`
	Differences []StateDifference `json:"differences,omitempty"`
	// Paused is for how long deliveries have waited for the new state to take its place.
	Paused time.Duration `json:"paused,omitempty"`
	// Replaced reports that it has.
	Replaced bool `json:"replaced,omitempty"`
}

// StateDifference is a verification of which the streams say something else than the state.
type StateDifference struct {
	Verification string   `json:"verification"`
	Sandbox      bool     `json:"sandbox,omitempty"`
	Differs      []string `json:"differs"`
	State        int      `json:"state_version"`  // in the state in use; 0 where it is not there
	Stream       int      `json:"stream_version"` // by the streams; 0 where they do not hold it
}

// ErrStateDiffers means that the streams say something else than the state in use.
var ErrStateDiffers = errors.New("the streams say something else than the state in use")

const (
	// shownDifferences are told with their ids.
	shownDifferences = 20
	// maxDiffering bounds the verifications that are compared again before they count as differing.
	maxDiffering = 10_000
	// maxRounds bounds how often is compared anew what was written meanwhile.
	maxRounds = 20
	// fewDirty is how much may be left to compare while deliveries wait.
	fewDirty = 500
	// drainTimeout bounds how long deliveries wait for the last events to get into the streams.
	drainTimeout = 5 * time.Second
)

// rebuilding is a state that is being made beside the one in use:
//
//	streams ──▶ new state ◀── what only the old one knows
//	                │ compared, while deliveries are handled; then once more without
//	                ▼
//	         takes the place
type rebuilding struct {
	old, new *worker
	spec     RebuildStateSpec
	job      *runs.Job
	detail   RebuildStateDetail
	trimmed  map[bool]bool // whether the stream of the sandbox, and that of production, does not reach back to its beginning
	differs  map[store.RecordKey]StateDifference
	sums     stateSums
	carried  map[store.RecordKey]bool
	last     time.Time
}

// rebuildBeside works on a run. When it has put the new state in its place, or could have, this worker is halted.
func (w *worker) rebuildBeside(ctx context.Context, job *runs.Job) (err error) {
	r := &rebuilding{old: w, job: job, trimmed: map[bool]bool{}, differs: map[store.RecordKey]StateDifference{}, carried: map[store.RecordKey]bool{}}
	if err := json.Unmarshal(job.Run().Spec, &r.spec); err != nil {
		return fmt.Errorf("read what was asked for: %w", err)
	}
	beside, err := w.state.Beside(ctx)
	if err != nil {
		return err
	}
	placed := false
	defer func() {
		if placed {
			return
		}
		cleanup := context.WithoutCancel(ctx)
		err = ended(ctx, errors.Join(err, beside.Close(), w.state.DropBeside(cleanup)))
	}()
	if r.new, err = newWorker(w.Config, w.provider, beside, w.logger, w.alarm); err != nil {
		return err
	}
	r.new.adopted = func(seq uint64) error { return r.tell(ctx, "read", seq, 0) }
	w.dirty.Store(newDirty())
	defer w.dirty.Store(nil)
	if err := r.fill(ctx); err != nil {
		return err
	}
	if err := r.compare(ctx); err != nil {
		return err
	}
	return r.place(ctx, beside, &placed)
}

// tell notes how far the run is.
func (r *rebuilding) tell(ctx context.Context, step string, done, total uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	changed := r.detail.Step != step
	r.detail.Step = step
	if !changed && time.Since(r.last) < saveInterval {
		return nil
	}
	r.last = time.Now()
	return r.save(ctx, done, total)
}

func (r *rebuilding) save(ctx context.Context, done, total uint64) error {
	r.detail.Differing = uint64(len(r.differs))
	r.detail.Carried = uint64(len(r.carried))
	r.detail.Differences = r.shown()
	r.detail.InUse, r.detail.Made = r.sums.inUse.told(), r.sums.made.told()
	detail, err := json.Marshal(r.detail)
	if err != nil {
		return err
	}
	err = r.job.Save(ctx, func(run *runs.Run) { run.Done, run.Total, run.Detail = done, total, detail })
	if errors.Is(err, bus.ErrUnavailable) {
		return nil // The run's own lease tells when that has lasted for too long.
	}
	return err
}

// shown are the first differences.
func (r *rebuilding) shown() []StateDifference {
	all := slices.SortedFunc(maps.Values(r.differs), func(a, b StateDifference) int {
		switch {
		case a.Verification < b.Verification:
			return -1
		case a.Verification > b.Verification:
			return 1
		default:
			return 0
		}
	})
	return all[:min(len(all), shownDifferences)]
}

// fill reads the streams into the new state.
func (r *rebuilding) fill(ctx context.Context) error {
	if err := r.new.reschedule(ctx); err != nil {
		return err
	}
	for _, lane := range r.new.lanes {
		identity, err := lane.Bus.StreamIdentity(ctx, lane.stream)
		if err != nil {
			return err
		}
		state, err := lane.Bus.StreamState(ctx, lane.stream)
		if err != nil {
			return err
		}
		r.trimmed[lane.sandbox] = state.FirstSeq > 1
		if err := lane.state.SetPosition(ctx, lane.stream, store.Position{Stream: identity}); err != nil {
			return err
		}
	}
	return r.follow(ctx)
}

// follow reads what has come into the streams since.
func (r *rebuilding) follow(ctx context.Context) error {
	for _, lane := range r.new.lanes {
		if _, err := lane.resync(ctx); err != nil {
			return err
		}
	}
	return nil
}

// place compares once more while nothing is written, and puts the new state in its place. Deliveries wait meanwhile.
func (r *rebuilding) place(ctx context.Context, beside *store.Lifecycle, placed *bool) error {
	if !r.spec.Accept && len(r.differs) > 0 {
		// What differed because of its timing may not differ any more.
		if _, err := r.again(ctx); err != nil {
			return err
		}
	}
	begun := time.Now()
	r.old.halt()
	if err := r.drain(ctx); err != nil {
		return err
	}
	if _, err := r.again(ctx); err != nil {
		return err
	}
	if len(r.differs) > 0 {
		if !r.spec.Accept {
			return errors.Join(r.save(ctx, r.detail.Verifications, r.detail.Verifications), r.differing())
		}
		// Deliveries that only the old state has taken in are taken in again.
		if err := r.old.Bus.ResetConsumer(ctx, bus.Webhooks, r.old.consumer()); err != nil {
			return err
		}
	}
	failpoint.Hit(failpoint.RebuildCompared)
	r.detail.Paused = time.Since(begun)
	*placed = true
	if err := r.old.state.TakePlace(ctx, beside); err != nil {
		return err
	}
	r.detail.Replaced, r.detail.Step = true, "done"
	return r.save(ctx, r.detail.Verifications, r.detail.Verifications)
}

// differing is what a run fails with.
func (r *rebuilding) differing() error {
	first := r.shown()[0]
	return fmt.Errorf("%w: %d verifications differ, %s among them (%v); nothing was replaced. Look at them with `verdict rebuild status`, "+
		"and have the new state take its place with --accept", ErrStateDiffers, len(r.differs), first.Verification, first.Differs)
}

// drain publishes what waits in the outbox of the halted worker.
func (r *rebuilding) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	for _, lane := range r.old.lanes {
		running, stop := context.WithCancel(ctx)
		result := make(chan error, 1)
		go func() { result <- lane.relay.Run(running, r.old.Bus) }()
		err := lane.relay.Flush(ctx)
		stop()
		if err = errors.Join(<-result, err); err != nil {
			return fmt.Errorf("the last events do not get into the stream: %w", err)
		}
	}
	return nil
}
