package projector

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/claims"
	"github.com/verdict-stream/verdict/pkg/store"
)

const (
	// sealPage is how many verifications have their claims sealed in one transaction, and sealers how many goroutines do.
	sealPage = 512
	sealers  = 8
)

// sealEarly writes claims of the events that come with their deliveries: most often those that stand in the end. Which do is for seal to see,
// or for settle.
func (r *rebuilding) sealEarly(ctx context.Context, l *load) error {
	at := map[store.VerificationKey]int{}
	for i := range l.bulk.Events {
		e := &l.bulk.Events[i]
		signal := &e.Data.Signal
		from, kind, known := r.kind(e.Data.Provider, e.Data.Kind)
		if !known || signal.Seq < r.first[bus.Webhooks] {
			continue
		}
		alone := newBasis()
		alone.learn(e)
		webhook, ok := r.lately.get(signal.Seq, signal.Delivery)
		if !ok || len(alone.effective(kind)) == 0 {
			continue
		}
		found, err := r.claimsIn(ctx, from, signal, &webhook)
		if err != nil {
			return err
		}
		if found == nil {
			r.claimless.add(signal)
			continue
		}
		key := store.VerificationKey{ID: e.Data.ID, Sandbox: e.Sandbox}
		sealed := store.Claims{VerificationKey: key, Row: store.ClaimsRow{Signal: *signal}}
		if sealed.Row.Key, sealed.Row.Sealed, err = claims.Seal(r.keys, key.ID, key.Sandbox, found); err != nil {
			return err
		}
		if before, twice := at[key]; twice {
			l.bulk.Claims[before] = sealed
			continue
		}
		at[key] = len(l.bulk.Claims)
		l.bulk.Claims = append(l.bulk.Claims, sealed)
	}
	return nil
}

// seal writes the claims of all verifications that may have some: of those with an event since the first delivery that was read, even where it
// can be read no more, since claims that do not stand in the end may be sealed already; and of those that have some in the model in use.
func (r *rebuilding) seal(ctx context.Context) error {
	if r.since.IsZero() {
		state, err := r.bus.StreamState(ctx, bus.Webhooks)
		if err != nil {
			return err
		}
		r.since = state.FirstTime
	}
	if !r.since.IsZero() {
		for _, sandbox := range []bool{false, true} {
			if err := r.sealUpdated(ctx, sandbox, r.since); err != nil {
				return err
			}
		}
	}
	for after := (store.VerificationKey{}); ; {
		keys, err := r.model.Sealed(ctx, after, r.batch(sealPage))
		if err != nil || len(keys) == 0 {
			return err
		}
		last := keys[len(keys)-1]
		done, err := r.made.Model().SealedBetween(ctx, after, last)
		if err != nil {
			return err
		}
		after = last
		has := map[store.VerificationKey]bool{}
		for _, key := range done {
			has[key] = true
		}
		left := slices.DeleteFunc(keys, func(key store.VerificationKey) bool { return has[key] })
		if err := r.settle(ctx, left); err != nil {
			return err
		}
		if err := r.report.extra(ctx)(len(left)); err != nil {
			return err
		}
	}
}

func (r *rebuilding) sealUpdated(ctx context.Context, sandbox bool, since time.Time) error {
	for after := (*store.Updated)(nil); ; {
		page, err := r.made.Model().Unsettled(ctx, sandbox, since, after, r.batch(sealPage))
		if err != nil || len(page) == 0 {
			return err
		}
		after = &page[len(page)-1]
		keys := make([]store.VerificationKey, len(page))
		for i := range page {
			keys[i] = page[i].VerificationKey
		}
		if err := r.settle(ctx, keys); err != nil {
			return err
		}
		if err := r.report.extra(ctx)(len(keys)); err != nil {
			return err
		}
	}
}

// settle writes the claims that verifications have by their events in the new model.
func (r *rebuilding) settle(ctx context.Context, keys []store.VerificationKey) error {
	rows := make([]*store.ClaimsRow, len(keys))
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(sealers)
	for i := range keys {
		group.Go(func() (err error) {
			rows[i], err = r.settled(working, keys[i])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var b store.Bulk
	for i, row := range rows {
		if row != nil {
			b.Claims = append(b.Claims, store.Claims{VerificationKey: keys[i], Row: *row})
		}
	}
	if len(b.Claims) == 0 {
		return nil
	}
	return r.made.Put(ctx, b)
}

// settled returns the row that should stand, nil where none needs to be written. It follows from the events, as it does in the model in use,
// and is read from the delivery again. What no delivery gives any more is taken over, for as long as it is what should stand.
func (r *rebuilding) settled(ctx context.Context, key store.VerificationKey) (*store.ClaimsRow, error) {
	events, err := r.made.Model().Events(ctx, key.ID, key.Sandbox)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	b := newBasis()
	for i := range events {
		b.learn(&events[i])
	}
	b.current, err = r.made.Model().Claims(ctx, key.ID, key.Sandbox)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	from, kind, known := r.kind(events[0].Data.Provider, events[0].Data.Kind)
	if !known {
		return nil, nil
	}
	var former *store.ClaimsRow
	signals := b.effective(kind)
	for i := range signals {
		signal := &signals[i]
		if len(b.current.Sealed) > 0 && b.current.Signal.ID == signal.ID {
			if kind.Compare(signal, &b.current.Signal) == 0 {
				return nil, nil
			}
			return &store.ClaimsRow{Signal: *signal, Key: b.current.Key, Sealed: b.current.Sealed}, nil
		}
		if signal.Seq >= r.first[bus.Webhooks] {
			found, err := r.claimsOf(ctx, from, signal)
			if err != nil {
				return nil, err
			}
			if found != nil {
				key, sealed, err := claims.Seal(r.keys, key.ID, key.Sandbox, found)
				return &store.ClaimsRow{Signal: *signal, Key: key, Sealed: sealed}, err
			}
		}
		if former == nil {
			if former, err = r.inUse(ctx, key); err != nil {
				return nil, err
			}
		}
		if len(former.Sealed) > 0 && former.Signal.ID == signal.ID {
			return &store.ClaimsRow{Signal: *signal, Key: former.Key, Sealed: former.Sealed}, nil
		}
	}
	if b.current.Signal.ID == "" {
		return nil, nil
	}
	return &store.ClaimsRow{}, nil // no signal without claims keeps a place
}

// inUse are the claims in the model in use.
func (r *rebuilding) inUse(ctx context.Context, key store.VerificationKey) (*store.ClaimsRow, error) {
	row, err := r.model.Claims(ctx, key.ID, key.Sandbox)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return &row, err
}
