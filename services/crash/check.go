package crash

import (
	"math"
	"slices"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/services/doctor"
)

// Check holds the evidence of a run to every promise and returns those that were broken. It is
// for a run that has come to rest: everything that was accepted has had the time to come to its
// outcome.
func Check(e *Evidence) []Finding {
	c := &checker{Evidence: e, stored: map[string][]*Stored{}, causes: map[uint64]bool{}, last: map[string]*Event{}}
	for i := range e.Stored {
		c.stored[e.Stored[i].Key] = append(c.stored[e.Stored[i].Key], &e.Stored[i])
	}
	c.answers()
	c.window()
	c.order()
	c.events()
	c.outcomes()
	c.states()
	c.tables()
	return c.found
}

// checker is one check.
type checker struct {
	*Evidence
	found findings
	// stored are the messages of each webhook, causes the deliveries that made an event, and
	// last the newest event of each verification.
	stored map[string][]*Stored
	causes map[uint64]bool
	last   map[string]*Event
}

// asked is what was sent of one webhook.
type asked struct {
	honest, accepted, kept, open int
}

// answers compares the ledger with what is stored. A webhook that was taken is stored. It is
// not stored more often than it was accepted, but for requests that had no good answer: any of
// them may have been stored. Whatever is stored, somebody who knows the secret has sent.
func (c *checker) answers() {
	sent := map[string]*asked{}
	for i := range c.Requests {
		r := &c.Requests[i]
		a := sent[r.Key]
		if a == nil {
			a = &asked{}
			sent[r.Key] = a
		}
		if r.Forged {
			if r.Status >= 200 && r.Status < 300 {
				c.found.add(Unverified, "%s was answered with %d %s although its signature was forged", r.ID, r.Status, r.Result)
			}
			continue
		}
		a.honest++
		switch {
		case r.kept():
			a.kept++
			if r.Result != duplicate {
				a.accepted++
			}
			if r.Answer != r.ID {
				c.found.add(Wrong, "%s was answered with the id %s", r.ID, r.Answer)
			}
			if len(c.stored[r.Key]) == 0 && a.kept == 1 {
				c.found.add(Lost, "%s was answered with %s at %s and is in no stream", r.Key, r.Result, r.Answered.Format(time.RFC3339Nano))
			}
		case r.open():
			a.open++
		}
	}
	for key, messages := range c.stored {
		a := sent[key]
		if a == nil || a.honest == 0 {
			c.found.add(Unverified, "%s is stored and nobody who knows the secret has sent it", key)
			continue
		}
		if len(messages) > a.accepted+a.open {
			c.found.add(Doubled, "%s is stored %d times; it was accepted %d times, and %d times there was no answer",
				key, len(messages), a.accepted, a.open)
		}
	}
}

// window checks that no webhook is stored twice within the time in which it is recognised.
func (c *checker) window() {
	for key, messages := range c.stored {
		for i := 1; i < len(messages); i++ {
			if apart := messages[i].At.Sub(messages[i-1].At); messages[i].Stream == messages[i-1].Stream && apart < c.Window {
				c.found.add(Doubled, "%s is stored as %d and as %d of %s, %v apart", key, messages[i-1].Seq, messages[i].Seq, messages[i].Stream, apart)
			}
		}
	}
}

// order checks that a webhook which was first sent after another one had been accepted is also
// stored behind that.
func (c *checker) order() {
	begun, done := map[string]time.Time{}, map[string]time.Time{}
	for i := range c.Requests {
		r := &c.Requests[i]
		if r.Forged {
			continue
		}
		if at, ok := begun[r.Key]; !ok || r.Sent.Before(at) {
			begun[r.Key] = r.Sent
		}
		if at, ok := done[r.Key]; r.kept() && (!ok || r.Answered.Before(at)) {
			done[r.Key] = r.Answered
		}
	}
	var firsts []*Stored
	for _, messages := range c.stored {
		if messages[0].Stream == bus.Webhooks {
			firsts = append(firsts, messages[0])
		}
	}
	slices.SortFunc(firsts, func(a, b *Stored) int { return int(int64(b.Seq) - int64(a.Seq)) })
	// From the end: the earliest acceptance of all that is stored behind.
	earliest, of := time.Unix(math.MaxInt32, 0), ""
	for _, m := range firsts {
		if at, ok := begun[m.Key]; ok && earliest.Before(at) {
			c.found.add(OutOfOrder, "%s is stored before %s, which had been accepted before it was sent", m.Key, of)
		}
		if at, ok := done[m.Key]; ok && at.Before(earliest) {
			earliest, of = at, m.Key
		}
	}
}

// events checks what subscribers rely on: the versions of a verification without a gap, none
// twice, and no final status that is taken back within an attempt.
func (c *checker) events() {
	type cause struct {
		name, signal string
		delivery     uint64
	}
	told := map[cause]bool{}
	for i := range c.Events {
		e := &c.Events[i]
		name, before, last := e.name(), c.last[e.name()], 0
		var former *event.Verification
		if before != nil {
			last, former = before.Version, &before.Verification
		}
		for _, fault := range doctor.Follows(former, &e.Verification, true) {
			switch fault {
			case doctor.VersionAgain:
				c.found.add(Doubled, "%s has version %d again at %d of %s", name, e.Version, e.Seq, e.Stream)
			case doctor.VersionGap:
				c.found.add(OutOfOrder, "%s has version %d behind version %d at %d of %s", name, e.Version, last, e.Seq, e.Stream)
			case doctor.TakenBack:
				c.found.add(Regressed, "%s became %s after %s in attempt %d", name, e.Status, before.Status, e.Attempt)
			}
		}
		if e.Version == last+1 && told[cause{name, e.Signal.ID, e.CausationSequence}] {
			c.found.add(Doubled, "version %d of %s tells again what delivery %d has told", e.Version, name, e.CausationSequence)
		}
		told[cause{name, e.Signal.ID, e.CausationSequence}] = true
		c.causes[e.CausationSequence] = true
		if e.Version > last {
			c.last[name] = e
		}
	}
}
