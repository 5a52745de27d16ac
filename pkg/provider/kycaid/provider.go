// Package kycaid knows the callbacks of KYCAID.
//
// A callback is signed in the header x-data-integrity: the HMAC-SHA512, in lower-case
// hexadecimal, of the base64 text of the raw body, keyed with the API token (KYCAID,
// callback integrity verification). The token is the credential of the API itself, so a
// rotation changes both. Nothing that is signed tells a time.
//
// What holds for every callback:
//   - The decision is `verified` alone; the status `completed` only says that processing
//     ended (KYCAID, verification completed). A callback without a decided `verified` never
//     decides and never un-decides.
//   - A later, different decision is legitimate: the status is set by the system, by a
//     manager or by a member of the project. The body does not say by whom, and as it has no
//     time only the order of arrival can tell which decision stands.
//   - The ids are called UUIDs and are 36 hexadecimal characters without dashes, some 37:
//     they are opaque texts here.
package kycaid

import (
	"slices"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// Provider is KYCAID.
var Provider = provider.Provider{
	Name:          "kycaid",
	Events:        events,
	Kinds:         []*verification.Kind{&formVerification},
	Budget:        8 * time.Second,
	RefusedStatus: 401,
	Scheme:        scheme,
	Verify:        verify,
	Decode:        decode,
	Sign:          sign,
	Example:       example,
	Scenarios:     scenarios,
	Retries:       retries,
}

// The names of the callbacks that tell of a verification.
const (
	eventCompleted     = "VERIFICATION_COMPLETED"
	eventStatusChanged = "VERIFICATION_STATUS_CHANGED"
)

// eventScreening tells what databases were searched, and no result.
const eventScreening = "DATABASE_SCREENING"

// events are the documented callbacks, and two that are known from integrations.
var events = []provider.Event{
	{Name: eventCompleted},
	{Name: eventStatusChanged},
	{Name: eventScreening, Unhandled: true},
	{Name: "SERVICE_RESULT", Unhandled: true},
}

// token is the subject part of a callback's name. It does not go through Provider, whose
// value depends on the functions of this package.
func token(name string) string {
	p := provider.Provider{Events: events}
	return p.Token(name)
}

// unhandled reports whether a delivery was received under the token of a callback that tells
// nothing about a verification.
func unhandled(received string) bool {
	return received == provider.EventOther || slices.ContainsFunc(events, func(e provider.Event) bool {
		return e.Unhandled && provider.Token(e.Name) == received
	})
}
