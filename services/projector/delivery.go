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
	webhook, row, err := sealedDelivery(message, "")
	if err != nil {
		return err
	}
	err = unavailable(p.model.PutDelivery(ctx, row))
	if err == nil {
		p.recent.add(message.Seq, webhook)
	}
	return err
}

// delivery writes what any other message says of a delivery.
func (p *projector) delivery(ctx context.Context, message bus.Stored) error {
	row, err := p.deliveryRow(message)
	if err != nil || row == nil {
		return err
	}
	return unavailable(p.model.PutDelivery(ctx, *row))
}

// deliveryRow returns what a message says of a delivery, nil where that is nothing.
func (p *projector) deliveryRow(message bus.Stored) (*store.Delivery, error) {
	switch message.Stream {
	case bus.Webhooks:
		_, row, err := sealedDelivery(message, "")
		return &row, err
	case bus.Held:
		_, row, err := sealedDelivery(message, store.OutcomeHeld)
		return &row, err
	case bus.Rejected:
		return rejected(message)
	case bus.Outcomes:
		return p.outcome(message)
	case bus.Dead:
		return p.dead(message)
	default:
		return nil, nil
	}
}

// sealedDelivery returns what the headers of a sealed delivery say; its body is not opened.
func sealedDelivery(message bus.Stored, outcome string) (event.Webhook, store.Delivery, error) {
	webhook, err := event.DecodeWebhook(message.Header, message.Data)
	if err != nil {
		return event.Webhook{}, store.Delivery{}, unreadable("delivery", err)
	}
	row := store.Delivery{
		Stream: message.Stream, Sequence: message.Seq, EventID: webhook.ID,
		Provider: webhook.Provider, Event: webhook.Event, ReceivedAt: webhook.ReceivedAt, Traceparent: webhook.Traceparent,
	}
	if outcome != "" {
		row.Outcome, row.OutcomeAt = outcome, webhook.ReceivedAt
	}
	return webhook, row, nil
}

// rejected returns that a delivery was refused at the edge.
func rejected(message bus.Stored) (*store.Delivery, error) {
	var rejection event.Rejection
	if err := json.Unmarshal(message.Data, &rejection); err != nil {
		return nil, unreadable("rejection", err)
	}
	return &store.Delivery{
		Stream: message.Stream, Sequence: message.Seq, Provider: rejection.Provider,
		ReceivedAt: rejection.ReceivedAt, Outcome: store.OutcomeRejected, OutcomeAt: rejection.ReceivedAt, Cause: string(rejection.Cause),
	}, nil
}
