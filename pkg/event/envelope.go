// Package event is what Verdict publishes: CloudEvents 1.0 envelopes, their binary form in
// NATS headers, the names of subjects, and the normalised types.
//
// Nothing in a subject, a header or the data of a normalised event identifies a person
// directly. Raw bodies travel sealed. The package knows no NATS: a header is a map.
package event

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// The names of the CloudEvents extensions.
const (
	extSealKey     = "sealkey"     // the key that seals the data
	extTraceparent = "traceparent" // where the event began; the hop is the message's own header
	extCausation   = "causationid" // the delivery that caused the event
)

// What the types of events begin with; the event's token or the status follows.
const (
	webhookType      = "kyc.webhook."
	verificationType = "kyc.v1.verification."
)

// isVisible reports whether text may be an id, which stands in a header that is not
// percent-encoded.
func isVisible(text string) bool {
	for i := range len(text) {
		if text[i] < '!' || text[i] > '~' {
			return false
		}
	}
	return text != ""
}

// Webhook is a delivery as it was accepted: metadata, and the sealed body.
type Webhook struct {
	ID          string // see WebhookID
	Provider    string
	Event       string // the token of the event
	Instance    string
	ReceivedAt  time.Time
	SealKey     string
	Sealed      []byte
	Traceparent string // empty where there is no trace
}

var deliveryID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// WebhookID is the id of a delivery: `<provider>:<the provider's delivery id>:<hash>`, where
// the hash is the first 16 hexadecimal digits of the SHA-256 of the signed bytes. A delivery
// id that could not stand in a header is left out.
func WebhookID(provider, delivery string, signed []byte) string {
	sum := sha256.Sum256(signed)
	hash := hex.EncodeToString(sum[:8])
	if !deliveryID.MatchString(delivery) {
		return provider + ":" + hash
	}
	return provider + ":" + delivery + ":" + hash
}

// Envelope returns the CloudEvent of a delivery.
func (w *Webhook) Envelope() (cloudevents.Event, error) {
	e := cloudevents.New()
	e.SetID(w.ID)
	e.SetSource(source(w.Instance, "receiver", w.Provider))
	e.SetType(webhookType + w.Provider + "." + w.Event)
	e.SetTime(w.ReceivedAt.UTC())
	e.SetExtension(extSealKey, w.SealKey)
	if w.Traceparent != "" {
		e.SetExtension(extTraceparent, w.Traceparent)
	}
	if err := e.SetData(octets, w.Sealed); err != nil {
		return e, fmt.Errorf("webhook event: %w", err)
	}
	return e, valid(e)
}

// WebhookOf reads the CloudEvent of a delivery. The provider and the event's token come from
// the type.
func WebhookOf(e cloudevents.Event) (Webhook, error) {
	rest, ours := strings.CutPrefix(e.Type(), webhookType)
	provider, token, ok := strings.Cut(rest, ".")
	if !ours || !ok {
		return Webhook{}, fmt.Errorf("type %q is not that of a webhook event", e.Type())
	}
	return Webhook{
		ID: e.ID(), Provider: provider, Event: token, ReceivedAt: e.Time(), Sealed: e.Data(),
		SealKey: text(e, extSealKey), Traceparent: text(e, extTraceparent),
	}, nil
}

// Envelope returns the CloudEvent of a verification event, published under the given status.
func (v *Verification) Envelope(instance, published, traceparent string) (cloudevents.Event, error) {
	e := cloudevents.New()
	e.SetID(VerificationEventID(v.ID, v.Version))
	e.SetSource(source(instance, "lifecycle", v.Provider))
	e.SetType(verificationType + published)
	e.SetSubject(v.ID)
	e.SetTime(v.OccurredAt)
	e.SetDataSchema(VerificationSchema)
	e.SetExtension(extCausation, v.CausationID)
	if traceparent != "" {
		e.SetExtension(extTraceparent, traceparent)
	}
	if err := e.SetData(jsonType, v); err != nil {
		return e, fmt.Errorf("verification event: %w", err)
	}
	return e, valid(e)
}

// VerificationOf reads the CloudEvent of a verification event: its data, and the status it
// was published under.
func VerificationOf(e cloudevents.Event) (v Verification, published string, err error) {
	published, ok := strings.CutPrefix(e.Type(), verificationType)
	if !ok {
		return v, "", fmt.Errorf("type %q is not that of a verification event", e.Type())
	}
	if v, err = verificationIn(e.Data()); err != nil {
		return v, "", err
	}
	return v, published, nil
}

// verificationIn reads the data of a verification event, with the parser that is to be encoding/json/v2: it takes a third of the time, and
// refuses what the other one would guess at, like a name that is there twice.
func verificationIn(data []byte) (v Verification, err error) {
	if err := json.Unmarshal(data, &v); err != nil {
		return v, fmt.Errorf("verification event: %w", err)
	}
	if _, err := verification.ParseID(v.ID); err != nil {
		return v, fmt.Errorf("verification event: %w", err)
	}
	return v, nil
}

// VerificationEventID is the id of the event of one version: `<verification id>@<version>`.
func VerificationEventID(id string, version int) string { return id + "@" + strconv.Itoa(version) }

// Traceparent returns the trace in which an event began.
func Traceparent(e cloudevents.Event) string { return text(e, extTraceparent) }

// sourceRoot is what all our sources begin with.
const sourceRoot = "/verdict/"

func source(instance, service, provider string) string {
	return sourceRoot + instance + "/" + service + "/" + provider
}

func text(e cloudevents.Event, extension string) string {
	s, _ := e.Extensions()[extension].(string)
	return s
}

func valid(e cloudevents.Event) error {
	if err := e.Validate(); err != nil {
		return fmt.Errorf("event %s: %w", e.Type(), err)
	}
	if !isVisible(e.ID()) {
		return fmt.Errorf("event %s: the id cannot stand in a header", e.Type())
	}
	return nil
}
