// Package held is for whoever decides about deliveries that nobody signed and that wait for him: it shows them, lets them go on their way
// as if they had been accepted, or gives them up.
//
// Its invariants:
//
//   - A delivery goes on sealed, under its id and subject, with the time of its receipt. Nobody has to open it for that.
//   - The handshake of an endpoint never goes on, and no URL in it is ever fetched.
//   - What became of a held delivery is told before it is taken out, so that the streams explain it whatever happens.
//   - Every step can be repeated. One that is let go twice is a repeat, which changes nothing.
package held

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/failpoint"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/seal"
)

// Desk is where somebody decides about held deliveries.
type Desk struct {
	Bus *bus.Bus
	// Keys open the bodies; nil where there are none here.
	Keys      *seal.Keyring
	Providers []provider.Provider
	// Retention is how long the bodies of a provider's deliveries can be read.
	Retention func(provider string) time.Duration
}

// Item is a delivery that is held.
type Item struct {
	event.Webhook
	Seq uint64
	// Held is since when.
	Held time.Time

	message bus.Message
}

// Filter chooses held deliveries. An empty field chooses all.
type Filter struct {
	Provider string `json:"provider,omitempty"`
	Event    string `json:"event,omitempty"`
	// Delivery is the id of the webhook event.
	Delivery string `json:"delivery,omitempty"`
	// Since and Until bound since when it is held; Until itself is outside.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

func (f *Filter) chooses(i *Item) bool {
	return (f.Provider == "" || i.Provider == f.Provider) && (f.Event == "" || i.Event == f.Event) &&
		(f.Delivery == "" || i.ID == f.Delivery) && !i.Held.Before(f.Since) && (f.Until.IsZero() || i.Held.Before(f.Until))
}

// Page is a part of what is held, in the order in which it came.
type Page struct {
	Items []Item
	// Next is after which sequence the next page begins; 0 where there is none.
	Next uint64
}

var errFull = errors.New("the page is full")

// Page returns at most limit held deliveries behind a sequence. Errors: bus.ErrUnavailable.
func (d *Desk) Page(ctx context.Context, f Filter, after uint64, limit int) (Page, error) {
	var page Page
	_, err := d.Bus.Read(ctx, bus.Held, event.HeldSubject("*"), after+1, func(m bus.Stored) error {
		item, err := itemOf(m)
		if err != nil || !f.chooses(&item) {
			return nil //nolint:nilerr // A message that is no delivery is the projector's to complain of.
		}
		if len(page.Items) == limit {
			page.Next = page.Items[limit-1].Seq
			return errFull
		}
		page.Items = append(page.Items, item)
		return nil
	})
	if errors.Is(err, errFull) {
		err = nil
	}
	return page, err
}

// The reasons for which a held delivery cannot be shown or let go.
var (
	// ErrNotHeld means that nothing is held under that number.
	ErrNotHeld = errors.New("nothing is held under that number: it was released or discarded, its time is over, or it never was")
	// ErrHandshake means that it is no webhook.
	ErrHandshake = errors.New("this is the handshake of an endpoint, which tells of no verification: it can only be discarded")
	// ErrNoKeys means that it has to be opened first, which cannot be done here.
	ErrNoKeys = errors.New("there are no keys here to open it with: use the settings of the receiver, with its master key and key directory")
	// ErrExpired means that the time of its body is over.
	ErrExpired = errors.New("its body can no longer be read, for its retention is over: it can only be discarded")
	// ErrKeyLost means that its key is missing before its time.
	ErrKeyLost = errors.New("its key is missing in the key directory, though its time is not over: use the directory of the receiver")
	// ErrUnreadable means that it does not open with its key.
	ErrUnreadable = errors.New("its body does not open with its key: it can only be discarded")
)

// Closed reports whether an error is that a body cannot be opened.
func Closed(err error) bool {
	return errors.Is(err, ErrNoKeys) || errors.Is(err, ErrExpired) || errors.Is(err, ErrKeyLost) || errors.Is(err, ErrUnreadable)
}

// Item returns what is held under a sequence. Errors: ErrNotHeld, bus.ErrUnavailable.
func (d *Desk) Item(ctx context.Context, seq uint64) (Item, error) {
	m, err := d.Bus.Get(ctx, bus.Held, max(seq, 1))
	if seq == 0 || errors.Is(err, bus.ErrNotFound) {
		return Item{}, fmt.Errorf("held delivery %d: %w", seq, ErrNotHeld)
	}
	if err != nil {
		return Item{}, err
	}
	return itemOf(m)
}

func itemOf(m bus.Stored) (Item, error) {
	webhook, err := event.DecodeWebhook(m.Header, m.Data)
	if err != nil {
		return Item{}, fmt.Errorf("held delivery %d: %w", m.Seq, err)
	}
	return Item{Webhook: webhook, Seq: m.Seq, Held: m.Time, message: m.Message}, nil
}

// Open returns the body, with all personal data that is in it. Errors: ErrNoKeys, ErrExpired, ErrKeyLost, ErrUnreadable.
func (d *Desk) Open(i *Item) ([]byte, error) {
	if d.Keys == nil {
		return nil, fmt.Errorf("held delivery %d: %w", i.Seq, ErrNoKeys)
	}
	body, err := d.Keys.Open(i.SealKey, i.ID, i.Sealed)
	switch {
	case errors.Is(err, seal.ErrKeyDestroyed) && seal.Expired(i.SealKey, d.Retention(i.Provider), time.Now()):
		err = ErrExpired
	case errors.Is(err, seal.ErrKeyDestroyed):
		err = ErrKeyLost
	case errors.Is(err, seal.ErrCorrupt):
		err = ErrUnreadable
	}
	if err != nil {
		return nil, fmt.Errorf("held delivery %d: %w", i.Seq, err)
	}
	return body, nil
}

// nobodysSecret stands where a provider's folder wants one: what is held has no signature that it could match.
const nobodysSecret = "nobody signs with this"

// Handshake reports whether a held delivery is no webhook but the handshake of an endpoint. Where the name of its event does not rule that
// out, the body has to be opened. Errors: those of Open.
func (d *Desk) Handshake(i *Item) (bool, error) {
	if i.Event != provider.EventOther {
		return false, nil
	}
	body, err := d.Open(i)
	if err != nil {
		return false, err
	}
	for _, p := range d.Providers {
		if p.Name != i.Provider {
			continue
		}
		receipt, err := p.Verify(provider.Request{Header: func(string) string { return "" }, Body: body, Secrets: []string{nobodysSecret}})
		return err == nil && receipt.Family == provider.FamilyConfirmation, nil
	}
	return false, nil
}

// Decision is what is done with a held delivery.
type Decision string

// The decisions.
const (
	// Release lets it go on its way as if it had been accepted.
	Release Decision = "release"
	// Discard gives it up.
	Discard Decision = "discard"
)

// Check returns what is held under a sequence, if that can be done with it. Errors: ErrNotHeld, ErrHandshake, those of Open, bus.ErrUnavailable.
func (d *Desk) Check(ctx context.Context, what Decision, seq uint64) (Item, error) {
	item, err := d.Item(ctx, seq)
	if err == nil {
		err = d.obstacle(what, &item)
	}
	return item, err
}

// obstacle is why something cannot be done with a held delivery.
func (d *Desk) obstacle(what Decision, i *Item) error {
	if what != Release {
		return nil
	}
	handshake, err := d.Handshake(i)
	switch {
	case err != nil:
		return err
	case handshake:
		return fmt.Errorf("held delivery %d: %w", i.Seq, ErrHandshake)
	case seal.Expired(i.SealKey, d.Retention(i.Provider), time.Now()):
		return fmt.Errorf("held delivery %d: %w", i.Seq, ErrExpired)
	}
	return nil
}

// Decide does it with what is held under a sequence. Errors: those of Check.
func (d *Desk) Decide(ctx context.Context, what Decision, seq uint64) (Item, error) {
	item, err := d.Check(ctx, what, seq)
	if err != nil {
		return item, err
	}
	if what != Release {
		return item, d.end(ctx, &item, event.Dead, CauseDiscarded)
	}
	released := item.message
	released.Subject = event.WebhookSubject(item.Provider, item.Event)
	if _, err := d.Bus.Publish(ctx, released); err != nil {
		return item, err
	}
	failpoint.Hit(failpoint.HeldPublished)
	return item, d.end(ctx, &item, event.Repeat, CauseReleased)
}

// What became of a held delivery, as the causes of its outcomes.
const (
	// CauseReleased is that of a delivery which was let go: it repeats, and is told of by, the accepted one of the same id.
	CauseReleased = "released"
	// CauseDiscarded is that of one that was given up.
	CauseDiscarded = "discarded"
)

// end tells what became of a held delivery, and takes it out.
func (d *Desk) end(ctx context.Context, i *Item, name event.OutcomeName, cause string) error {
	data, err := json.Marshal(event.Outcome{
		Delivery: i.ID, Stream: bus.Held, Sequence: i.Seq, Provider: i.Provider, Event: i.Event, Outcome: name, Cause: cause,
		Anomalies: []string{}, Verifications: []string{}, At: time.Now().UTC(), ReceivedAt: &i.ReceivedAt, Traceparent: i.Traceparent,
	})
	if err != nil {
		return fmt.Errorf("outcome: %w", err)
	}
	_, err = d.Bus.Publish(ctx, bus.Message{
		Subject: event.OutcomeSubject(i.Provider, string(name)), Data: data,
		Header: map[string][]string{bus.MessageIDHeader: {cause + ":" + bus.Held + ":" + strconv.FormatUint(i.Seq, 10)}},
	})
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.HeldTold)
	return d.Bus.Drop(ctx, bus.Held, i.Seq)
}
