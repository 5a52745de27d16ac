package treezor

import (
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// decoderVersion rises with every change of what the decoder reads from a body.
const decoderVersion = 1

// webhook is a webhook as the decoders of the events see it.
type webhook struct {
	name    string          // the provider's spelling
	event   string          // its token
	flat    provider.Object // what nobody signed
	payload provider.Object // what is signed
	form    []byte          // the PHP form of the payload
}

// decode reads the signals of a webhook. Errors are ErrUnhandled and DecodeError.
func decode(d provider.Delivery) (provider.Decoded, error) {
	if unhandled(d.Event) {
		return provider.Decoded{Seen: seen(d)}, provider.ErrUnhandled
	}
	w, err := openWebhook(d)
	if err != nil {
		return provider.Decoded{}, err
	}
	for _, known := range decoders {
		if known.event != w.name {
			continue
		}
		elements, err := known.decode(w)
		if err != nil {
			return provider.Decoded{}, err
		}
		return provider.Decoded{Elements: elements}, nil
	}
	return provider.Decoded{}, provider.ErrUnhandled
}

// seen lists the payloads of an unhandled event that a review would have the same of: users.
// The name of the event is not signed, so whoever has captured one could send it again as a
// review of today.
func seen(d provider.Delivery) []verification.Signal {
	w, err := openWebhook(d)
	if err != nil {
		return nil
	}
	elements, err := decodeUsers(w)
	if err != nil {
		return nil
	}
	signals := make([]verification.Signal, len(elements))
	for i := range elements {
		signals[i] = elements[i].Signal
	}
	return signals
}

// openWebhook reads the envelope and the payload. The name of the event must be the one under
// which the webhook was received: what was stored is not to change its meaning later.
func openWebhook(d provider.Delivery) (webhook, error) {
	e, err := openEnvelope(d.Body)
	if err != nil {
		return webhook{}, err
	}
	name := e.name()
	switch {
	case name == "":
		return webhook{}, missing(fieldWebhook)
	case token(name) != d.Event:
		return webhook{}, mismatch("the body names another event than the delivery")
	}
	payload, ok := e.flat[fieldPayload].(map[string]any)
	if !ok {
		return webhook{}, missing(fieldPayload)
	}
	return webhook{name: name, event: d.Event, flat: e.flat, payload: payload, form: phpForm(e.payload())}, nil
}

// element begins an element: at is the payload's own time, which counts where the envelope
// has none.
func (w *webhook) element(k *verification.Kind, index int, reference, applicant string, at time.Time) provider.Element {
	if created := createdAt(w.flat.Text(fieldCreatedAt)); !created.IsZero() {
		at = created
	}
	return provider.Element{
		Kind: k.Name, Reference: reference,
		Signal: verification.Signal{
			ID: provider.SignalID(w.form, index), At: at, Event: w.event,
			Applicant: applicant, Decoder: decoderVersion,
		},
	}
}

// list returns the elements of a list in the payload that the event requires, each of which
// is an object. It returns a DecodeError where the payload has another shape.
func (w *webhook) list(field, reference string) ([]provider.Object, error) {
	values, ok := w.payload[field].([]any)
	if !ok {
		return nil, mismatch("the payload has no list " + field)
	}
	if len(values) == 0 {
		return nil, missing(field)
	}
	objects := w.payload.Objects(field)
	if len(objects) < len(values) {
		return nil, noReference(reference)
	}
	return objects, nil
}

// requires returns a DecodeError where the payload has none of the members by which the
// event's payload is recognised.
func (w *webhook) requires(fields ...string) error {
	for _, field := range fields {
		if _, ok := w.payload[field]; ok {
			return nil
		}
	}
	return mismatch("the payload has no " + strings.Join(fields, " and no "))
}

func mismatch(detail string) error {
	return &provider.DecodeError{Cause: provider.CauseEventMismatch, Detail: detail}
}

func missing(field string) error {
	return &provider.DecodeError{Cause: provider.CauseMissingField, Detail: field + " is missing"}
}

func noReference(field string) error {
	return &provider.DecodeError{Cause: provider.CauseMissingReference, Detail: field + " is missing"}
}
