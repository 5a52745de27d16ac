package crash

import (
	"fmt"
	"strings"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
	"github.com/verdict-stream/verdict/services/lifecycle"
)

// oracle makes the state of every verification in one pass over the stored deliveries, in the
// order of the stream, each of them once: without a database, a crash or a second thread.
type oracle struct {
	providers map[string]*provider.Provider
	pseudonym func(string) string
	records   map[string]*verification.Record
	owners    map[string]string              // verification of a signed payload
	seen      map[string]verification.Signal // payloads under names that tell of nothing
	// announce, where it is set, is called with every change.
	announce func(*verification.Record, verification.Scope, *verification.Change)
}

// maxReasons is how many of a signal's reasons are kept.
const maxReasons = 200

// expected returns the state that each verification must have.
func expected(e *Evidence) (map[string]verification.State, error) {
	o := &oracle{
		providers: map[string]*provider.Provider{}, pseudonym: e.Pseudonym, records: map[string]*verification.Record{},
		owners: map[string]string{}, seen: map[string]verification.Signal{},
	}
	for i := range e.Providers {
		o.providers[e.Providers[i].Name] = &e.Providers[i]
	}
	for i := range e.Stored {
		if e.Stored[i].Stream != bus.Webhooks {
			continue
		}
		if err := o.delivery(&e.Stored[i]); err != nil {
			return nil, fmt.Errorf("delivery %d: %w", e.Stored[i].Seq, err)
		}
	}
	states := make(map[string]verification.State, len(o.records))
	for name, r := range o.records {
		states[name] = r.State
	}
	return states, nil
}

// delivery folds one. What cannot be decoded says nothing.
func (o *oracle) delivery(d *Stored) error {
	p := o.providers[d.Provider]
	if p == nil {
		return fmt.Errorf("provider %q does not play", d.Provider)
	}
	decoded, err := p.Decode(provider.Delivery{Event: d.Event, Body: d.Body})
	for _, s := range decoded.Seen {
		s.Received(d.Seq, d.Received, d.ID)
		if _, before := o.seen[s.ID]; !before {
			o.seen[s.ID] = s
		}
	}
	if err != nil {
		return nil //nolint:nilerr // Such a delivery ends as unhandled or dead, and is checked as that.
	}
	for i := range decoded.Elements {
		if err := o.element(p, d, &decoded.Elements[i]); err != nil {
			return err
		}
	}
	return nil
}

func (o *oracle) element(p *provider.Provider, d *Stored, e *provider.Element) error {
	kind, ok := p.Kind(e.Kind)
	if !ok {
		return fmt.Errorf("no kind %q", e.Kind)
	}
	s := e.Signal
	s.Event, s.Reasons = d.Event, s.Reasons[:min(len(s.Reasons), maxReasons)]
	s.Received(d.Seq, d.Received, d.ID)
	if err := kind.Fill(&s); err != nil {
		return err
	}
	for _, reference := range []*string{&s.Applicant, &s.ExternalReference, &s.PreviousReference} {
		if *reference != "" && !lifecycle.Publishable(*reference) {
			*reference = o.pseudonym(*reference)
		}
	}
	reference := e.Reference
	if e.ReferenceIsApplicant {
		reference = strings.Replace(reference, e.Signal.Applicant, s.Applicant, 1)
	}
	id := verification.NewID(p.Name, kind.Name, reference)
	name := name(id.String(), s.Sandbox)
	if p.OwnedPayloads {
		if owner := o.owners[s.ID]; owner != "" && owner != name {
			return nil
		}
		o.owners[s.ID] = name
		if first, before := o.seen[s.ID]; before {
			s.Seq, s.At, s.ReceivedAt, s.Delivery = first.Seq, first.At, first.ReceivedAt, first.Delivery
		}
	}
	if o.records[name] == nil {
		o.records[name] = &verification.Record{ID: id, Sandbox: s.Sandbox}
	}
	made, err := kind.Apply(o.records[name], s)
	if made != nil && o.announce != nil {
		o.announce(o.records[name], kind.Scope, made)
	}
	return err
}
