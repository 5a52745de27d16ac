package projector

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/store"
)

// ownConsumers begins the names of all consumers of this package.
const ownConsumers = "projector-"

// outcome writes how a delivery ended that left no event.
func (p *projector) outcome(ctx context.Context, message bus.Stored) error {
	var outcome event.Outcome
	if err := json.Unmarshal(message.Data, &outcome); err != nil {
		return unreadable("outcome", err)
	}
	if p.former(message) {
		return nil
	}
	return unavailable(p.model.PutOutcome(ctx, store.Outcome{
		Stream: bus.Webhooks, Sequence: outcome.Sequence, EventID: outcome.Delivery,
		Provider: outcome.Provider, Event: outcome.Event, Outcome: string(outcome.Outcome),
		Verifications: outcome.Verifications, Anomalies: outcome.Anomalies, At: outcome.At,
	}))
}

// dead writes that the lifecycle gave a delivery up, or the receiver one that no stream can take. Other dead letters say nothing about how a delivery ended: where this package could
// not show one, the lifecycle may well have applied it.
func (p *projector) dead(ctx context.Context, message bus.Stored) error {
	var letter bus.DeadLetter
	if err := json.Unmarshal(message.Data, &letter); err != nil {
		return unreadable("dead letter", err)
	}
	if letter.Stream != bus.Webhooks && letter.Stream != bus.Spool || strings.HasPrefix(letter.Consumer, ownConsumers) || p.former(message) {
		return nil
	}
	return unavailable(p.model.PutOutcome(ctx, store.Outcome{
		Stream: letter.Stream, Sequence: letter.Sequence, EventID: letter.EventID,
		Provider: letter.Provider, Event: lastToken(letter.Subject),
		Outcome: store.OutcomeDead, Cause: letter.Cause, At: letter.LastErrorAt,
	}))
}

// lastToken is the event of a delivery's subject.
func lastToken(subject string) string { return subject[strings.LastIndex(subject, ".")+1:] }
