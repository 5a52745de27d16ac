package lifecycle

import (
	"context"
	"slices"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/failpoint"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// reread is one verification that takes over what its deliveries say now.
type reread struct {
	*reading
	change *change
	said   []store.StagedReading

	before, record *verification.Record
	saved          bool
	left           []uint64 // deliveries of which something was left out
}

func (r *reread) run(ctx context.Context, key store.RecordKey) error {
	id, err := verification.ParseID(key.ID)
	if err != nil {
		return err
	}
	kind, ok := r.provider.Kind(id.Kind)
	if !ok || !r.spec.chooses(id) {
		return nil
	}
	touched, err := r.change.record(ctx, kind, id, key.Sandbox)
	if err != nil {
		return err
	}
	r.record = touched.record
	before := *r.record
	before.Signals = slices.Clone(r.record.Signals)
	r.before = &before
	var said verification.Said
	if said.Readings, err = r.readings(ctx, id); err != nil {
		return err
	}
	if said.Withdrawn, err = r.gone(ctx); err != nil {
		return err
	}
	if said.Misplaced, err = r.misplaced(ctx, said.Readings); err != nil {
		return err
	}
	result, err := kind.Reread(r.record, said)
	if err != nil {
		return err
	}
	r.saved, r.left = result.Saved, result.Left
	touched.changed = result.Saved
	for i := range result.Changes {
		if err := r.change.event(ctx, touched, &result.Changes[i]); err != nil {
			return err
		}
	}
	return r.change.save(ctx)
}

// readings are what counts of what was said.
func (r *reread) readings(ctx context.Context, id verification.ID) ([]verification.Reading, error) {
	var readings []verification.Reading
	for i := range r.said {
		s := r.said[i].Signal
		reading := verification.Reading{Signal: s, Cause: verification.Cause{ID: s.Delivery, Seq: r.said[i].Seq}}
		if r.provider.OwnedPayloads {
			mine, err := r.own(ctx, id, &reading.Signal)
			if err != nil {
				return nil, err
			}
			if !mine {
				continue
			}
		}
		readings = append(readings, reading)
	}
	if !r.provider.OwnedPayloads {
		return readings, nil
	}
	for i := range r.record.Signals {
		s := r.record.Signals[i].Signal
		if s.Seq == 0 || s.Disowned || slices.ContainsFunc(readings, func(o verification.Reading) bool { return o.Signal.ID == s.ID }) {
			continue
		}
		p, err := r.change.tx.Payload(ctx, s.ID)
		if err != nil {
			return nil, err
		}
		if p.Sighted && p.Sighting.Seq <= s.Seq {
			cause := verification.Cause{ID: s.Delivery, Seq: s.Seq}
			s.Redate(p.Sighting.Seq, p.Sighting.At, p.Sighting.ReceivedAt, p.Sighting.Delivery, p.Sighting.Decoder)
			readings = append(readings, verification.Reading{Signal: s, Cause: cause})
		}
	}
	return readings, nil
}

// own reports whether a signed payload belongs to the verification, and dates it back to when it was seen before.
func (r *reread) own(ctx context.Context, id verification.ID, s *verification.Signal) (bool, error) {
	p, err := r.change.tx.Payload(ctx, s.ID)
	if err != nil {
		return false, err
	}
	if p.Owned && p.Owner.Verification != id {
		return false, nil
	}
	if !p.Owned {
		if err := r.change.tx.SetOwner(ctx, s.ID, store.Owner{Verification: id, Event: s.Event, Seq: s.Seq}); err != nil {
			return false, err
		}
	}
	if p.Sighted && p.Sighting.Seq < s.Seq {
		s.Redate(p.Sighting.Seq, p.Sighting.At, p.Sighting.ReceivedAt, p.Sighting.Delivery, p.Sighting.Decoder)
	}
	return true, nil
}

// misplaced are the signals dated by a delivery that was read and tells them no more, though others do.
func (r *reread) misplaced(ctx context.Context, readings []verification.Reading) (list []string, err error) {
	if !r.spec.whole() {
		return nil, nil
	}
	first := map[string]uint64{}
	for i := range readings {
		s := &readings[i].Signal
		if seq, known := first[s.ID]; !known || s.Seq < seq {
			first[s.ID] = s.Seq
		}
	}
	for i := range r.record.Signals {
		s := &r.record.Signals[i].Signal
		seq, told := first[s.ID]
		if !told || s.Seq >= seq {
			continue
		}
		read, err := r.decided(ctx, s.Seq)
		if err != nil {
			return nil, err
		}
		if read {
			list = append(list, s.ID)
		}
	}
	return list, nil
}

// gone are the signals that the verification loses, and forgets whose they are where nobody else has them.
func (r *reread) gone(ctx context.Context) ([]string, error) {
	if !r.spec.whole() {
		return nil, nil
	}
	withdrawn, err := r.withdrawn(ctx, r.record)
	if err != nil || !r.provider.OwnedPayloads {
		return withdrawn, err
	}
	for _, signal := range withdrawn {
		owner, known, err := r.change.tx.Owner(ctx, signal)
		if err != nil {
			return nil, err
		}
		if known && owner.Verification == r.record.ID {
			if err := r.change.tx.DropOwner(ctx, signal); err != nil {
				return nil, err
			}
		}
	}
	return withdrawn, nil
}

// applied are the deliveries that have made an event of the record.
func (r *reread) applied(record *verification.Record) []uint64 {
	var applied []uint64
	for i := range r.said {
		if e, found := record.Find(r.said[i].Signal.ID); found && e.Cause == r.said[i].Seq {
			applied = append(applied, e.Cause)
		}
	}
	return applied
}

// end tells how deliveries ended that had made no event before and can be read now, and closes their dead letters. What was
// applied is in the stream.
func (r *reading) end(ctx context.Context) error {
	failpoint.Hit(failpoint.ReprocessPublished)
	for after := uint64(0); ; {
		page, err := r.staging.Endings(ctx, after, recordPage)
		if err != nil {
			return err
		}
		for i := range page {
			if err := r.endOf(ctx, &page[i]); err != nil {
				return err
			}
			after = page[i].Seq
		}
		if err := r.progress(ctx, stepEnd, 0, 0); err != nil || len(page) < recordPage {
			return err
		}
	}
}

func (r *reading) endOf(ctx context.Context, d *store.StagedDelivery) error {
	now := nowEnds(d)
	if now == "" || now == event.OutcomeName(d.Before) {
		return nil
	}
	if now != event.Applied {
		about := delivery{Webhook: event.Webhook{ID: d.ID, Provider: r.provider.Name, Event: d.Event}, seq: d.Seq}
		if err := r.tell(ctx, about, now, &result{verifications: d.Verifications}); err != nil {
			return err
		}
	}
	// What was said of it before does not hold any more.
	notes, err := r.staging.Notes(ctx, d.Seq)
	for _, note := range notes {
		if err == nil && (now != event.Unhandled || note.Stream == bus.Dead) {
			err = r.Bus.Drop(ctx, note.Stream, note.Seq)
		}
	}
	return err
}

// nowEnds is how a delivery ends now; empty where that is not known, or where it stays with its dead letter.
func nowEnds(d *store.StagedDelivery) event.OutcomeName {
	switch {
	case d.LeftOut, !d.Whole:
		return ""
	case d.Result == ResultUnhandled:
		return event.Unhandled
	case d.Result != ResultDecoded:
		return ""
	case d.Applied:
		return event.Applied
	default:
		return event.Repeat
	}
}
