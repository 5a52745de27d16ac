package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/time/rate"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/failpoint"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// What comes of reading a delivery once more.
const (
	ResultDecoded     = "decoded"
	ResultUnhandled   = "unhandled"
	ResultUndecodable = "undecodable" // what it said before stays
	ResultExpired     = "expired"     // its body cannot be opened any more; what it said before stays
	ResultLost        = "lost"        // its key is missing although its time is not over, or the seal is broken
)

// reading is all deliveries of a provider that are kept, read once more by this program's decoder. They are sorted by
// verification first, so that each verification takes over all that is said of it at once:
//
//	deliveries ──▶ staging ──▶ owners of payloads ──▶ records ──▶ outcomes
//
// Every step may be repeated: what has been taken over already makes no difference then.
type reading struct {
	*worker
	spec    ReprocessSpec
	staging *store.Staging
	// update runs a transaction, or writes a draft.
	update  func(ctx context.Context, fn func(ledger) error) error
	payload func(ctx context.Context, signal string) (store.Payload, error)
	state   *store.Lifecycle
	limit   *rate.Limiter // of deliveries read, and of verifications written, in a second; nil is none
	// progress is told how far the step is; it returns an error where the work is to end.
	progress func(ctx context.Context, step string, done, total uint64) error
	// changed is told of every verification that has become another; nil is nobody.
	changed func(before, after *verification.Record, events int) error
}

// The steps, in their order.
const (
	stepRead    = "read"
	stepOwners  = "owners"
	stepRecords = "records"
	stepApply   = "apply"
	stepEnd     = "end"
)

const (
	// readChunk bounds the deliveries of one transaction of the staging.
	readChunk = 256
	// recordPage bounds the records that are held at a time.
	recordPage = 500
	// applyChunk bounds the verifications of one transaction, so that live deliveries do not wait long for it.
	applyChunk = 16
	markRead   = "read"
)

// stage reads the deliveries up to the one that was the last when the work was asked for.
func (r *reading) stage(ctx context.Context) error {
	if err := r.before(ctx); err != nil {
		return err
	}
	mark, err := r.staging.Mark(ctx, markRead)
	if err != nil {
		return err
	}
	from, _ := strconv.ParseUint(mark, 10, 64)
	var chunk []store.StagedDelivery
	done := from
	put := func() error {
		if err := r.staging.Put(ctx, chunk, markRead, strconv.FormatUint(done, 10)); err != nil {
			return err
		}
		chunk = chunk[:0]
		return r.progress(ctx, stepRead, done, r.spec.Through)
	}
	_, err = r.Bus.Read(ctx, bus.Webhooks, event.WebhookFilter(r.provider.Name), from+1, func(m bus.Stored) error {
		if m.Seq > r.spec.Through {
			return errThrough
		}
		done = m.Seq
		d, chosen, err := r.read(ctx, m)
		if err != nil {
			return err
		}
		if chosen {
			chunk = append(chunk, d)
		}
		if len(chunk) >= readChunk {
			return put()
		}
		return nil
	})
	if err != nil && !errors.Is(err, errThrough) {
		return err
	}
	done = r.spec.Through
	return put()
}

// errThrough ends the reading where the work ends.
var errThrough = errors.New("read to the end")

// before notes which deliveries had ended without an event.
func (r *reading) before(ctx context.Context) error {
	var list []store.Before
	put := func() error {
		err := r.staging.PutBefore(ctx, list)
		list = list[:0]
		return err
	}
	add := func(b store.Before) error {
		if list = append(list, b); len(list) < readChunk {
			return nil
		}
		return put()
	}
	err := r.Bus.Letters(ctx, bus.LetterFilter{Consumer: r.consumer()}, 1, func(l bus.Letter) error {
		if l.Stream != bus.Webhooks || l.Cause == causeUnpublishable {
			return nil
		}
		return add(store.Before{Seq: l.Sequence, Outcome: string(event.Dead), Note: store.Note{Stream: bus.Dead, Seq: l.Seq}})
	})
	if err = errors.Join(err, put()); err != nil {
		return err
	}
	if err := r.outcomes(ctx, event.Unhandled, func(seq, told uint64) error {
		return add(store.Before{Seq: seq, Outcome: string(event.Unhandled), Note: store.Note{Stream: bus.Outcomes, Seq: told}})
	}); err != nil {
		return err
	}
	if err := put(); err != nil {
		return err
	}
	// It may have been told of one since that it is a repeat.
	var known []uint64
	end := func() error {
		err := r.staging.End(ctx, store.Ended{Known: known})
		known = known[:0]
		return err
	}
	err = r.outcomes(ctx, event.Repeat, func(seq, _ uint64) error {
		if known = append(known, seq); len(known) < readChunk {
			return nil
		}
		return end()
	})
	return errors.Join(err, end())
}

// outcomes hands the positions of the deliveries to fn of which an outcome was told, and where that was.
func (r *reading) outcomes(ctx context.Context, name event.OutcomeName, fn func(seq, told uint64) error) error {
	_, err := r.Bus.Read(ctx, bus.Outcomes, event.OutcomeSubject(r.provider.Name, string(name)), 1, func(m bus.Stored) error {
		var outcome event.Outcome
		unreadable := json.Unmarshal(m.Data, &outcome)
		if unreadable != nil || outcome.Stream != "" {
			return nil //nolint:nilerr // What is no outcome is the projector's to complain of, and what was held lies elsewhere.
		}
		return fn(outcome.Sequence, m.Seq)
	})
	return err
}

