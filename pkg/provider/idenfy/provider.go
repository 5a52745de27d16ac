// Package idenfy knows iDenfy.
//
// A callback is signed as a whole: the header Idenfy-Signature is the HMAC-SHA256 of the raw
// body in lower-case hexadecimal (iDenfy, callback signing). The body names neither its event
// nor its delivery, so each subscription posts to a URL of its own; the URL is not signed, and
// where the body says something it decides (iDenfy, webhook events and timing):
//
//   - `final` false is preliminary, and a human will decide, on every URL;
//   - `final` true is a decision, by `status.overall`. It may be replaced by a later one: a
//     denied end user may try once more under the same scanRef;
//   - without `final`, which callbacks of canceled and expired verifications and those of
//     2021 lack, the URL tells canceled and expired, and `status.overall` the rest.
//
// Real bodies hold a member twice and end in a line feed; both are signed as they are.
package idenfy

import (
	"net/http"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

const name = "idenfy"

// answerWithin is iDenfy's 10 s less a margin for the way (iDenfy, webhooks overview).
const answerWithin = 8 * time.Second

// Provider is iDenfy.
var Provider = provider.Provider{
	Name:          name,
	Events:        events,
	Kinds:         []*verification.Kind{idVerification},
	Budget:        answerWithin,
	RefusedStatus: http.StatusUnauthorized,
	// Callbacks of canceled and expired verifications, and those of 2021, have no final.
	Optional:  []string{"final"},
	Scheme:    scheme,
	Verify:    verify,
	Decode:    decode,
	Sign:      sign,
	Example:   example,
	Scenarios: scenarios,
	Retries:   retries,
}

// The events, in iDenfy's spelling.
const (
	autoFinish   = "ID VERIFICATION AUTO FINISH"
	manualFinish = "ID VERIFICATION MANUAL FINISH"
	canceled     = "ID VERIFICATION CANCELED"
	expired      = "ID VERIFICATION EXPIRED"
	legacy       = "ID VERIFICATION" // all of the others in one subscription

	legacySegment = "id-verification"
)

var events = []provider.Event{
	{Name: autoFinish, Segment: "auto-finish"},
	{Name: manualFinish, Segment: "manual-finish"},
	{Name: canceled, Segment: "canceled"},
	{Name: expired, Segment: "expired"},
	{Name: legacy, Segment: legacySegment},
}

// precedence orders the events under which one body may come: the reading of the first that
// came is kept.
var precedence = []string{canceled, expired, manualFinish, autoFinish, legacy}
