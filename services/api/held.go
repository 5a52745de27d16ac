package api

import (
	"net/http"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/held"
	"github.com/verdict-stream/verdict/pkg/letters"
)

// heldList answers with what waits for a decision.
func (a *api) heldList(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r)
	filter := held.Filter{
		Provider: q.text("provider"), Event: q.text("event"), Delivery: q.text("delivery"), Since: q.time("since"), Until: q.time("until"),
	}
	limit, after := q.limit(), cursor(q, parsePosition)
	if err := q.done(); err != nil {
		return err
	}
	if a.bus == nil {
		return errNoBroker
	}
	page, err := a.held.Page(r.Context(), filter, after, limit)
	if err != nil {
		return err
	}
	return respondOnce(w, r, HeldPage{Data: convert(page.Items, newHeld), Meta: DeliveryMeta{positionCursor(page.Next)}})
}

func newHeld(i held.Item) Held {
	return Held{
		Held: i.Seq, Delivery: i.ID, Provider: i.Provider, Event: i.Event, ReceivedAt: i.ReceivedAt.UTC(), HeldAt: i.Held.UTC(), Bytes: len(i.Sealed),
	}
}

// heldOne answers with one held delivery, and with its body where that is asked for, which the audit tells.
func (a *api) heldOne(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r)
	reveal := q.boolean("reveal")
	if err := q.done(); err != nil {
		return err
	}
	if a.bus == nil {
		return errNoBroker
	}
	item, err := a.held.Item(r.Context(), numbered(r, "held"))
	if err != nil {
		return err
	}
	answer := newHeld(item)
	switch handshake, err := a.held.Handshake(&item); {
	case err == nil:
		answer.Handshake = &handshake
	case !held.Closed(err):
		return err
	}
	if reveal != nil && *reveal {
		body, err := a.held.Open(&item)
		if err != nil {
			return err
		}
		if err := a.decided(r, "reveal", &item, ""); err != nil {
			return err
		}
		answer.Body = new(string(body))
	}
	return respondOnce(w, r, HeldAnswer{answer})
}

// decided writes into the audit what is done with a held delivery.
func (a *api) decided(r *http.Request, verb string, i *held.Item, note string) error {
	return a.bus.Audit(r.Context(), bus.AuditEntry{Verb: heldVerb + "-" + verb, Actor: caller, Via: via, Target: "held delivery " + i.ID, Count: 1, Note: note})
}

// releaseHeld lets a held delivery go on its way.
func (a *api) releaseHeld(w http.ResponseWriter, r *http.Request) error {
	if err := readBody(w, r, &Nothing{}); err != nil {
		return err
	}
	return a.decideOne(w, r, held.Release, "")
}

// discardHeld gives a held delivery up.
func (a *api) discardHeld(w http.ResponseWriter, r *http.Request) error {
	var why Reason
	if err := readBody(w, r, &why); err != nil {
		return err
	}
	if err := letters.CheckReason(why.Reason); err != nil {
		return err
	}
	return a.decideOne(w, r, held.Discard, why.Reason)
}

// decideOne decides about one held delivery, if that can be done.
func (a *api) decideOne(w http.ResponseWriter, r *http.Request, what held.Decision, why string) error {
	if a.bus == nil {
		return errNoBroker
	}
	item, err := a.held.Check(r.Context(), what, numbered(r, "held"))
	if err != nil {
		return err
	}
	if err := a.decided(r, string(what), &item, why); err != nil {
		return err
	}
	if _, err := a.held.Decide(r.Context(), what, item.Seq); err != nil {
		return err
	}
	return respondOnce(w, r, HeldAnswer{newHeld(item)})
}