// read reads one delivery, and reports whether it is among those that were asked for.
func (r *reading) read(ctx context.Context, m bus.Stored) (store.StagedDelivery, bool, error) {
	staged := store.StagedDelivery{Seq: m.Seq, Result: ResultUndecodable}
	webhook, err := event.DecodeWebhook(m.Header, m.Data)
	if err != nil {
		return staged, r.spec.all(), nil //nolint:nilerr // That is the result.
	}
	d := delivery{Webhook: webhook, seq: m.Seq}
	staged.ID, staged.Event = d.ID, d.Event
	if !r.spec.within(d.ReceivedAt) {
		return staged, false, nil
	}
	if r.limit != nil {
		if err := r.limit.Wait(ctx); err != nil {
			return staged, false, err
		}
	}
	body, err := r.Keys.Open(d.SealKey, d.ID, d.Sealed)
	switch {
	case err == nil:
	case errors.Is(err, seal.ErrKeyDestroyed) && seal.Expired(d.SealKey, r.Retention(r.provider.Name), time.Now()):
		staged.Result = ResultExpired
		return staged, r.spec.all(), nil
	case errors.Is(err, seal.ErrKeyDestroyed), errors.Is(err, seal.ErrCorrupt):
		staged.Result = ResultLost
		return staged, r.spec.all(), nil
	default:
		return staged, false, fmt.Errorf("%w: open the body of a delivery: %w", bus.ErrUnavailable, err)
	}
	decoded, err := r.provider.Decode(provider.Delivery{Event: d.Event, Body: body})
	switch {
	case errors.Is(err, provider.ErrUnhandled):
		staged.Result, staged.Whole = ResultUnhandled, true
		for _, s := range decoded.Seen {
			s.Received(d.seq, d.ReceivedAt.Truncate(time.Microsecond), d.ID)
			s.At = s.At.Truncate(time.Microsecond)
			staged.Sightings = append(staged.Sightings, s)
		}
		return staged, r.spec.all(), nil
	case err != nil:
		return staged, r.spec.all(), nil //nolint:nilerr // That is the result.
	}
	signals, err := r.signals(d, decoded.Elements)
	if err != nil {
		return staged, r.spec.all(), nil //nolint:nilerr // The table lacks what the decoder says.
	}
	staged.Result, staged.Whole = ResultDecoded, true
	for i := range signals {
		t := &signals[i]
		if !r.spec.chooses(t.id) {
			staged.Whole = false
			continue
		}
		staged.Verifications = append(staged.Verifications, t.id.String())
		staged.Readings = append(staged.Readings, store.StagedReading{
			Key: store.RecordKey{ID: t.id.String(), Sandbox: t.signal.Sandbox}, Seq: d.seq, Signal: t.signal,
		})
	}
	slices.Sort(staged.Verifications)
	staged.Verifications = slices.Compact(staged.Verifications)
	return staged, len(staged.Readings) > 0 || r.spec.all(), nil
}

// decided reports whether a delivery was read, and what it tells of is known.
func (r *reading) decided(ctx context.Context, seq uint64) (bool, error) {
	result, err := r.staging.Result(ctx, seq)
	return result == ResultDecoded || result == ResultUnhandled, err
}

// apply has every verification take over what its deliveries say.
func (r *reading) apply(ctx context.Context) error {
	total, err := r.staging.CountRecords(ctx)
	if err != nil {
		return err
	}
	var after store.RecordKey
	for done := uint64(0); ; {
		keys, err := r.staging.Records(ctx, after, applyChunk)
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			return r.progress(ctx, stepApply, total, total)
		}
		if r.limit != nil {
			if err := r.limit.WaitN(ctx, min(len(keys), r.limit.Burst())); err != nil {
				return err
			}
		}
		if err := r.together(ctx, keys); err != nil {
			return err
		}
		after = keys[len(keys)-1]
		done += uint64(len(keys))
		if err := r.progress(ctx, stepApply, done, total); err != nil {
			return err
		}
	}
}

// together has some verifications take over what their deliveries say, in one transaction.
func (r *reading) together(ctx context.Context, keys []store.RecordKey) error {
	said := make([][]store.StagedReading, len(keys))
	for i, key := range keys {
		var err error
		if said[i], err = r.staging.Readings(ctx, key); err != nil {
			return err
		}
	}
	var done []*reread
	err := r.update(ctx, func(tx ledger) error {
		done = done[:0] // the transaction may run again
		for i, key := range keys {
			one := &reread{reading: r, change: r.change(tx, ""), said: said[i]}
			if err := one.run(ctx, key); err != nil {
				return err
			}
			done = append(done, one)
		}
		return nil
	})
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.ReprocessApplied)
	var ended store.Ended
	for _, one := range done {
		if one.record != nil {
			ended.Applied = append(ended.Applied, one.applied(one.record)...)
			ended.Known = append(ended.Known, one.applied(one.before)...)
			ended.LeftOut = append(ended.LeftOut, one.left...)
		}
		if r.changed != nil && one.saved {
			if err := r.changed(one.before, one.record, len(one.change.result.changes)); err != nil {
				return err
			}
		}
	}
	return r.staging.End(ctx, ended)
}
