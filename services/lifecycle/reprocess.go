package lifecycle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/runs"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// VerbReprocess is the verb of runs that read a provider's deliveries once more.
const VerbReprocess = "reprocess"

// ReprocessSpec is which deliveries are read once more, and by what.
type ReprocessSpec struct {
	Provider string `json:"provider"`
	// Kind and Verification choose verifications; empty is all.
	Kind         string `json:"kind,omitempty"`
	Verification string `json:"verification,omitempty"`
	// Since and Until bound when deliveries were received; Until itself is outside.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// Through is the position of the last delivery; those behind it are read by the new version anyway.
	Through uint64 `json:"through"`
	// Decoder and Tables say which program the plan was made with.
	Decoder int    `json:"decoder"`
	Tables  string `json:"tables"`
	// Rate is how many deliveries are read in a second, and how many verifications written; 0 is as many as can be.
	Rate int `json:"rate,omitempty"`
}

// NewReprocessSpec returns what reads all deliveries of a provider with this program.
func NewReprocessSpec(p *provider.Provider) ReprocessSpec {
	return ReprocessSpec{Provider: p.Name, Decoder: p.DecoderVersion(), Tables: tablesOf(p)}
}

// tablesOf is a word that differs where the tables of the provider's kinds do. Deadlines are settings.
func tablesOf(p *provider.Provider) string {
	sum := sha256.New()
	for _, kind := range p.Kinds {
		table := *kind
		table.Deadline = 0
		text, err := json.Marshal(table)
		if err != nil {
			panic(err) // It has strings, numbers and lists.
		}
		sum.Write(text)
	}
	const shown = 12
	return hex.EncodeToString(sum.Sum(nil))[:shown]
}

// all reports whether no verification is left out.
func (s *ReprocessSpec) all() bool { return s.Kind == "" && s.Verification == "" }

// whole reports whether nothing is left out that is kept.
func (s *ReprocessSpec) whole() bool { return s.all() && s.Since.IsZero() && s.Until.IsZero() }

func (s *ReprocessSpec) within(received time.Time) bool {
	return !received.Before(s.Since) && (s.Until.IsZero() || received.Before(s.Until))
}

func (s *ReprocessSpec) chooses(id verification.ID) bool {
	return (s.Kind == "" || s.Kind == id.Kind) && (s.Verification == "" || s.Verification == id.String())
}

// ErrOtherVersion means that the lifecycle at work is not of the version that the plan was made with.
var ErrOtherVersion = errors.New("the running lifecycle is of another version than the plan")

// fits returns ErrOtherVersion where this program would read something else than the plan says.
func (s *ReprocessSpec) fits(p *provider.Provider) error {
	mine := NewReprocessSpec(p)
	if s.Decoder == mine.Decoder && s.Tables == mine.Tables {
		return nil
	}
	return fmt.Errorf("%w: it reads %s with decoder %d and tables %s, the plan with decoder %d and tables %s; start the lifecycle from the program that made the plan, then resume, or cancel and plan anew",
		ErrOtherVersion, p.Name, mine.Decoder, mine.Tables, s.Decoder, s.Tables)
}

// limiter is nil where there is no cap.
func (s *ReprocessSpec) limiter() *rate.Limiter {
	if s.Rate <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(s.Rate), max(s.Rate, applyChunk))
}

// ReprocessDetail is what a run keeps besides how far it is.
type ReprocessDetail struct {
	Step string `json:"phase"`
	// Deliveries are those that were read, by what came of it.
	Deliveries map[string]uint64 `json:"deliveries,omitempty"`
	// Changed counts the verifications that became others, and Events what was published of them.
	Changed uint64 `json:"changed"`
	Events  uint64 `json:"events"`
}

// stagingName names the file in the data directory that a run of a provider keeps its deliveries in.
func stagingName(provider string) string { return "reprocess-" + provider }

// reprocess works on a run. What it takes over is published as everything else is, in the same order and behind the same fence.
func (w *worker) reprocess(ctx context.Context, job *runs.Job) error {
	var spec ReprocessSpec
	run := job.Run()
	if err := json.Unmarshal(run.Spec, &spec); err != nil {
		return fmt.Errorf("read what was asked for: %w", err)
	}
	if err := spec.fits(w.provider); err != nil {
		return err
	}
	staging, err := store.OpenStaging(ctx, w.Store.Dir, stagingName(w.provider.Name), run.Name+" "+run.CreatedAt.Format(time.RFC3339Nano))
	if err != nil {
		return err
	}
	var detail ReprocessDetail
	if err := json.Unmarshal(run.Detail, &detail); err != nil {
		detail = ReprocessDetail{}
	}
	r := w.rereading(spec, staging)
	saver := telling{job: job, detail: &detail, staging: staging}
	r.progress = saver.progress
	r.changed = func(before, after *verification.Record, events int) error {
		if events > 0 {
			detail.Changed++
			detail.Events += uint64(events)
		}
		return nil
	}
	err = errors.Join(r.steps(ctx), saver.save(ctx))
	if cause := context.Cause(ctx); err == nil || errors.Is(cause, runs.ErrCanceled) {
		return errors.Join(err, staging.Remove())
	}
	return errors.Join(err, staging.Close())
}

// rereading makes what reads the deliveries into the state.
func (w *worker) rereading(spec ReprocessSpec, staging *store.Staging) *reading {
	return &reading{
		worker: w, spec: spec, staging: staging, state: w.state, payload: w.state.Payload, limit: spec.limiter(),
		update: func(ctx context.Context, fn func(ledger) error) error {
			return w.state.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
		},
	}
}

// steps does all there is to do.
func (r *reading) steps(ctx context.Context) error {
	for _, step := range []func(context.Context) error{r.stage, r.owners, r.records, r.apply, r.flush, r.end} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// flush waits until all that was changed is in the streams.
func (r *reading) flush(ctx context.Context) error {
	for _, lane := range r.lanes {
		if err := lane.relay.Flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

// saveInterval is between two notes of how far a run is.
const saveInterval = time.Second

// telling notes how far a run is.
type telling struct {
	job     *runs.Job
	staging *store.Staging
	detail  *ReprocessDetail
	last    time.Time

	done, total uint64
}

func (t *telling) progress(ctx context.Context, step string, done, total uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	changed := t.detail.Step != step
	t.detail.Step, t.done, t.total = step, done, total
	if !changed && time.Since(t.last) < saveInterval {
		return nil
	}
	return t.save(ctx)
}

func (t *telling) save(ctx context.Context) error {
	t.last = time.Now()
	counts, err := t.staging.Results(ctx)
	if err != nil {
		return err
	}
	t.detail.Deliveries = counts
	detail, err := json.Marshal(t.detail)
	if err != nil {
		return err
	}
	err = t.job.Save(ctx, func(r *runs.Run) { r.Done, r.Total, r.Detail = t.done, t.total, detail })
	if errors.Is(err, bus.ErrUnavailable) {
		return nil // The run's own lease tells when that has lasted for too long.
	}
	return err
}
