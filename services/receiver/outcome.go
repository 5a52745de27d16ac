package receiver

import (
	"net/http"

	"github.com/verdict-stream/verdict/pkg/event"
)

// result is what became of a webhook, as its sender and the metrics are told. A refused one has
// its cause instead.
type result string

const (
	resultAccepted  result = "accepted"  // stored, to be processed
	resultDuplicate result = "duplicate" // stored before
	resultIgnored   result = "ignored"   // has nothing to do with verifications; not stored
	resultHeld      result = "held"      // stored, waits for a human
)

// unknown is the label for what a webhook did not come to tell.
const unknown = "unknown"

// outcome is how a request ended.
type outcome struct {
	// provider and event are labels: from the lists of what is served and known, or unknown.
	provider string
	event    string
	// status is that of the answer.
	status int
	// id and result are set where the webhook is taken, cause where it is refused.
	id     string
	result result
	cause  event.Cause
	// hangUp is set where the body was not read to its end, so that the connection is of no
	// further use.
	hangUp bool
}

// label is the result or the cause.
func (o *outcome) label() string {
	if o.cause != "" {
		return string(o.cause)
	}
	return string(o.result)
}

// take ends the request well.
func (o *outcome) take(id string, r result) {
	o.status, o.id, o.result, o.cause = http.StatusOK, id, r, ""
}

// refuse ends the request with the status that belongs to the cause.
func (o *outcome) refuse(cause event.Cause) {
	o.status, o.id, o.result, o.cause = causes[cause].status, "", "", cause
}
