package projector

import (
	"context"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/failpoint"
	"github.com/verdict-stream/verdict/pkg/store"
)

// verification writes one event of KYC_VERIFICATIONS.
func (p *projector) verification(ctx context.Context, message bus.Stored) error {
	return p.event(ctx, message, false)
}

// sandbox writes one event of KYC_SANDBOX.
func (p *projector) sandbox(ctx context.Context, message bus.Stored) error {
	return p.event(ctx, message, true)
}

// event writes the timeline, the current state and the outcome of the delivery in one transaction, and then the claims in another, unless
// the first has taken them: a crash in between is repaired by the redelivery.
func (p *projector) event(ctx context.Context, message bus.Stored, sandbox bool) error {
	row, err := p.eventRow(message, sandbox)
	if err != nil {
		return err
	}
	written, settled, err := p.first(ctx, &row)
	if !written && err == nil {
		err = p.model.PutEvent(ctx, row)
	}
	if err != nil {
		return unavailable(err)
	}
	failpoint.Hit(failpoint.ProjectorCommitted)
	if settled {
		return nil
	}
	return p.claims(ctx, &row)
}

// eventRow returns what a message says of a verification.
func (p *projector) eventRow(message bus.Stored, sandbox bool) (store.EventRow, error) {
	data, published, err := event.DecodeVerification(message.Header, message.Data)
	if err != nil {
		return store.EventRow{}, unreadable("verification event", err)
	}
	return store.EventRow{
		Sandbox: sandbox, Sequence: message.Seq, Published: published, StoredAt: message.Time, Data: data, Encoded: message.Data,
		CauseGone: p.former(message),
	}, nil
}

// first writes an event together with its claims, where it seems to be the first of its verification, and reports what it has done. Where
// the claims cannot be read now, it has done nothing: the event does not wait for them.
func (p *projector) first(ctx context.Context, row *store.EventRow) (written, settled bool, err error) {
	from, kind, known := p.kind(row.Data.Provider, row.Data.Kind)
	if !known || row.Data.Version != 1 || row.Data.AnonymizedThrough > 0 {
		return false, false, nil
	}
	p.bases.first(row, func(b *basis) bool {
		s := settlement{from: from, kind: kind, id: row.Data.ID, sandbox: row.Sandbox, basis: b}
		next, unread := p.next(ctx, s)
		if unread != nil {
			return false
		}
		settled, err = p.model.PutFirstEvent(ctx, *row, next)
		written = err == nil
		if settled && next != nil {
			b.current = *next
		}
		return settled
	})
	return written, settled, err
}
