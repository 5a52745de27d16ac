// Package treezor knows the webhooks of Treezor.
//
// A webhook is signed within its body: object_payload_signature is the base64 of the
// HMAC-SHA256 of object_payload, keyed with the secret of the environment (Treezor, webhook
// integrity checks). The documented form of what is signed is PHP's json_encode: compact,
// slashes and everything beyond ASCII escaped. Some senders sign the bytes that they send,
// so those are tried first.
//
// What holds for every webhook:
//   - Only object_payload is signed. The name of the event, the webhook's id, the object's id
//     and the time are anybody's who has captured one payload: the name must fit the payload,
//     references come from the payload, and a signal's id is the hash of the payload's PHP
//     form. Of a liveness alone the payload has no reference, so its object_id is believed.
//   - Webhooks do not arrive in order; webhook_created_at tells it, in a unit that varies
//     (Treezor, race conditions).
//   - The examples of kycreview.request and kycreview.result have no signature, and the
//     handshake of an endpoint never has one.
//   - Without a list of events a subscriber receives every event that Treezor has.
//   - The result of an identification decides, never the name of its event: qes.finalized
//     comes for a success, a cancellation and a fraud alike (Treezor, user verification
//     events).
package treezor

import (
	"slices"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// providerName is the provider's in URLs, subjects and ids.
const providerName = "treezor"

// Provider is Treezor. It sends a webhook again only after a status of 5xx, so a refused
// signature is answered with 500: a secret that was rotated too late loses nothing.
var Provider = provider.Provider{
	Name:          providerName,
	Events:        events,
	Kinds:         []*verification.Kind{&kycReview, &document, &liveness, &qes, &videoConference},
	Budget:        8 * time.Second,
	RefusedStatus: 500,
	Unsigned:      true,
	OwnedPayloads: true,
	Scheme:        scheme,
	Verify:        verify,
	Decode:        decode,
	Sign:          sign,
	Example:       example,
	Scenarios:     scenarios,
	Retries:       retries,
}

// decoders says who reads which event; nil for an event that tells nothing about a
// verification.
var decoders = []struct {
	event  string
	decode func(webhook) ([]provider.Element, error)
}{
	{"user.create", nil},
	{"user.update", nil},
	{"user.cancel", nil},
	{eventUserRequest, decodeUsers},
	{"user.kycreview", decodeUsers},
	{eventReviewRequest, decodeReview},
	{"kycreview.result", decodeReview},
	{"document.create", decodeDocuments},
	{"document.update", decodeDocuments},
	{"document.cancel", decodeDocuments},
	{"kycliveness.create", decodeLiveness},
	{"kycliveness.update", decodeLiveness},
	{"qes.created", decodeQES},
	{"qes.processing", decodeQES},
	{"qes.aborted", decodeQES},
	{"qes.finalized", decodeQES},
	{"videoConference.created", decodeVideoConference},
	{"videoConference.processing", decodeVideoConference},
	{"videoConference.aborted", decodeVideoConference},
	{"videoConference.finalized", decodeVideoConference},
}

var events = func() []provider.Event {
	list := make([]provider.Event, len(decoders))
	for i, d := range decoders {
		list[i] = provider.Event{Name: d.event, Unhandled: d.decode == nil}
	}
	return list
}()

// unhandled reports whether a delivery was received under the token of an event that tells
// nothing about a verification.
func unhandled(received string) bool {
	return received == provider.EventOther || slices.ContainsFunc(events, func(e provider.Event) bool {
		return e.Unhandled && provider.Token(e.Name) == received
	})
}

// reviewFamily are the events that may come without a signature.
const reviewFamily = "kycreview."

// verificationFamilies are the beginnings of the events that have to do with verifications.
var verificationFamilies = []string{
	"user.", reviewFamily, "document.", "kycliveness.", "qes.", "videoConference.",
}

func familyOf(name string) provider.Family {
	for _, prefix := range verificationFamilies {
		if strings.HasPrefix(name, prefix) {
			return provider.FamilyVerification
		}
	}
	return provider.FamilyForeign
}

// token is the subject part of an event's name. It does not go through Provider, whose value
// depends on the functions of this package.
func token(name string) string {
	p := provider.Provider{Events: events}
	return p.Token(name)
}
