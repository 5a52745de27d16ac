package projector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/claims"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// errClaimsMoved says that the row changed while its successor was made. The redelivery settles it.
var errClaimsMoved = errors.New("the claims were changed by another")

// claims writes the claims that a verification has: those of the signal which, of all that have an effect and came with claims, is the
// last in the order of the fold. They follow from all events known so far, so that neither the order of the events matters nor their
// number; the claims of a signal that lost its effect go with it.
//
// Claims are never written straight from a delivery: what it says about whom is only an assertion of the body, and the lifecycle alone
// knows to whom a payload belongs.
func (p *projector) claims(ctx context.Context, id string, sandbox bool) error {
	name, err := verification.ParseID(id)
	if err != nil {
		return unreadable("verification event", err)
	}
	from, kind, known := p.kind(name.Provider, name.Kind)
	if !known {
		return nil
	}
	events, err := p.model.Events(ctx, id, sandbox)
	if err != nil {
		return unavailable(err)
	}
	current, err := p.model.Claims(ctx, id, sandbox)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return unavailable(err)
	}
	s := settlement{from: from, id: id, sandbox: sandbox, current: current}
	next, err := p.settle(ctx, s, effective(kind, events, current.AnonymizedThrough), kind)
	if err != nil || next == nil {
		return err
	}
	return p.replace(ctx, id, sandbox, current, next)
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

// effective lists the signals whose claims may be shown, the last in the order of the fold first.
func effective(kind *verification.Kind, events []store.EventRow, through uint64) []verification.Signal {
	if len(events) == 0 {
		return nil
	}
	// The events come in the order of their versions: of one signal the last one tells what stands.
	latest := map[string]verification.Signal{}
	for _, row := range events {
		latest[row.Data.Signal.ID] = row.Data.Signal
		through = max(through, row.Data.AnonymizedThrough)
	}
	applicant := events[len(events)-1].Data.Applicant
	var signals []verification.Signal
	for _, s := range latest {
		mismatch := kind.OneApplicant && applicant != nil && s.Applicant != "" && s.Applicant != *applicant
		// Made signals have no position, and so lie before everything that is anonymized.
		if s.Seq > through && !s.Disowned && !mismatch {
			signals = append(signals, s)
		}
	}
	slices.SortFunc(signals, func(a, b verification.Signal) int { return kind.Compare(&b, &a) })
	return signals
}

// settlement is what the claims of one verification are decided from.
type settlement struct {
	from    *provider.Provider
	id      string
	sandbox bool
	current store.ClaimsRow
}

// settle returns the row that should stand, nil where it does already. The empty row is that of no claims.
func (p *projector) settle(ctx context.Context, s settlement, signals []verification.Signal, kind *verification.Kind) (*store.ClaimsRow, error) {
	has := len(s.current.Sealed) > 0
	for i := range signals {
		signal := &signals[i]
		if has && signal.ID == s.current.Signal.ID {
			if kind.Compare(signal, &s.current.Signal) == 0 {
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
	message, err := p.bus.Get(ctx, bus.Webhooks, signal.Seq)
	if errors.Is(err, bus.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	envelope, err := event.Decode(message.Header, message.Data)
	if err != nil {
		return nil, unreadable("delivery of a signal", err)
	}
	webhook, err := event.WebhookOf(envelope)
	if err != nil {
		return nil, unreadable("delivery of a signal", err)
	}
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
