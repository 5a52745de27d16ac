package lifecycle

import (
	"context"

	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// records finds the verifications that a signal is told of no more. One whose deliveries were not all read keeps what it has.
func (r *reading) records(ctx context.Context) error {
	if !r.spec.whole() {
		return nil
	}
	total, err := r.state.Count(ctx)
	if err != nil {
		return err
	}
	var after store.RecordKey
	for done := uint64(0); ; {
		page, err := r.state.Page(ctx, after, recordPage)
		if err != nil {
			return err
		}
		var look []store.RecordKey
		for _, record := range page {
			after = store.KeyOf(record)
			withdrawn, err := r.withdrawn(ctx, record)
			if err != nil {
				return err
			}
			if len(withdrawn) > 0 {
				look = append(look, after)
			}
		}
		if err := r.staging.Look(ctx, look); err != nil {
			return err
		}
		done += uint64(len(page))
		if err := r.progress(ctx, stepRecords, done, total); err != nil {
			return err
		}
		if len(page) < recordPage {
			return nil
		}
	}
}

// withdrawn returns the signals of a record that an older decoder has read from deliveries which do not tell them any more, and those
// whose payload belongs to another verification.
func (r *reading) withdrawn(ctx context.Context, record *verification.Record) ([]string, error) {
	var told map[string]bool
	var withdrawn []string
	for i := range record.Signals {
		s := &record.Signals[i].Signal
		if s.Seq == 0 || s.Disowned || s.Decoder >= r.spec.Decoder && !r.provider.OwnedPayloads {
			continue
		}
		seq, mine, err := r.toldBy(ctx, s, record.ID)
		if err != nil {
			return nil, err
		}
		if !mine {
			withdrawn = append(withdrawn, s.ID)
			continue
		}
		if s.Decoder >= r.spec.Decoder {
			continue
		}
		if told == nil {
			if told, err = r.staging.Told(ctx, store.KeyOf(record)); err != nil {
				return nil, err
			}
		}
		if told[s.ID] {
			continue
		}
		gone, err := r.decided(ctx, seq)
		if err != nil {
			return nil, err
		}
		if gone {
			withdrawn = append(withdrawn, s.ID)
		}
	}
	return withdrawn, nil
}

// toldBy returns the position of the delivery that tells of a signal, which may not be that where its payload was seen first, and whether
// the signal belongs to the verification.
func (r *reading) toldBy(ctx context.Context, s *verification.Signal, id verification.ID) (uint64, bool, error) {
	if !r.provider.OwnedPayloads {
		return s.Seq, true, nil
	}
	payload, err := r.payload(ctx, s.ID)
	if err != nil || !payload.Owned {
		return s.Seq, true, err
	}
	return payload.Owner.Seq, payload.Owner.Verification == id, nil
}
