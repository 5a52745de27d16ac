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

// event writes the timeline, the current state and the outcome of the delivery in one transaction, and then the claims in another:
// a crash in between is repaired by the redelivery.
func (p *projector) event(ctx context.Context, message bus.Stored, sandbox bool) error {
	envelope, err := event.Decode(message.Header, message.Data)
	if err != nil {
		return unreadable("verification event", err)
	}
	data, published, err := event.VerificationOf(envelope)
	if err != nil {
		return unreadable("verification event", err)
	}
	row := store.EventRow{
		Sandbox: sandbox, Sequence: message.Seq, Published: published, StoredAt: message.Time, Data: data, CauseGone: p.former(message),
	}
	if err := p.model.PutEvent(ctx, row); err != nil {
		return unavailable(err)
	}
	failpoint.Hit(failpoint.ProjectorCommitted)
	return p.claims(ctx, &row)
}
