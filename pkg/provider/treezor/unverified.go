package treezor

import (
	"bytes"
	"encoding/json"
	"io"
	"unicode/utf8"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// unverified is what is read of a body before its signature is known to be good: the few
// members that are needed, as they were received. Anybody may have sent it, and a tree of all
// of it would take a hundred times its size.
type unverified struct {
	outer, flat map[string]json.RawMessage
}

// needed are the members that verification reads, of either part of an envelope.
var needed = []string{fieldWebhook, fieldPayload, fieldSignature, fieldID, fieldOuterID}

// openUnverified reads a body; false means that it is not a JSON object.
func openUnverified(body []byte) (unverified, bool) {
	if !utf8.Valid(body) {
		return unverified{}, false
	}
	outer, ok := pick(body)
	if !ok {
		return unverified{}, false
	}
	u := unverified{outer: outer, flat: outer}
	if inner := outer[fieldWebhook]; len(inner) > 0 && inner[0] == '{' {
		u.flat, ok = pick(inner)
	}
	return u, ok
}

// pick reads the needed members of an object as package provider reads them: names are case
// sensitive, of a duplicate name the last value counts, nothing may follow.
func pick(object []byte) (map[string]json.RawMessage, bool) {
	d := json.NewDecoder(bytes.NewReader(object))
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		return nil, false
	}
	picked := map[string]json.RawMessage{}
	var value json.RawMessage
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, false
		}
		if err := d.Decode(&value); err != nil {
			return nil, false
		}
		for _, field := range needed {
			if name == field {
				picked[field] = bytes.Clone(value)
			}
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, false
	}
	_, err := d.Token()
	return picked, err == io.EOF
}

// scalar returns a member's value where it is no object and no list.
func scalar(raw json.RawMessage) any {
	if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var value any
	if d.Decode(&value) != nil {
		return nil
	}
	return value
}

// name is the event's; empty where the body does not say.
func (u *unverified) name() string {
	name, _ := scalar(u.flat[fieldWebhook]).(string)
	return name
}

// payload is object_payload as it was received; nil where it is absent or null.
func (u *unverified) payload() []byte {
	if raw := u.flat[fieldPayload]; string(raw) != "null" {
		return raw
	}
	return nil
}

// signature returns what stands in the signature's place, and false where nothing does.
func (u *unverified) signature() (string, bool) {
	raw := u.flat[fieldSignature]
	if raw == nil {
		return "", false
	}
	value := scalar(raw)
	text, _ := value.(string)
	return text, string(raw) != "null" && value != ""
}

// confirmation reports whether the body is no webhook but the handshake of an endpoint.
func (u *unverified) confirmation() bool {
	return u.outer[fieldWebhook] == nil && u.outer[fieldPayload] == nil
}

// receipt names the event and the delivery.
func (u *unverified) receipt() provider.Receipt {
	receipt := provider.Receipt{Event: provider.EventUndecodable, Family: provider.FamilyVerification}
	if name := u.name(); name != "" {
		receipt.Event, receipt.Family = token(name), familyOf(name)
	}
	ids := provider.Object{fieldID: scalar(u.flat[fieldID]), fieldOuterID: scalar(u.outer[fieldOuterID])}
	id := ids.Text(fieldID)
	if id == "" {
		id = ids.Text(fieldOuterID)
	}
	receipt.DeliveryID = provider.DeliveryID(id)
	return receipt
}
