// Package provider is the contract between Verdict and the folders that know one provider of
// identity verifications each: how its webhooks are signed, what they are called, what they
// say, and the tables of its kinds.
//
// A provider's folder holds facts and pure functions. It knows no broker, no database and no
// HTTP server, and none of its functions may panic on any input: bodies come from outside.
// Everything that a folder returns for an event is free of direct identifiers; only Claims
// hold personal data.
package provider

import (
	"errors"
	"slices"
	"time"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// Provider is one provider of identity verifications.
type Provider struct {
	// Name is the token in URLs, subjects, ids and the names of settings: `^[a-z0-9]{1,16}$`.
	Name string
	// Events lists the names of the webhooks that the folder knows; others are `other`.
	Events []Event
	// Kinds are the verifications that the provider's events tell of.
	Kinds []*verification.Kind
	// Budget is how long the provider waits for an answer, less a margin for the way.
	Budget time.Duration
	// RefusedStatus is the HTTP status for a missing or wrong signature.
	RefusedStatus int
	// Unsigned reports that some of the provider's events may come without a signature, so
	// that a policy for them is offered.
	Unsigned bool
	// OwnedPayloads holds where the name of the event is not signed: a signed payload belongs
	// to the verification it was first seen for, and has no effect on another.
	OwnedPayloads bool
	// WithoutClaims holds where no webhook of the provider has personal data: then Decode never
	// returns claims. Otherwise the folder's samples must show some.
	WithoutClaims bool
	// Optional lists the members, by their paths in the body as in "status.final", that the
	// provider documents as possibly absent or null and without which a body decides by its
	// others. The absence of any other member never decides.
	Optional []string
	// Scheme describes the signature that Verify checks.
	Scheme Scheme
	// Verify checks the signature and names the event. See [Request] and [Receipt].
	Verify func(Request) (Receipt, error)
	// Decode reads the signals of a verified body. See [Delivery] and [Decoded].
	Decode func(Delivery) (Decoded, error)
	// Sign makes the headers and the body that the provider would send, for trying things by
	// hand and for tests. The event is a name of Events; the body is a payload as documented.
	Sign func(event string, body []byte, secret string) (Signed, error)
	// Example is a small payload as documented, with a made-up person.
	Example Example
	// Scenarios are the ways that things go at the provider, all documented ones. See
	// [Scenario].
	Scenarios []Scenario
	// Retries is how the provider repeats a delivery that was not taken.
	Retries Retries
}

// Example is a payload to try things with.
type Example struct {
	Event string
	Body  []byte
}

// NameUnsigned reports whether the name of an event is outside of what is signed: in the URL,
// or beside the payload. Then one body under two names is two deliveries.
func (p *Provider) NameUnsigned() bool {
	return p.OwnedPayloads || slices.ContainsFunc(p.Events, func(e Event) bool { return e.Segment != "" })
}

// Event is one webhook of a provider.
type Event struct {
	// Name is the provider's own spelling.
	Name string
	// Segment is the last part of the URL for a provider whose bodies do not name the event.
	Segment string
	// Unhandled events are known by name and tell nothing that the folder decodes.
	Unhandled bool
}

// Kind returns the kind of the given name.
func (p *Provider) Kind(name string) (*verification.Kind, bool) {
	for _, k := range p.Kinds {
		if k.Name == name {
			return k, true
		}
	}
	return nil, false
}

// The names of events that are no provider's.
const (
	EventOther       = "other"       // a name that the folder does not list
	EventUndecodable = "undecodable" // a body that cannot be read
)

// Request is a webhook as it was posted.
type Request struct {
	// Segment is the last part of the URL, behind the provider and the token; may be empty.
	Segment string
	// Header returns the value of a header, empty when it is missing. Names are not case
	// sensitive; a header that was sent twice is its first value.
	Header func(name string) string
	Body   []byte
	// Secrets are the active ones, newest first; never empty.
	Secrets []string
}

// Receipt is what the receiver needs to know of a webhook.
type Receipt struct {
	// Event is the token of the event: see [Token], EventOther or EventUndecodable.
	Event string
	// Family tells what to do with it.
	Family Family
	// DeliveryID is the provider's id of this delivery, empty where it gives none. Retries of
	// one delivery share it.
	DeliveryID string
	// Signed is what the signature covers, or what identifies an unsigned body.
	Signed []byte
	// Secret is the position of the secret that matched; -1 for an unsigned body.
	Secret int
}

// Family is what a verified webhook is for.
type Family int

// The families.
const (
	// FamilyVerification webhooks are stored and decoded.
	FamilyVerification Family = iota
	// FamilyForeign webhooks have nothing to do with verifications; they are counted and not
	// stored.
	FamilyForeign
	// FamilyUnsigned webhooks may come without a signature; the policy decides.
	FamilyUnsigned
	// FamilyConfirmation is the handshake of an endpoint, never signed and always held.
	FamilyConfirmation
)

// The reasons for which a webhook is refused.
var (
	ErrMissingSignature = errors.New("signature is missing")
	ErrBadSignature     = errors.New("signature does not match")
)

// Delivery is a verified webhook as it lies in the stream.
type Delivery struct {
	// Event is the token under which it was received.
	Event string
	Body  []byte
}

// Decoded is what a webhook says: one element for each verification that it tells of.
type Decoded struct {
	Elements []Element
	// Seen are signed payloads of an unhandled event that would tell of a verification under
	// another name, which is not signed; they come with ErrUnhandled. Where one comes under
	// that name later, this is when it was said.
	Seen []verification.Signal
}

// Element is one signal and the claims that came with it.
type Element struct {
	// Kind and Reference name the verification; Reference is the provider's own text.
	Kind      string
	Reference string
	// ReferenceIsApplicant holds where the reference contains the applicant, which companies
	// may choose themselves: it is then published in the same form as the applicant.
	ReferenceIsApplicant bool
	// Signal has ID, Says and everything that the body tells; the kind's table, the time and
	// the position of the receipt are filled in later.
	Signal verification.Signal
	// Claims is the personal data of the element, nil where there is none.
	Claims *Claims
	// Unknown names the fields whose values the folder does not know, to be counted.
	Unknown []string
}

// ErrUnhandled is returned by Decode for an event that tells nothing about a verification we
// track. It is an outcome, not a failure.
var ErrUnhandled = errors.New("event is not handled")

// DecodeError is a body that cannot be decoded, now or later. Its text never contains a part
// of the body.
type DecodeError struct {
	// Cause is from the list of Causes.
	Cause string
	// Detail says where, in the words of the provider's documents.
	Detail string
}

func (e *DecodeError) Error() string { return e.Cause + ": " + e.Detail }

// The causes of a DecodeError.
const (
	CauseInvalidJSON      = "invalid_json"      // not JSON, not an object, or nested too deeply
	CauseInvalidUTF8      = "invalid_utf8"      // JSON must be UTF-8
	CauseMissingReference = "missing_reference" // no id of the verification
	CauseEventMismatch    = "event_mismatch"    // the event's name does not fit the payload
	CauseMissingField     = "missing_field"     // a field that decides is absent or of a wrong type
)

// Signed is a webhook that is ready to be posted.
type Signed struct {
	// Path is what follows /webhooks/<provider>, empty or /<segment>.
	Path   string
	Header map[string]string
	Body   []byte
}
