package lifecycle

import (
	"context"

	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// owners settles whose the signed payloads are: that of the first delivery that tells of a verification now. Where only some
// deliveries are read, nobody loses a payload.
func (r *reading) owners(ctx context.Context) error {
	if !r.provider.OwnedPayloads {
		return nil
	}
	for seq, signal := uint64(0), ""; ; {
		page, err := r.staging.Sightings(ctx, seq, signal, recordPage)
		if err != nil {
			return err
		}
		for i := range page {
			if err := r.sighting(ctx, &page[i]); err != nil {
				return err
			}
			seq, signal = page[i].Seq, page[i].ID
		}
		if len(page) < recordPage {
			break
		}
	}
	for after := ""; r.spec.whole(); {
		page, err := r.staging.First(ctx, after, recordPage)
		if err != nil {
			return err
		}
		for i := range page {
			if err := r.owner(ctx, &page[i]); err != nil {
				return err
			}
			after = page[i].Signal.ID
		}
		if len(page) < recordPage {
			break
		}
		if err := r.progress(ctx, stepOwners, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// sighting records a payload that was seen before it told of a verification, and has that one looked at.
func (r *reading) sighting(ctx context.Context, s *verification.Signal) error {
	known, err := r.payload(ctx, s.ID)
	if err != nil || known.Sighted && (known.Sighting.Seq < s.Seq || known.Sighting.Seq == s.Seq && known.Sighting.Decoder >= s.Decoder) {
		return err
	}
	err = r.update(ctx, func(tx ledger) error {
		return tx.AddSighting(ctx, s.ID, store.Sighting{Seq: s.Seq, At: s.At, ReceivedAt: s.ReceivedAt, Delivery: s.Delivery, Decoder: s.Decoder})
	})
	if err != nil || !known.Owned {
		return err
	}
	return r.staging.Look(ctx, []store.RecordKey{{ID: known.Owner.Verification.String(), Sandbox: s.Sandbox}})
}

// owner gives a payload to the verification of its first reading, unless an earlier delivery that cannot be read any more had given it
// to another.
func (r *reading) owner(ctx context.Context, first *store.StagedReading) error {
	t, ok, err := r.told(first)
	if err != nil || !ok {
		return err
	}
	mine := store.Owner{Verification: t.id, Event: t.signal.Event, Seq: first.Seq}
	known, err := r.payload(ctx, t.signal.ID)
	if err != nil || known.Owned && known.Owner == mine {
		return err
	}
	if known.Owned && known.Owner.Seq < first.Seq {
		if gone, err := r.decided(ctx, known.Owner.Seq); err != nil || !gone {
			return err
		}
	}
	return r.update(ctx, func(tx ledger) error { return tx.SetOwner(ctx, t.signal.ID, mine) })
}

// told is a reading with its verification.
func (r *reading) told(s *store.StagedReading) (*told, bool, error) {
	id, err := verification.ParseID(s.Key.ID)
	if err != nil {
		return nil, false, err
	}
	kind, ok := r.provider.Kind(id.Kind)
	return &told{kind: kind, id: id, signal: s.Signal}, ok, nil
}
