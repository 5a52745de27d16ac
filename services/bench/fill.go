package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// fill puts so many events and the deliveries that caused them into the streams, as the receiver and the lifecycle would. But for the last
// ones, of which deliveries are kept, each second event says that the personal data of the first is gone. It returns the number of deliveries.
func (b *bench) fill(ctx context.Context, in *installation, admin *bus.Bus, count, kept int) (seq uint64, err error) {
	settings := bus.StreamSettings{Retention: benchRetention, DeduplicationWindow: time.Second, Replicas: 1}
	if err := admin.EnsureStreams(ctx, settings); err != nil {
		return 0, err
	}
	keys, err := in.keys()
	if err != nil {
		return 0, err
	}
	for made := 0; made < count; {
		var deliveries, events []bus.Message
		for made < count && len(events) < bus.MaxBatch-1 {
			seq++
			delivery, told, err := b.webhooks.messages(keys, seq, time.Now().UTC(), made < count-kept)
			if err != nil {
				return 0, err
			}
			deliveries, events = append(deliveries, delivery), append(events, told...)
			made += len(told)
		}
		if _, err := admin.PublishBatch(ctx, deliveries, bus.Fence{}); err != nil {
			return 0, err
		}
		if last, err := admin.PublishBatch(ctx, events, bus.Fence{}); err != nil || last != uint64(made) {
			return 0, fmt.Errorf("fill the streams: the last event is %d, want %d: %w", last, made, err)
		}
	}
	return seq, nil
}

var errNoSignal = errors.New("the webhook tells of no verification")

// messages are a delivery, which will have the position seq, and its event; and that its personal data is gone, where it is.
func (w *webhooks) messages(keys *seal.Keyring, seq uint64, at time.Time, gone bool) (delivery bus.Message, told []bus.Message, err error) {
	body := append([]byte(nil), w.body...)
	copy(body[w.number:], fmt.Sprintf("%0*d", numberDigits, seq))
	webhook := event.Webhook{
		ID: event.WebhookID(w.provider.Name, "", body), Provider: w.provider.Name, Event: w.provider.Token(w.event), Instance: "bench", ReceivedAt: at,
	}
	if webhook.SealKey, webhook.Sealed, err = keys.Seal(webhook.Provider, at, webhook.ID, body); err != nil {
		return delivery, told, err
	}
	envelope, err := webhook.Envelope()
	if err != nil {
		return delivery, told, err
	}
	delivery.Subject = event.WebhookSubject(webhook.Provider, webhook.Event)
	if delivery.Header, delivery.Data, err = event.Encode(envelope); err != nil {
		return delivery, told, err
	}
	told, err = w.told(&webhook, body, seq, gone)
	return delivery, told, err
}

// told are the events of a delivery.
func (w *webhooks) told(webhook *event.Webhook, body []byte, seq uint64, gone bool) (told []bus.Message, err error) {
	decoded, err := w.provider.Decode(provider.Delivery{Event: webhook.Event, Body: body})
	if err != nil || len(decoded.Elements) == 0 {
		return nil, errors.Join(err, errNoSignal)
	}
	element := decoded.Elements[0]
	kind, known := w.provider.Kind(element.Kind)
	if !known {
		return nil, errNoSignal
	}
	signal := element.Signal
	signal.Received(seq, webhook.ReceivedAt, webhook.ID)
	if err := kind.Fill(&signal); err != nil {
		return nil, err
	}
	signals := []verification.Signal{signal}
	if gone {
		signals = append(signals, verification.NewAnonymized(seq, webhook.ReceivedAt, false))
	}
	record := &verification.Record{ID: verification.NewID(w.provider.Name, element.Kind, element.Reference)}
	for _, signal := range signals {
		change, err := kind.Apply(record, signal)
		if err != nil || change == nil {
			return nil, errors.Join(err, errNoSignal)
		}
		data := event.NewVerification(record.ID, kind.Scope, *change)
		envelope, err := data.Envelope("bench", change.Event, "")
		if err != nil {
			return nil, err
		}
		m := bus.Message{Subject: event.VerificationSubject(false, record.ID.Provider, record.ID.Kind, change.Event)}
		if m.Header, m.Data, err = event.Encode(envelope); err != nil {
			return nil, err
		}
		told = append(told, m)
	}
	return told, nil
}
