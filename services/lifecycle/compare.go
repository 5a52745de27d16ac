package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// compare completes the new state, and finds out how it differs from the one in use, until little is left of what was written meanwhile.
func (r *rebuilding) compare(ctx context.Context) error {
	if err := r.all(ctx); err != nil {
		return err
	}
	for range maxRounds {
		more, err := r.again(ctx)
		if err != nil || more <= fewDirty {
			return err
		}
	}
	return errors.New("more is written than can be compared meanwhile: try again when there is less traffic")
}

// all compares everything.
func (r *rebuilding) all(ctx context.Context) error {
	total, err := r.old.state.Count(ctx)
	if err != nil {
		return err
	}
	r.detail.Verifications, r.sums = 0, stateSums{}
	for after, done := (store.RecordKey{}), uint64(0); ; {
		page, err := r.old.state.Page(ctx, after, recordPage)
		if err != nil {
			return err
		}
		if err := r.records(ctx, page); err != nil {
			return err
		}
		done += uint64(len(page))
		r.detail.Verifications = done
		if len(page) > 0 {
			after = store.KeyOf(page[len(page)-1])
		}
		if err := r.tell(ctx, "compare", done, total); err != nil {
			return err
		}
		if len(page) < recordPage {
			break
		}
	}
	if err := r.unknown(ctx); err != nil {
		return err
	}
	for after := ""; ; {
		page, err := r.old.state.Payloads(ctx, after, recordPage)
		if err != nil {
			return err
		}
		if err := r.payloads(ctx, page); err != nil {
			return err
		}
		if len(page) < recordPage {
			return nil
		}
		after = page[len(page)-1].Signal
	}
}

// unknown finds the verifications of the streams that the state in use has not.
func (r *rebuilding) unknown(ctx context.Context) error {
	for after := (store.RecordKey{}); ; {
		page, err := r.new.state.Page(ctx, after, recordPage)
		if err != nil {
			return err
		}
		for _, record := range page {
			after = store.KeyOf(record)
			kept, err := r.old.state.Record(ctx, record.ID, record.Sandbox)
			if err != nil {
				return err
			}
			if kept.Version == 0 {
				if err := r.note(after, record, kept, []string{verification.DiffersMissing}, false); err != nil {
					return err
				}
			}
		}
		if len(page) < recordPage {
			return ctx.Err()
		}
	}
}

// records completes and compares some verifications.
func (r *rebuilding) records(ctx context.Context, page []*verification.Record) error {
	if len(page) == 0 {
		return nil
	}
	type compared struct {
		made    *verification.Record
		kept    *verification.Record
		differs []string
		carried bool
	}
	var done []compared
	err := r.new.state.Update(ctx, func(tx *store.Tx) error {
		done = done[:0] // the transaction may run again
		for _, kept := range page {
			made, err := tx.Record(ctx, kept.ID, kept.Sandbox)
			if err != nil {
				return err
			}
			differs, carried := made.Join(kept, r.trimmed[kept.Sandbox])
			done = append(done, compared{made, kept, differs, carried})
			kind, known := r.new.provider.Kind(kept.ID.Kind)
			if made.Version == 0 || !known {
				continue
			}
			if err := tx.Save(ctx, made, r.new.dates(kind, made)); err != nil {
				return err
			}
		}
		return nil
	})
	for _, c := range done {
		if err == nil {
			err = r.note(store.KeyOf(c.kept), c.made, c.kept, c.differs, c.carried)
		}
	}
	return err
}

// note keeps how a verification differs, or that it does not.
func (r *rebuilding) note(key store.RecordKey, made, kept *verification.Record, differs []string, carried bool) error {
	if err := r.sums.put(key, kept, made, len(differs) > 0); err != nil {
		return err
	}
	if carried && len(r.carried) < maxDiffering {
		r.carried[key] = true
	}
	if len(differs) == 0 {
		delete(r.differs, key)
		return nil
	}
	if _, known := r.differs[key]; known || len(r.differs) < maxDiffering {
		r.differs[key] = StateDifference{
			Verification: key.ID, Sandbox: key.Sandbox, Differs: differs, State: kept.Version, Stream: made.Version,
		}
		return nil
	}
	if !r.spec.Accept {
		return fmt.Errorf("%w: more than %d verifications differ, %s among them; nothing was replaced. "+
			"Have the new state take its place with --accept", ErrStateDiffers, maxDiffering, key.ID)
	}
	return nil // The new state stands, however many there are.
}

// payloads takes over what the streams do not tell of signed payloads.
func (r *rebuilding) payloads(ctx context.Context, page []store.SignalPayload) error {
	return r.new.state.Update(ctx, func(tx *store.Tx) error {
		for _, p := range page {
			if err := tx.PutPayload(ctx, p); err != nil {
				return err
			}
		}
		return nil
	})
}

// again compares what was written since and what differed, and returns how much that was.
func (r *rebuilding) again(ctx context.Context) (int, error) {
	records, payloads, overflow := r.old.dirty.Load().take()
	if overflow {
		clear(r.differs)
		if err := r.follow(ctx); err != nil {
			return 0, err
		}
		return maxDirty, r.all(ctx)
	}
	if err := r.follow(ctx); err != nil {
		return 0, err
	}
	written := len(records) + len(payloads)
	for key := range r.differs {
		records[key] = true
	}
	for keys := range slices.Chunk(slices.Collect(maps.Keys(records)), recordPage) {
		page := make([]*verification.Record, len(keys))
		for i, key := range keys {
			id, err := verification.ParseID(key.ID)
			if err != nil {
				return 0, err
			}
			if page[i], err = r.old.state.Record(ctx, id, key.Sandbox); err != nil {
				return 0, err
			}
		}
		if err := r.records(ctx, page); err != nil {
			return 0, err
		}
		if err := r.tell(ctx, "compare", r.detail.Verifications, r.detail.Verifications); err != nil {
			return 0, err
		}
	}
	for signals := range slices.Chunk(slices.Collect(maps.Keys(payloads)), recordPage) {
		page := make([]store.SignalPayload, len(signals))
		for i, signal := range signals {
			known, err := r.old.state.Payload(ctx, signal)
			if err != nil {
				return 0, err
			}
			page[i] = store.SignalPayload{Signal: signal, Payload: known}
		}
		if err := r.payloads(ctx, page); err != nil {
			return 0, err
		}
	}
	return written, nil
}
