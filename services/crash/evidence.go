package crash

import (
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
)

// Evidence is all that a run has left behind, each part of it as somebody outside can see it.
type Evidence struct {
	// Window is how long the streams recognise a message that comes again.
	Window time.Duration
	// Providers are those that were played, with the deadlines of the installation.
	Providers []provider.Provider
	// Pseudonym is the installation's keyed hash of references.
	Pseudonym func(string) string

	// Requests is the ledger: every request and what was answered.
	Requests []Request
	// Stored are the messages of KYC_WEBHOOKS and KYC_HELD, each in the order of its stream.
	Stored []Stored
	// Events are those of KYC_VERIFICATIONS and KYC_SANDBOX, each in the order of its stream.
	Events []Event
	// Outcomes and Dead are how the deliveries ended that left no event.
	Outcomes []event.Outcome
	Dead     []bus.DeadLetter
	// Deliveries and Current are the tables, as the API shows them.
	Deliveries []Delivery
	Current    []Current
}

// Request is one webhook that was sent, and what the sender got to know.
type Request struct {
	Provider string
	// ID and Key are what the webhook must be called and recognised by; Event is its token.
	ID, Key, Event string
	// Forged holds where the signature was not the provider's.
	Forged bool
	// Status is that of HTTP, 0 where there was no answer. Answer is the id that was answered,
	// Result what the receiver did with the webhook, Cause why it was not taken.
	Status                int
	Answer, Result, Cause string
	Sent, Answered        time.Time
	// Fault is what was wrong when the request was sent, empty for nothing.
	Fault string
}

// The results of a webhook that was taken and is kept.
const (
	accepted  = "accepted"
	duplicate = "duplicate"
	held      = "held"
)

// kept reports whether the answer promises that the webhook is stored.
func (r *Request) kept() bool {
	return r.Result == accepted || r.Result == duplicate || r.Result == held
}

// open reports whether the sender cannot know what became of the webhook: it was answered with
// an error of the server, or not at all.
func (r *Request) open() bool { return r.Status == 0 || r.Status >= 500 }

// Stored is a message with a delivery.
type Stored struct {
	Stream   string
	Seq      uint64
	At       time.Time // when the stream stored it
	Key      string
	ID       string
	Provider string
	Event    string
	Received time.Time
	Body     []byte // opened
}

// Event is a message with a verification event.
type Event struct {
	Stream string
	Seq    uint64
	event.Verification
}

// Delivery is a row of the API's deliveries.
type Delivery struct {
	Stream   string
	Sequence uint64
	Outcome  *string
}

// Current is a row of the API's verifications.
type Current struct {
	event.Verification
	Sequence uint64
	Sandbox  bool
}

// name tells the verifications of the providers' test environments from the others.
func name(id string, sandbox bool) string {
	if sandbox {
		return "sandbox " + id
	}
	return id
}

// name is that of the verification that the event tells of.
func (e *Event) name() string { return name(e.ID, e.Stream == bus.Sandbox) }
