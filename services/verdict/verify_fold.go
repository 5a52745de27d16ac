package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
	"github.com/verdict-stream/verdict/services/lifecycle"
)

// verifiedPart is one element of a body, and what it does to its verification.
type verifiedPart struct {
	Verification string              `json:"verification"`
	Signal       verification.Signal `json:"signal"`
	HasClaims    bool                `json:"has_claims"`
	Claims       *provider.Claims    `json:"claims,omitempty"`
	Published    string              `json:"published,omitempty"` // the status of the event, empty where nothing changed
	State        *event.Verification `json:"state,omitempty"`     // the event
	Reused       bool                `json:"payload_reused,omitempty"`
	// SeenBefore holds where the payload came before under an event that tells of nothing.
	SeenBefore bool `json:"seen_before,omitempty"`
}

// remembered is a signed payload of an unhandled event. Under another name, which nobody signs,
// it would tell of a verification; so it is kept when it was seen.
type remembered struct {
	Signal string    `json:"signal"`
	At     time.Time `json:"at"`
}

// hashed stands for a reference that looks like personal data: it is published as a keyed hash.
const hashed = "[hashed]"

// folding is the verifications that the webhooks of one run tell of.
type folding struct {
	now     time.Time
	seq     uint64
	records map[string]*verification.Record
	owners  map[string]verification.ID // of signed payloads, by signal
	seen    map[string]verification.Signal
}

func newFolding() *folding {
	return &folding{now: time.Now().UTC(), records: map[string]*verification.Record{}, owners: map[string]verification.ID{}, seen: map[string]verification.Signal{}}
}

// decode reads what an accepted webhook says and applies it. The error is a defect of the
// provider's folder.
func (v *verified) decode(f *folding, withClaims bool) error {
	if v.Result != answerAccepted && v.Result != answerHeld || v.receipt.Family == provider.FamilyConfirmation {
		return nil
	}
	f.seq++
	decoded, err := v.known.Decode(provider.Delivery{Event: v.Event, Body: v.request.Body})
	undecodable := (*provider.DecodeError)(nil)
	switch {
	case errors.Is(err, provider.ErrUnhandled):
		v.Outcome = string(event.Unhandled)
		if v.Result == answerAccepted {
			f.remember(v, decoded.Seen)
		}
		return nil
	case errors.As(err, &undecodable):
		v.Outcome = fmt.Sprintf("%s: %v", event.Dead, undecodable)
		return nil
	case err != nil:
		return err
	}
	for _, e := range decoded.Elements {
		part, err := f.apply(v, e)
		if err != nil {
			return err
		}
		if withClaims {
			part.Claims = e.Claims
		}
		v.Elements = append(v.Elements, *part)
	}
	return nil
}

// remember does what the lifecycle does with the payloads of an unhandled event.
func (f *folding) remember(v *verified, seen []verification.Signal) {
	for _, s := range seen {
		s.Received(f.seq, f.now, v.ID)
		if _, before := f.seen[s.ID]; !before {
			f.seen[s.ID] = s
		}
		v.Remembered = append(v.Remembered, remembered{s.ID, f.seen[s.ID].At})
	}
}

// apply does what the lifecycle does with an element; of a held webhook it only reads it.
func (f *folding) apply(v *verified, e provider.Element) (*verifiedPart, error) {
	kind, ok := v.known.Kind(e.Kind)
	if !ok {
		return nil, fmt.Errorf("the folder has no kind %q", e.Kind)
	}
	s := e.Signal
	s.Event, s.Unknown = v.Event, e.Unknown
	s.Reasons = s.Reasons[:min(len(s.Reasons), lifecycle.MaxReasons)]
	s.Received(f.seq, f.now, v.ID)
	if err := kind.Fill(&s); err != nil {
		return nil, err
	}
	for _, reference := range []*string{&s.Applicant, &s.ExternalReference, &s.PreviousReference} {
		if *reference != "" && !lifecycle.Publishable(*reference) {
			*reference = hashed
		}
	}
	reference := e.Reference
	if e.ReferenceIsApplicant {
		reference = strings.Replace(reference, e.Signal.Applicant, s.Applicant, 1)
	}
	id := verification.NewID(v.Provider, kind.Name, reference)
	part := &verifiedPart{Verification: id.String(), Signal: s, HasClaims: e.Claims != nil}
	if v.Result == answerHeld {
		return part, nil
	}
	if owner, known := f.owners[s.ID]; v.known.OwnedPayloads && known && owner != id {
		part.Reused = true
		return part, nil
	}
	f.owners[s.ID] = id
	if seen, before := f.seen[s.ID]; before {
		s.Seq, s.At, s.ReceivedAt, s.Delivery = seen.Seq, seen.At, seen.ReceivedAt, seen.Delivery
		part.SeenBefore, part.Signal = true, s
	}
	key := fmt.Sprint(id, s.Sandbox)
	if f.records[key] == nil {
		f.records[key] = &verification.Record{ID: id, Sandbox: s.Sandbox}
	}
	change, err := kind.Apply(f.records[key], s)
	if err != nil || change == nil {
		return part, err
	}
	state := event.NewVerification(id, kind.Scope, *change)
	part.Published, part.State = change.Event, &state
	return part, nil
}
