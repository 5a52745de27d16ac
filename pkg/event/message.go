package event

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
)

// A message of ours is usual where its attributes stand in a header as they are and its event is valid. Those are written and read here
// without an event of the SDK between; all others are written and read by it.

// attribute is one header of a message; an empty value is none.
type attribute struct{ name, value string }

// headerOf returns the header with these attributes, and room for the message's hop.
func headerOf(attributes []attribute) map[string][]string {
	values := make([]string, len(attributes))
	header := make(map[string][]string, len(attributes)+1)
	for i, a := range attributes {
		if a.value != "" {
			values[i] = a.value
			header[a.name] = values[i : i+1 : i+1]
		}
	}
	return header
}

// Encode writes the CloudEvent of a delivery as Encode writes its Envelope.
func (w *Webhook) Encode() (header map[string][]string, data []byte, err error) {
	if !w.usual() {
		envelope, err := w.Envelope()
		if err != nil {
			return nil, nil, err
		}
		return Encode(envelope)
	}
	return headerOf([]attribute{
		{MessageID, w.ID},
		{specversion, cloudevents.CloudEventsVersionV1},
		{prefix + "id", encodeValue(w.ID)},
		{prefix + "source", source(w.Instance, "receiver", w.Provider)},
		{prefix + "type", webhookType + w.Provider + "." + w.Event},
		{prefix + "datacontenttype", octets},
		{contentType, octets},
		{prefix + "time", types.FormatTime(w.ReceivedAt)},
		{prefix + extSealKey, encodeValue(w.SealKey)},
		{prefix + extTraceparent, encodeValue(w.Traceparent)},
	}), w.Sealed, nil
}

func (w *Webhook) usual() bool {
	return isName(w.Instance) && isName(w.Provider) && isName(w.Event) && isVisible(w.ID) &&
		!w.ReceivedAt.IsZero() && w.SealKey != "" && len(w.Sealed) > 0
}

// Encode writes the CloudEvent of a verification event as Encode writes its Envelope.
func (v *Verification) Encode(instance, published, traceparent string) (header map[string][]string, data []byte, err error) {
	if !v.usual(instance, published, traceparent) {
		envelope, err := v.Envelope(instance, published, traceparent)
		if err != nil {
			return nil, nil, err
		}
		return Encode(envelope)
	}
	if data, err = json.Marshal(v); err != nil {
		return nil, nil, fmt.Errorf("verification event: %w", err)
	}
	id := VerificationEventID(v.ID, v.Version)
	return headerOf([]attribute{
		{MessageID, id},
		{specversion, cloudevents.CloudEventsVersionV1},
		{prefix + "id", encodeValue(id)},
		{prefix + "source", source(instance, "lifecycle", v.Provider)},
		{prefix + "type", verificationType + published},
		{prefix + "subject", encodeValue(v.ID)},
		{prefix + "dataschema", VerificationSchema},
		{prefix + "datacontenttype", jsonType},
		{contentType, jsonType},
		{prefix + "time", types.FormatTime(v.OccurredAt)},
		{prefix + extCausation, encodeValue(v.CausationID)},
		{prefix + extTraceparent, encodeValue(traceparent)},
	}), data, nil
}

func (v *Verification) usual(instance, published, traceparent string) bool {
	return isName(instance) && isName(v.Provider) && isName(published) && isVisible(v.ID) && !v.OccurredAt.IsZero() &&
		(v.CausationID == "" || isVisible(v.CausationID)) && (traceparent == "" || isVisible(traceparent))
}

// DecodeWebhook reads the message of a delivery as Decode and WebhookOf read it. It returns an error where they do.
func DecodeWebhook(header map[string][]string, data []byte) (Webhook, error) {
	if w, usual := usualWebhook(header, data); usual {
		return w, nil
	}
	envelope, err := Decode(header, data)
	if err != nil {
		return Webhook{}, err
	}
	return WebhookOf(envelope)
}

