package receiver

import (
	"context"
	"fmt"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/failpoint"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/telemetry"
)

// disposition is what is to be done with a webhook whose signature is good or may be missing.
type disposition int

const (
	hold   disposition = iota // store it aside; what is not known is held too, so that it is not lost
	store                     // store it for processing
	ignore                    // count it
	reject                    // refuse it like one without a signature
)

// disposition applies the policy for unsigned webhooks.
func (e *endpoint) disposition(family provider.Family) disposition {
	switch family {
	case provider.FamilyVerification:
		return store
	case provider.FamilyForeign:
		return ignore
	case provider.FamilyUnsigned:
		switch {
		case e.Unsigned == Reject:
			return reject
		case e.Unsigned == Token && e.trusted():
			return store
		}
	}
	return hold
}

// dispose does with a webhook what is to be done.
func (r *receiver) dispose(ctx context.Context, c call, receipt provider.Receipt, body []byte) {
	id := event.WebhookID(c.Provider.Name, receipt.DeliveryID, receipt.Signed)
	switch c.disposition(receipt.Family) {
	case store:
		r.keep(ctx, c, id, body, resultAccepted)
	case ignore:
		c.take(id, resultIgnored)
	case reject:
		r.reject(ctx, c, event.CauseMissingSignature, newFingerprint(body))
	case hold:
		// Anybody may send what is held, so it must not become durable at his pace.
		if !c.trusted() {
			if len(body) > heldLimit {
				r.reject(ctx, c, event.CauseTooLarge, newFingerprint(body))
				return
			}
			if err := c.held.Wait(ctx); err != nil {
				r.unavailable(ctx, c, fmt.Errorf("too many unsigned webhooks: %w", err))
				return
			}
		}
		r.keep(ctx, c, id, body, resultHeld)
	}
}

// key is what deliveries of one webhook are recognised by: its id, and the event's name where
// that is not signed. Else a body under another name, of which the sender may have several
// or a stranger one, would keep the right one out.
func (c *call) key(id string) string {
	if c.Provider.NameUnsigned() {
		return id + "/" + c.event
	}
	return id
}

// keep seals a webhook and makes it durable.
func (r *receiver) keep(ctx context.Context, c call, id string, body []byte, kept result) {
	key, sealed, err := r.stores.Keys.Seal(c.Provider.Name, c.arrived, id, body)
	if err != nil {
		r.unavailable(ctx, c, err)
		return
	}
	held, subject := kept == resultHeld, event.WebhookSubject(c.Provider.Name, c.event)
	if held {
		subject = event.HeldSubject(c.Provider.Name)
	}
	duplicate, err := r.journal.append(ctx, subject, c.key(id), held, event.Webhook{
		ID: id, Provider: c.Provider.Name, Event: c.event, Instance: r.instance, ReceivedAt: c.arrived,
		SealKey: key, Sealed: sealed, Traceparent: telemetry.Traceparent(ctx),
	})
	if err != nil {
		r.unavailable(ctx, c, err)
		return
	}
	failpoint.Hit(failpoint.ReceiverStored)
	if duplicate {
		kept = resultDuplicate
	}
	c.take(id, kept)
}
