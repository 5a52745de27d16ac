package provider

import (
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// Scenario is one way that things can go at the provider, to be played against a running
// Verdict: which webhooks are sent, and what Verdict must make of them.
type Scenario struct {
	// Name is in kebab case, and of the provider's scenarios only this one has it.
	Name string
	// Make makes up one course of events. It depends on nothing but its arguments; the ids in
	// it are drawn, so that two stories never tell of the same verification. Everything in it
	// happened shortly before now, in the provider's own times.
	Make func(r *rand.Rand, now time.Time) Story
}

// Story is one course of events.
type Story struct {
	// Deliveries are the webhooks, in the order in which the provider sends them: from one to
	// MaxDeliveries.
	Deliveries []Posted
	// Ordered holds where only the order of arrival tells what comes out. Any other story
	// ends alike in whatever order its deliveries arrive.
	Ordered bool
	// Want is what all of the deliveries together must come to, for each verification that
	// they tell of.
	Want []Expectation
}

// MaxDeliveries bounds the webhooks of one story, so that many stories can be kept track of.
const MaxDeliveries = 100

// Posted is a webhook that is not signed yet.
type Posted struct {
	// Event is the provider's name of it; one that Events does not list is EventOther.
	Event string
	Body  []byte
	// Family is what Verify must take it for. One of FamilyUnsigned is posted without a
	// signature, and is expected to be held.
	Family Family
}

// Post makes a webhook of a story ready to be posted. One whose name is not listed goes where
// the example goes: its body alone tells what it is. The error is that of Sign.
func (p *Provider) Post(d Posted, secret string) (Signed, error) {
	event := d.Event
	if p.Token(event) == EventOther {
		event = p.Example.Event
	}
	signed, err := p.Sign(event, d.Body, secret)
	if err == nil && d.Family == FamilyUnsigned {
		signed.Header, signed.Body = nil, d.Body
	}
	return signed, err
}

// Expectation is what one verification must come to.
type Expectation struct {
	Kind      string
	Reference string // the provider's own text
	Sandbox   bool
	Status    verification.Status
	By        verification.By
	Attempt   int
	Anomalies []string // sorted
	// Signals is how many different signals the story has for the verification. Each makes an
	// event, so a version below this number has not seen all of them.
	Signals int
}

// Retries is how the provider repeats a delivery that was not taken. A delivery that was not
// answered in time is always repeated.
type Retries struct {
	// Timeout is how long the provider waits for an answer to the first attempt, LaterTimeout
	// to each later one.
	Timeout, LaterTimeout time.Duration
	// After are the pauses before the second attempt and each one more.
	After []time.Duration
	// OnlyServerErrors holds where a status of 4xx is the end of a delivery.
	OnlyServerErrors bool
}

// Again reports whether an answer of the status makes the provider repeat the delivery.
func (r Retries) Again(status int) bool {
	if r.OnlyServerErrors {
		return status >= http.StatusInternalServerError
	}
	return status < http.StatusOK || status >= http.StatusMultipleChoices
}