// usualWebhook reads the message of a delivery where it is as Encode writes a usual one.
func usualWebhook(header map[string][]string, data []byte) (w Webhook, usual bool) {
	var version, origin, kind, content, attribute, received string
	if !placed(header, func(name string) *string {
		switch name {
		case specversion:
			return &version
		case prefix + "id":
			return &w.ID
		case prefix + "source":
			return &origin
		case prefix + "type":
			return &kind
		case contentType:
			return &content
		case prefix + "datacontenttype":
			return &attribute
		case prefix + "time":
			return &received
		case prefix + extSealKey:
			return &w.SealKey
		case prefix + extTraceparent:
			return &w.Traceparent
		}
		return nil
	}) {
		return w, false
	}
	rest, ours := strings.CutPrefix(kind, webhookType)
	provider, token, named := strings.Cut(rest, ".")
	at, err := time.Parse(time.RFC3339Nano, received)
	if !ours || !named || err != nil || at.IsZero() || w.ID == "" || !isSource(origin) ||
		version != cloudevents.CloudEventsVersionV1 || content != octets || attribute != octets {
		return w, false
	}
	w.Provider, w.Event, w.ReceivedAt, w.Sealed = provider, token, at, data
	return w, true
}

// placed reports whether the attributes of a header stand there as they are and have a place each, and puts them there.
func placed(header map[string][]string, place func(name string) *string) bool {
	for name, values := range header {
		to := place(name)
		if to == nil {
			if isAttribute(name) {
				return false
			}
			continue
		}
		if len(values) == 0 || len(values[0]) > maxAttribute || !isVisible(values[0]) || strings.Contains(values[0], "%") {
			return false
		}
		*to = values[0]
	}
	return true
}

// DecodeVerification reads the message of a verification event as Decode and VerificationOf read it. It returns an error where they do.
func DecodeVerification(header map[string][]string, data []byte) (v Verification, published string, err error) {
	published, usual := usualVerification(header)
	if !usual {
		envelope, err := Decode(header, data)
		if err != nil {
			return v, "", err
		}
		return VerificationOf(envelope)
	}
	v, err = verificationIn(data)
	if err != nil {
		published = ""
	}
	return v, published, err
}

// usualVerification reports whether the header of a verification event is as Encode writes a usual one, and what it was published under.
func usualVerification(header map[string][]string) (published string, usual bool) {
	var version, id, origin, kind, subject, schema, content, attribute, occurred, other string
	if !placed(header, func(name string) *string {
		switch name {
		case specversion:
			return &version
		case prefix + "id":
			return &id
		case prefix + "source":
			return &origin
		case prefix + "type":
			return &kind
		case prefix + "subject":
			return &subject
		case prefix + "dataschema":
			return &schema
		case contentType:
			return &content
		case prefix + "datacontenttype":
			return &attribute
		case prefix + "time":
			return &occurred
		case prefix + extCausation, prefix + extTraceparent:
			return &other
		}
		return nil
	}) {
		return "", false
	}
	published, ours := strings.CutPrefix(kind, verificationType)
	at, err := time.Parse(time.RFC3339Nano, occurred)
	return published, ours && isName(published) && err == nil && !at.IsZero() && id != "" && subject != "" && isSource(origin) &&
		version == cloudevents.CloudEventsVersionV1 && schema == VerificationSchema && content == jsonType && attribute == jsonType
}

// isAttribute reports whether a header is one of the envelope, in any spelling.
func isAttribute(name string) bool {
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) || strings.EqualFold(name, contentType)
}

// isSource reports whether text is a source of ours, whose names have letters, digits, dashes and underscores alone.
func isSource(text string) bool {
	names, ours := strings.CutPrefix(text, sourceRoot)
	if !ours {
		return false
	}
	for name := range strings.SplitSeq(names, "/") {
		if !isName(name) {
			return false
		}
	}
	return true
}

// isName reports whether text has lower-case letters, digits, dashes and underscores alone.
func isName(text string) bool {
	for i := range len(text) {
		c := text[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return text != ""
}
