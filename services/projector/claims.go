package projector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/claims"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// errClaimsMoved says that the row changed while its successor was made.
var errClaimsMoved = errors.New("the claims were changed by another")

// claims writes the claims that the verification of an event has, which is in the tables: those of the signal which, of all that have an
// effect and came with claims, is the last in the order of the fold. They follow from all events known so far, so that neither the order
// of the events matters nor their number; the claims of a signal that lost its effect go with it.
//
// Claims are never written straight from a delivery: what it says about whom is only an assertion of the body, and the lifecycle alone
// knows to whom a payload belongs.
func (p *projector) claims(ctx context.Context, row *store.EventRow) error {
	from, kind, known := p.kind(row.Data.Provider, row.Data.Kind)
	if !known {
		return nil
	}
	return p.bases.with(row, func(b *basis) error {
		for {
			err := p.settle(ctx, settlement{from: from, kind: kind, id: row.Data.ID, sandbox: row.Sandbox, basis: b})
			// What changed the row is an event of this verification that says that personal data is gone, or an earlier attempt before a
			// crash. Neither happens again without an event that was not there before, so that another look at the tables settles it.
			if !errors.Is(err, errClaimsMoved) || ctx.Err() != nil {
				return err
			}
			b.forget()
		}
	})
}

// settlement is what the claims of one verification are decided from.
type settlement struct {
	*basis
	id      string
	sandbox bool
	from    *provider.Provider
	kind    *verification.Kind
}

// settle puts the row that should stand in the place of the one that does.
func (p *projector) settle(ctx context.Context, s settlement) error {
	if err := p.complete(ctx, s); err != nil {
		return err
	}
	next, err := p.next(ctx, s)
	if err != nil || next == nil {
		return err
	}
	next.AnonymizedThrough = s.current.AnonymizedThrough
	if err := p.replace(ctx, s.id, s.sandbox, s.current, next); err != nil {
		return err
	}
	s.current = *next
	return nil
}

// complete reads what the tables hold and the basis does not know. Most often that is nothing: a basis that once knew all was told of
// what came since, and the row is the one that it has written. One that did not may know of all events, told of them again after a
// restart, and still not of the row.
func (p *projector) complete(ctx context.Context, s settlement) error {
	if s.complete {
		if p.model.Exclusive() {
			return nil
		}
		count, err := p.model.EventCount(ctx, s.id, s.sandbox)
		if err != nil {
			return unavailable(err)
		}
		// There may be more in the tables than when the basis was locked.
		s.collect()
		if count == len(s.versions) {
			return nil
		}
	}
	err := p.load(ctx, s)
	s.complete = err == nil
	return err
}

// load replaces what the basis knows by what the tables hold.
func (p *projector) load(ctx context.Context, s settlement) error {
	events, err := p.model.Events(ctx, s.id, s.sandbox)
	if err != nil {
		return unavailable(err)
	}
	s.forget()
	for i := range events {
		s.learn(&events[i])
	}
	s.current, err = p.model.Claims(ctx, s.id, s.sandbox)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return unavailable(err)
	}
	return nil
}

// replace puts next in the place of current. It returns errClaimsMoved where current stands there no more.
func (p *projector) replace(ctx context.Context, id string, sandbox bool, current store.ClaimsRow, next *store.ClaimsRow) error {
	return unavailable(p.model.UpdateClaims(ctx, id, sandbox, func(now store.ClaimsRow) (*store.ClaimsRow, error) {
		if !bytes.Equal(now.Key, current.Key) || now.AnonymizedThrough != current.AnonymizedThrough {
			return nil, errClaimsMoved
		}
		return next, nil
	}))
}

// next returns the row that should stand, nil where it does already. The empty row is that of no claims.
func (p *projector) next(ctx context.Context, s settlement) (*store.ClaimsRow, error) {
	has := len(s.current.Sealed) > 0
	signals := s.effective(s.kind)
	for i := range signals {
		signal := &signals[i]
		if has && signal.ID == s.current.Signal.ID {
			if s.kind.Compare(signal, &s.current.Signal) == 0 {
				return nil, nil
			}
			// An earlier copy was found: the same claims, at another position.
			return &store.ClaimsRow{Signal: *signal, Key: s.current.Key, Sealed: s.current.Sealed}, nil
		}
		found, err := p.claimsOf(ctx, s.from, signal)
		if err != nil {
			return nil, err
		}
		if found == nil {
			continue
		}
		key, sealed, err := claims.Seal(p.keys, s.id, s.sandbox, found)
		if err != nil {
			return nil, err
		}
		return &store.ClaimsRow{Signal: *signal, Key: key, Sealed: sealed}, nil
	}
	if s.current.Signal.ID == "" {
		return nil, nil
	}
	return &store.ClaimsRow{}, nil
}

// claimsOf returns the claims that came with a signal; nil where there are none, or none any more, which it remembers.
func (p *projector) claimsOf(ctx context.Context, from *provider.Provider, signal *verification.Signal) (*provider.Claims, error) {
	if p.claimless.has(signal) {
		return nil, nil
	}
	found, err := p.readClaims(ctx, from, signal)
	if err == nil && found == nil {
		p.claimless.add(signal)
	}
	return found, err
}

// readClaims reads them from the delivery that brought the signal. That there are none it says only where that is so for good.
func (p *projector) readClaims(ctx context.Context, from *provider.Provider, signal *verification.Signal) (*provider.Claims, error) {
	webhook, err := p.deliveryOf(ctx, signal)
	if errors.Is(err, bus.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return p.claimsIn(ctx, from, signal, &webhook)
}

// claimsIn is readClaims where the delivery is at hand.
func (p *projector) claimsIn(ctx context.Context, from *provider.Provider, signal *verification.Signal, webhook *event.Webhook) (*provider.Claims, error) {
	body, err := p.keys.Open(webhook.SealKey, webhook.ID, webhook.Sealed)
	switch {
	case errors.Is(err, seal.ErrKeyDestroyed) && seal.Expired(webhook.SealKey, p.retention(webhook.Provider), time.Now()):
		return nil, nil
	case errors.Is(err, seal.ErrCorrupt):
		return nil, unreadable("delivery of a signal", err)
	case err != nil:
		// The key directory cannot be read now. One without a key that nobody may have destroyed yet is not the right one, or not there.
		return nil, fmt.Errorf("%w: open a delivery with key %s: %w", bus.ErrUnavailable, webhook.SealKey, err)
	}
	decoded, err := from.Decode(provider.Delivery{Event: webhook.Event, Body: body})
	if err != nil {
		// The lifecycle has read it, with another decoder: the signal stands, and what this decoder cannot read it cannot show.
		p.logger.WarnContext(ctx, "claims not readable", "provider", from.Name, "delivery", webhook.ID, "error", err)
		return nil, nil
	}
	for _, element := range decoded.Elements {
		if element.Signal.ID == signal.ID {
			return element.Claims, nil
		}
	}
	return nil, nil
}

// deliveryOf returns the delivery that brought a signal. Errors: bus.ErrNotFound where the stream keeps it no more.
func (p *projector) deliveryOf(ctx context.Context, signal *verification.Signal) (event.Webhook, error) {
	if webhook, ok := p.recent.get(signal.Seq, signal.Delivery); ok {
		return webhook, nil
	}
	message, err := p.bus.Get(ctx, bus.Webhooks, signal.Seq)
	if err != nil {
		return event.Webhook{}, err
	}
	webhook, err := event.DecodeWebhook(message.Header, message.Data)
	if err != nil {
		return event.Webhook{}, unreadable("delivery of a signal", err)
	}
	return webhook, nil
}
