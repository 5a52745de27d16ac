package event

import (
	"slices"
	"time"
)

// OutcomeName is how a delivery ended.
type OutcomeName string

// The outcomes; every delivery ends in exactly one.
const (
	Applied            OutcomeName = "applied"             // it made an event
	Repeat             OutcomeName = "repeat"              // it said what was known already
	Held               OutcomeName = "held"                // unsigned, it waits for a human
	Unhandled          OutcomeName = "unhandled"           // it tells of nothing that we track
	Dead               OutcomeName = "dead"                // it could not be decoded or applied
	Rejected           OutcomeName = "rejected"            // it was refused at the edge
	ExpiredUnprocessed OutcomeName = "expired_unprocessed" // its body expired before it was read
)

// Outcomes lists every outcome.
var Outcomes = []OutcomeName{Applied, Repeat, Held, Unhandled, Dead, Rejected, ExpiredUnprocessed}

// Outcome tells how a delivery ended that left no verification event, or what an operator did with one.
type Outcome struct {
	Delivery  string      `json:"delivery"` // id of the webhook event
	Sequence  uint64      `json:"sequence"` // its position in the stream of deliveries
	Provider  string      `json:"provider"`
	Event     string      `json:"event"`
	Outcome   OutcomeName `json:"outcome"`
	Anomalies []string    `json:"anomalies"`
	// Verifications are the ids that the delivery told of.
	Verifications []string  `json:"verifications"`
	At            time.Time `json:"at"`
	// Stream is the stream of the delivery where that is not the one of the accepted deliveries: Sequence is the position there.
	Stream string `json:"stream,omitempty"`
	// Cause is why an operator gave it up, or what he did with it.
	Cause string `json:"cause,omitempty"`
	// ReceivedAt and Traceparent are what the delivery itself said, where it is no more in its stream.
	ReceivedAt  *time.Time `json:"received_at,omitempty"`
	Traceparent string     `json:"traceparent,omitempty"`
}

// Rejection is what is kept of a refused delivery: metadata and the hash of its body.
type Rejection struct {
	Provider   string    `json:"provider"`
	Cause      Cause     `json:"cause"`
	ReceivedAt time.Time `json:"received_at"`
	BodySHA256 string    `json:"body_sha256"` // of the bytes that were read; empty where none were
	BodyBytes  int64     `json:"body_bytes"`
}

// Cause is why a delivery was refused: the `cause` of a problem answer.
type Cause string

// The causes of refusals; a closed list.
const (
	CauseMissingSignature Cause = "missing_signature"
	CauseBadSignature     Cause = "bad_signature"
	CauseTooLarge         Cause = "too_large"
	CauseUnknownProvider  Cause = "unknown_provider"
	CauseMethodNotAllowed Cause = "method_not_allowed"
	CauseUnavailable      Cause = "unavailable"
	CauseUnreadable       Cause = "unreadable" // the sender went away, or sent less than it said
)

// Causes lists every cause of a refusal.
var Causes = []Cause{
	CauseMissingSignature, CauseBadSignature, CauseTooLarge, CauseUnknownProvider,
	CauseMethodNotAllowed, CauseUnavailable, CauseUnreadable,
}

// Recorded reports whether a refusal is kept, and not only counted: only what a provider may
// have sent is.
func (c Cause) Recorded() bool {
	return slices.Contains([]Cause{CauseMissingSignature, CauseBadSignature, CauseTooLarge}, c)
}
