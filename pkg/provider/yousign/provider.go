// Package yousign knows Yousign, which is being renamed Youtrust.
//
// A webhook is signed as a whole: the header X-Yousign-Signature-256 is `sha256=` and the
// HMAC-SHA256 of the raw body in lower-case hexadecimal (Yousign, security of webhooks).
// The envelope is flat, or its fields are in a `metadata` object; both are read. The one event
// of an identity document is that it is done: whether it is verified is in its status alone,
// and every status but pending and awaiting data is the last word on that document. A new try
// is a new document, which names the one before. `inconclusive` asks for another file.
//
// The webhook holds no personal data (Yousign, results of an identity document); where the
// extracted data is given as in the answer of Yousign's API, it is read.
package yousign

import (
	"net/http"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

const name = "yousign"

// answerWithin is Yousign's second for the first attempt less a margin for the way (Yousign,
// failure and retry policy).
const answerWithin = 900 * time.Millisecond

// Provider is Yousign.
var Provider = provider.Provider{
	Name:          name,
	Events:        events,
	Kinds:         []*verification.Kind{identityDocument},
	Budget:        answerWithin,
	RefusedStatus: http.StatusUnauthorized,
	// A webhook that says nothing of a sandbox is of none; one that says so unreadably decides nothing.
	Optional:  []string{"sandbox"},
	Scheme:    scheme,
	Verify:    verify,
	Decode:    decode,
	Sign:      sign,
	Example:   example,
	Scenarios: scenarios,
	Retries:   retries,
}
