package projector

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/store"
)

// ownConsumers begins the names of all consumers of this package.
const ownConsumers = bus.ReadModelConsumers

// outcome returns how a delivery ended that left no event, or what an operator did with one.
func (p *projector) outcome(message bus.Stored) (*store.Delivery, error) {
	var outcome event.Outcome
	if err := json.Unmarshal(message.Data, &outcome); err != nil {
		return nil, unreadable("outcome", err)
	}
	stream := cmp.Or(outcome.Stream, bus.Webhooks)
	if stream == bus.Held && p.formerHeld(message) || stream != bus.Held && p.former(message) {
		return nil, nil
	}
	row := &store.Delivery{
		Stream: stream, Sequence: outcome.Sequence, EventID: outcome.Delivery, Provider: outcome.Provider, Event: outcome.Event,
		Outcome: string(outcome.Outcome), OutcomeAt: outcome.At, Cause: outcome.Cause,
		Verifications: outcome.Verifications, Anomalies: outcome.Anomalies, Traceparent: outcome.Traceparent,
	}
	if outcome.ReceivedAt != nil {
		row.ReceivedAt = *outcome.ReceivedAt
	}
	return row, nil
}

// formerHeld reports whether a message tells of what a KYC_HELD held that is no more. The identity of a stream is when it was made.
func (p *projector) formerHeld(message bus.Stored) bool {
	made, err := time.Parse(time.RFC3339Nano, p.streams[bus.Held])
	return err == nil && message.Time.Before(made)
}

// dead returns that the lifecycle gave a delivery up, or the receiver one that no stream can take.
func (p *projector) dead(message bus.Stored) (*store.Delivery, error) {
	var letter bus.DeadLetter
	if err := json.Unmarshal(message.Data, &letter); err != nil {
		return nil, unreadable("dead letter", err)
	}
	if !letter.EndsDelivery() || p.former(message) {
		return nil, nil
	}
	return &store.Delivery{
		Stream: letter.Stream, Sequence: letter.Sequence, EventID: letter.EventID,
		Provider: letter.Provider, Event: lastToken(letter.Subject),
		Outcome: store.OutcomeDead, Cause: letter.Cause, OutcomeAt: letter.LastErrorAt,
	}, nil
}

// lastToken is the event of a delivery's subject.
func lastToken(subject string) string { return subject[strings.LastIndex(subject, ".")+1:] }
