package projector

import (
	"context"
	"encoding/json"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/store"
)

// webhook writes that a delivery was accepted. Its outcome is told by other messages.
func (p *projector) webhook(ctx context.Context, message bus.Stored) error {
	webhook, err := p.delivery(ctx, message, "")
	if err == nil {
		p.recent.add(message.Seq, webhook)
	}
	return err
}

// held writes that a delivery waits for a human.
func (p *projector) held(ctx context.Context, message bus.Stored) error {
	_, err := p.delivery(ctx, message, store.OutcomeHeld)
	return err
}

// delivery writes what the headers of a sealed delivery say; its body is not opened.
func (p *projector) delivery(ctx context.Context, message bus.Stored, outcome string) (event.Webhook, error) {
	webhook, err := event.DecodeWebhook(message.Header, message.Data)
	if err != nil {
		return event.Webhook{}, unreadable("delivery", err)
	}
	delivery := store.Delivery{
		Stream: message.Stream, Sequence: message.Seq, EventID: webhook.ID,
		Provider: webhook.Provider, Event: webhook.Event, ReceivedAt: webhook.ReceivedAt, Traceparent: webhook.Traceparent,
	}
	if outcome != "" {
		delivery.Outcome, delivery.OutcomeAt = outcome, webhook.ReceivedAt
	}
	return webhook, unavailable(p.model.PutDelivery(ctx, delivery))
}

// rejected writes that a delivery was refused at the edge.
func (p *projector) rejected(ctx context.Context, message bus.Stored) error {
	var rejection event.Rejection
	if err := json.Unmarshal(message.Data, &rejection); err != nil {
		return unreadable("rejection", err)
	}
	return unavailable(p.model.PutDelivery(ctx, store.Delivery{
		Stream: message.Stream, Sequence: message.Seq, Provider: rejection.Provider,
		ReceivedAt: rejection.ReceivedAt, Outcome: store.OutcomeRejected, OutcomeAt: rejection.ReceivedAt, Cause: string(rejection.Cause),
	}))
}
