package treezor

import (
	"encoding/json"
	"fmt"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// The members of an envelope.
const (
	fieldWebhook   = "webhook"
	fieldPayload   = "object_payload"
	fieldSignature = "object_payload_signature"
	fieldID        = "webhook_id"
	fieldOuterID   = "webhookId"
	fieldObjectID  = "object_id"
	fieldCreatedAt = "webhook_created_at"
)

// envelope is a webhook's body in either of the two shapes: flat, or nested, where the member
// `webhook` is not the name of the event but the flat form.
type envelope struct {
	outer provider.Object
	// flat is the flat form; the body itself where it is not nested.
	flat provider.Object
	// raw holds the members of flat as they were received, outerRaw those of the body.
	raw, outerRaw map[string]json.RawMessage
}

// openEnvelope reads a body. It returns a DecodeError for what is not a JSON object.
func openEnvelope(body []byte) (envelope, error) {
	outer, err := provider.ParseObject(body)
	if err != nil {
		return envelope{}, err
	}
	raw, err := members(body)
	if err != nil {
		return envelope{}, err
	}
	e := envelope{outer: outer, flat: outer, raw: raw, outerRaw: raw}
	inner, nested := outer[fieldWebhook].(map[string]any)
	if !nested {
		return e, nil
	}
	e.flat = inner
	e.raw, err = members(raw[fieldWebhook])
	return e, err
}

// members splits an object as package provider reads it: names are case sensitive, of a
// duplicate name the last value counts.
func members(object []byte) (map[string]json.RawMessage, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(object, &raw); err != nil {
		return nil, &provider.DecodeError{Cause: provider.CauseInvalidJSON, Detail: "envelope is not an object"}
	}
	return raw, nil
}

// name is the event's; empty where the body does not say.
func (e *envelope) name() string {
	name, _ := e.flat[fieldWebhook].(string)
	return name
}

// payload is object_payload as it was received; nil where it is absent or null.
func (e *envelope) payload() []byte {
	if e.flat[fieldPayload] == nil {
		return nil
	}
	return e.raw[fieldPayload]
}

// seal puts a payload and its signature into the envelope, whose shape it keeps.
func (e *envelope) seal(payload []byte, signature string) ([]byte, error) {
	quoted, err := json.Marshal(signature)
	if err != nil {
		return nil, fmt.Errorf("encode signature: %w", err)
	}
	e.raw[fieldPayload], e.raw[fieldSignature] = payload, quoted
	sealed, err := json.Marshal(e.raw)
	if _, nested := e.outer[fieldWebhook].(map[string]any); nested && err == nil {
		e.outerRaw[fieldWebhook] = sealed
		sealed, err = json.Marshal(e.outerRaw)
	}
	if err != nil {
		return nil, fmt.Errorf("encode envelope: %w", err)
	}
	return phpForm(sealed), nil
}
