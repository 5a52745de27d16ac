package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/services/receiver"
)

// verified is what becomes of one webhook.
type verified struct {
	Source   string         `json:"source"`
	Provider string         `json:"provider"`
	Segment  string         `json:"segment,omitempty"`
	Notes    []string       `json:"notes,omitempty"`
	Scheme   verifiedScheme `json:"scheme"`
	// Messages are the byte strings that the signature was tried over; Matched is the position
	// of the one that is signed, from 1.
	Body     fingerprint   `json:"body"`
	Messages []fingerprint `json:"messages"`
	Matched  int           `json:"matched,omitempty"`

	Secrets     int    `json:"secrets"` // how many were tried
	SecretsFrom string `json:"secrets_from"`
	Secret      int    `json:"secret,omitempty"`   // the position of the one that fits, from 1
	Unsigned    bool   `json:"unsigned,omitempty"` // there is no signature, and the event may come without

	// Result and Status are the receiver's answer.
	Result string   `json:"result"`
	Status int      `json:"status"`
	Hints  []string `json:"hints,omitempty"` // why it is refused

	ID         string         `json:"id,omitempty"`
	DeliveryID string         `json:"delivery_id,omitempty"`
	Event      string         `json:"event,omitempty"`
	Family     string         `json:"family,omitempty"`
	Outcome    string         `json:"outcome,omitempty"` // where the body makes no event
	Remembered []remembered   `json:"remembered,omitempty"`
	Elements   []verifiedPart `json:"elements,omitempty"`

	known   *provider.Provider
	request provider.Request
	header  http.Header
	receipt provider.Receipt
}

// verifiedScheme says how the provider signs.
type verifiedScheme struct {
	Place     string             `json:"place"`
	Prefix    string             `json:"prefix,omitempty"`
	Algorithm provider.Algorithm `json:"algorithm"`
	Encoding  provider.Encoding  `json:"encoding"`
	Message   string             `json:"message"`
}

// fingerprint tells bytes from others without showing them.
type fingerprint struct {
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
}

func newFingerprint(b []byte) fingerprint {
	sum := sha256.Sum256(b)
	return fingerprint{len(b), hex.EncodeToString(sum[:])}
}

// The answers of the receiver, in its words.
const (
	answerAccepted = "accepted"
	answerIgnored  = "ignored"
	answerHeld     = "held"
)

// families are the names of what a webhook is for.
var families = map[provider.Family]string{
	provider.FamilyVerification: "verification", provider.FamilyForeign: "foreign",
	provider.FamilyUnsigned: "unsigned", provider.FamilyConfirmation: "confirmation",
}

func newVerified(known *provider.Provider, p *postedRequest, r provider.Request) *verified {
	s := &known.Scheme
	v := &verified{
		Source: p.source, Provider: known.Name, Segment: r.Segment, Notes: p.notes,
		Scheme: verifiedScheme{s.Place(), s.Prefix, s.Algorithm, s.Encoding, s.Message},
		Body:   newFingerprint(r.Body), Secrets: len(r.Secrets), known: known, request: r, header: p.header,
	}
	for _, message := range s.Messages(r.Body) {
		v.Messages = append(v.Messages, newFingerprint(message))
	}
	return v
}

// taken reports whether the receiver would answer with 200.
func (v *verified) taken() bool { return v.Status == http.StatusOK }

// check verifies the signature and finds the receiver's answer, and the reason of a refusal.
func (v *verified) check(p *postedRequest, set *ProviderConfig, providers []provider.Provider) {
	receipt, err := v.known.Verify(v.request)
	if cause, status, hint := v.edge(p, set); cause != "" {
		v.Result, v.Status, v.Segment = string(cause), status, "" // The segment may be a token without its mark.
		v.Hints = []string{hint}
		switch {
		case err == nil:
			v.receipt, v.Secret, v.Unsigned = receipt, receipt.Secret+1, receipt.Secret < 0
			v.match()
		case cause != event.CauseTooLarge:
			v.Hints = append(v.Hints, newDiagnosis(v, providers).hints()...)
		}
		return
	}
	if err != nil {
		v.Result, v.Status = string(event.CauseBadSignature), v.known.RefusedStatus
		if errors.Is(err, provider.ErrMissingSignature) {
			v.Result = string(event.CauseMissingSignature)
		}
		v.Hints = newDiagnosis(v, providers).hints()
		return
	}
	v.receipt, v.Secret, v.Unsigned, v.Status = receipt, receipt.Secret+1, receipt.Secret < 0, http.StatusOK
	v.Event, v.Family, v.DeliveryID = receipt.Event, families[receipt.Family], receipt.DeliveryID
	v.ID = event.WebhookID(v.Provider, receipt.DeliveryID, receipt.Signed)
	v.match()
	v.Result = answerAccepted
	switch receipt.Family {
	case provider.FamilyForeign:
		v.Result = answerIgnored
	case provider.FamilyConfirmation:
		v.hold(set)
	case provider.FamilyUnsigned:
		v.unsigned(set)
	}
}

// match finds out which of the messages is signed.
func (v *verified) match() {
	if v.receipt.Secret < 0 {
		return
	}
	s := &v.known.Scheme
	for i, message := range s.Messages(v.request.Body) {
		if s.Signature(message, v.request.Secrets[v.receipt.Secret]) == s.Given(v.request) {
			v.Matched = i + 1
			return
		}
	}
}

// unsigned applies the policy for webhooks without a signature.
func (v *verified) unsigned(set *ProviderConfig) {
	switch {
	case set.Unsigned == UnsignedReject:
		v.Result, v.Status = string(event.CauseMissingSignature), v.known.RefusedStatus
	case set.Unsigned == UnsignedToken && set.URLToken.IsSet():
		v.Result = answerAccepted
		v.Notes = append(v.Notes, "nothing is signed: the URL token alone proves the sender")
	default:
		v.hold(set)
	}
}

// hold is what becomes of a webhook that is held: of those that nothing vouches for, only the
// small ones.
func (v *verified) hold(set *ProviderConfig) {
	v.Result = answerHeld
	if !set.URLToken.IsSet() && v.Body.Bytes > receiver.HeldLimit {
		v.Result, v.Status = string(event.CauseTooLarge), http.StatusRequestEntityTooLarge
		v.Hints = append(v.Hints, fmt.Sprintf("without a signature and a URL token, a body of more than %d bytes is not held", receiver.HeldLimit))
	}
}
