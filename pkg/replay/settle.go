package replay

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
)

// settle makes of a request what the book keeps, and refuses what cannot be.
func (d *Desk) settle(ctx context.Context, r Request) (Spec, error) {
	spec := Spec{Stream: bus.Verifications, Filter: r.Filter, Rate: r.Rate, Via: d.Via}
	if r.Sandbox {
		spec.Stream = bus.Sandbox
	}
	if err := r.check(); err != nil {
		return spec, err
	}
	var err error
	if spec.Target, err = d.settleTarget(r.Target); err != nil {
		return spec, err
	}
	// Before anybody is told that a part is in his way: it is not to be removed while a run has it.
	if err := d.overlaps(ctx, spec.Target, ""); err != nil {
		return spec, err
	}
	if err := d.settleExtras(&spec, r); err != nil {
		return spec, err
	}
	if spec.Identity, err = d.Bus.StreamIdentity(ctx, spec.Stream); err != nil {
		return spec, err
	}
	return spec, d.settleRange(ctx, &spec, r)
}

func (r *Request) check() error {
	switch {
	case r.Rate < 0 || math.IsNaN(r.Rate) || math.IsInf(r.Rate, 0):
		return fmt.Errorf("%w: the rate must be more than 0", ErrRequest)
	case r.Keep < 0:
		return fmt.Errorf("%w: a stream cannot be kept for less than no time", ErrRequest)
	case r.Keep > 0 && r.Keep < time.Second:
		return fmt.Errorf("%w: a stream must be kept for a second at least", ErrRequest)
	case !r.Since.IsZero() && r.From > 0, !r.Until.IsZero() && r.Through > 0:
		return fmt.Errorf("%w: give times or sequences, not both for one end", ErrRequest)
	case !r.Since.IsZero() && !r.Until.IsZero() && !r.Since.Before(r.Until):
		return fmt.Errorf("%w: the time to begin at is not before the one to end at", ErrRequest)
	case r.From > 0 && r.Through > 0 && r.From > r.Through:
		return fmt.Errorf("%w: the sequence to begin with is above the one to end with", ErrRequest)
	}
	return r.Filter.check()
}

// settleExtras settles what belongs to one kind of target alone.
func (d *Desk) settleExtras(spec *Spec, r Request) error {
	path, isFile := strings.CutPrefix(spec.Target, filePrefix)
	isEndpoint := !isFile && spec.Target != TargetStream
	if spec.Target == TargetStream {
		spec.KeepSeconds = int64(orDefault(r.Keep).Seconds())
	} else if r.Keep > 0 {
		return fmt.Errorf("%w: only a stream is kept for some time", ErrRequest)
	}
	for _, one := range []struct {
		given string
		to    *string
	}{{r.BearerFile, &spec.BearerFile}, {r.HeaderFile, &spec.HeaderFile}} {
		if one.given == "" {
			continue
		}
		if !isEndpoint {
			return fmt.Errorf("%w: only an endpoint is sent a token or headers", ErrRequest)
		}
		full, err := d.settlePath(one.given)
		if err != nil {
			return err
		}
		*one.to = full
	}
	if isFile {
		return d.checkFile(path)
	}
	if _, err := credentials(spec.BearerFile, spec.HeaderFile); err != nil {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return nil
}

func orDefault(keep time.Duration) time.Duration {
	if keep == 0 {
		return DefaultKeep
	}
	return keep
}

// archived returns the advice where the stream is one that is archived.
func archived(stream, advice string) string {
	if stream == bus.Verifications {
		return advice
	}
	return ""
}

// settleRange settles the sequences.
func (d *Desk) settleRange(ctx context.Context, spec *Spec, r Request) (err error) {
	state, err := d.Bus.StreamState(ctx, spec.Stream)
	if err != nil {
		return err
	}
	if state.Messages == 0 && state.LastSeq == 0 {
		return fmt.Errorf("%w: %s is empty", ErrNothing, spec.Stream)
	}
	if state.Messages == 0 && !state.LastTime.IsZero() && r.Since.After(state.LastTime) {
		return fmt.Errorf("%w: the last event of %s came before", ErrNothing, spec.Stream)
	}
	if state.Messages == 0 {
		return fmt.Errorf("%w: %s is empty now, and its events up to sequence %d were removed%s",
			ErrTrimmed, spec.Stream, state.LastSeq, archived(spec.Stream, ": look for them in the archive"))
	}
	spec.From, spec.Through = max(r.From, 1), state.LastSeq
	if !r.Since.IsZero() {
		spec.Since = &r.Since
		if spec.From, err = d.Bus.FirstSince(ctx, spec.Stream, r.Since); err != nil {
			return err
		}
	}
	if !r.Until.IsZero() {
		spec.Until = &r.Until
		end, err := d.Bus.FirstSince(ctx, spec.Stream, r.Until)
		if err != nil {
			return err
		}
		spec.Through = min(spec.Through, max(end, 1)-1)
	}
	if r.Through > 0 {
		if r.Through > state.LastSeq {
			return fmt.Errorf("%w: the last sequence of %s is %d", ErrRequest, spec.Stream, state.LastSeq)
		}
		spec.Through = r.Through
	}
	trimmed := state.FirstSeq > 1 && (r.Since.IsZero() && spec.From < state.FirstSeq || !r.Since.IsZero() && r.Since.Before(state.FirstTime))
	if trimmed && !r.FromFirst {
		return fmt.Errorf("%w: %s begins with sequence %d of %s now; say that this is enough (--from-first, \"from_first\")%s",
			ErrTrimmed, spec.Stream, state.FirstSeq, state.FirstTime.UTC().Format(time.RFC3339), archived(spec.Stream, ", or look for what was before in the archive"))
	}
	spec.From = max(spec.From, state.FirstSeq)
	return nil
}
