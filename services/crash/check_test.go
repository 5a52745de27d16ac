//go:build linux

package crash

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/provider/all"
	"github.com/verdict-stream/verdict/pkg/verification"
	"github.com/verdict-stream/verdict/services/simulator"
)

// A run in which nothing went wrong breaks no promise.
func TestHonest(t *testing.T) {
	e := honest(t)
	if found := Check(e); len(found) > 0 {
		t.Errorf("of an honest run is said:\n%s", describe(found))
	}
	if len(e.Stored) < 10 || len(e.Events) < 10 || len(e.Outcomes) == 0 {
		t.Errorf("%d deliveries, %d events and %d outcomes show little", len(e.Stored), len(e.Events), len(e.Outcomes))
	}
}

// Each promise that is broken is counted, and under no name that would hide what happened.
func TestBroken(t *testing.T) {
	for name, doctored := range map[string]struct {
		want Count
		do   func(*Evidence)
	}{
		"an accepted webhook is in no stream": {Lost, func(e *Evidence) { e.Stored = slices.Delete(e.Stored, 3, 4) }},
		"an event is missing":                 {OutOfOrder, func(e *Evidence) { e.Events = slices.Delete(e.Events, versioned(e, 1), versioned(e, 1)+1) }},
		"a webhook is stored twice": {Doubled, func(e *Evidence) {
			again := e.Stored[3]
			again.Seq, again.At = last(e).Seq+1, last(e).At.Add(time.Hour)
			e.Stored = append(e.Stored, again)
			e.Outcomes = append(e.Outcomes, event.Outcome{Sequence: again.Seq, Outcome: event.Repeat})
			e.Deliveries = append(e.Deliveries, row(again, event.Repeat))
		}},
		"a webhook is stored twice within the window": {Doubled, func(e *Evidence) {
			again := e.Stored[3]
			again.Seq = last(e).Seq + 1
			e.Stored = append(e.Stored, again)
			e.Requests = append(e.Requests, Request{Key: again.Key, ID: again.ID, Sent: last(e).At, Answered: last(e).At})
			e.Outcomes = append(e.Outcomes, event.Outcome{Sequence: again.Seq, Outcome: event.Repeat})
			e.Deliveries = append(e.Deliveries, row(again, event.Repeat))
		}},
		"a version is told twice": {Doubled, func(e *Evidence) {
			at := versioned(e, 2)
			e.Events = slices.Insert(e.Events, at, e.Events[at])
		}},
		"a delivery is told under two versions": {Doubled, func(e *Evidence) {
			at := newest(e)
			again := e.Events[at]
			again.Version++
			again.Seq += 1000
			e.Events = append(e.Events, again)
			for i := range e.Current {
				if e.Current[i].ID == again.ID && e.Current[i].Sandbox == (again.Stream == bus.Sandbox) {
					e.Current[i].Verification, e.Current[i].Sequence = again.Verification, again.Seq
				}
			}
		}},
		"a verification is in the table twice": {Doubled, func(e *Evidence) { e.Current = append(e.Current, e.Current[0]) }},
		"versions are reversed": {OutOfOrder, func(e *Evidence) {
			at := versioned(e, 2)
			first := slices.IndexFunc(e.Events, func(o Event) bool { return o.name() == e.Events[at].name() })
			e.Events[first], e.Events[at] = e.Events[at], e.Events[first]
		}},
		"deliveries are stored in another order than they were acknowledged": {OutOfOrder, func(e *Evidence) {
			a, b := &e.Stored[3], &e.Stored[4]
			a.Key, b.Key, a.ID, b.ID = b.Key, a.Key, b.ID, a.ID
		}},
		"a final status is taken back": {Regressed, func(e *Evidence) {
			for i := range e.Events {
				if e.Events[i].Version == 1 {
					e.Events[i].Final, e.Events[i].Attempt = true, 9
				}
			}
		}},
		"the table is behind": {Regressed, func(e *Evidence) {
			at := newest(e)
			for i := range e.Current {
				if row := &e.Current[i]; row.ID == e.Events[at].ID {
					row.Version--
				}
			}
		}},
		"a verification is not in the table": {Regressed, func(e *Evidence) { e.Current = slices.Delete(e.Current, 2, 3) }},
		"a forged webhook is accepted": {Unverified, func(e *Evidence) {
			e.Requests = append(e.Requests, Request{Key: e.Requests[0].Key, ID: e.Requests[0].ID, Forged: true, Status: 200, Result: accepted})
		}},
		"a forged webhook is stored": {Unverified, func(e *Evidence) {
			key := e.Stored[3].Key
			for i := range e.Requests {
				if r := &e.Requests[i]; r.Key == key {
					r.Forged, r.Status, r.Result, r.Cause = true, 401, "", "bad_signature"
				}
			}
		}},
		"a delivery has no outcome": {Unexplained, func(e *Evidence) { e.Deliveries[3].Outcome = nil }},
		"a delivery has come to nothing": {Unexplained, func(e *Evidence) {
			seq := e.Outcomes[0].Sequence
			e.Outcomes = slices.DeleteFunc(e.Outcomes, func(o event.Outcome) bool { return o.Sequence == seq })
		}},
		"a delivery is not in the table":   {Unexplained, func(e *Evidence) { e.Deliveries = slices.Delete(e.Deliveries, 3, 4) }},
		"a delivery is in the table twice": {Unexplained, func(e *Evidence) { e.Deliveries = append(e.Deliveries, e.Deliveries[3]) }},
		"a delivery is in the table only": {Unexplained, func(e *Evidence) {
			e.Deliveries = append(e.Deliveries, row(Stored{Stream: bus.Webhooks, Seq: 1e6}, event.Applied))
		}},
		"the table has another outcome": {Unexplained, func(e *Evidence) { e.Deliveries[3] = row(e.Stored[3], event.Dead) }},
		"a state is wrong":              {Wrong, func(e *Evidence) { e.Events[newest(e)].Attempt = 7 }},
		"a verification was not told": {Wrong, func(e *Evidence) {
			name := e.Events[0].name()
			e.Events = slices.DeleteFunc(e.Events, func(o Event) bool { return o.name() == name })
		}},
		"events that no delivery tells of": {Wrong, func(e *Evidence) {
			foreign := e.Events[versioned(e, 1)]
			foreign.ID, foreign.Seq = foreign.ID+"0", 1e6
			e.Events = append(e.Events, foreign)
			e.Current = append(e.Current, Current{Verification: foreign.Verification, Sequence: foreign.Seq, Sandbox: foreign.Stream == bus.Sandbox})
		}},
		"the table says something else": {Wrong, func(e *Evidence) { e.Current[0].Overdue = true }},
		"an answer has another id": {Wrong, func(e *Evidence) {
			at := slices.IndexFunc(e.Requests, func(r Request) bool { return r.kept() })
			e.Requests[at].Answer += "0"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			e := honest(t)
			doctored.do(e)
			found := Check(e)
			if !slices.ContainsFunc(found, func(f Finding) bool { return f.Count == doctored.want }) {
				t.Errorf("%s is not found, but:\n%s", doctored.want, describe(found))
			}
		})
	}
}

// What a sender cannot know may be stored or not, and an answer may come before its message.
func TestUnanswered(t *testing.T) {
	e := honest(t)
	for i := range e.Requests {
		if r := &e.Requests[i]; !r.Forged && i%2 == 0 {
			r.Status, r.Result, r.Answer, r.Cause = 0, "", "", "timeout"
		}
	}
	e.Requests = append(e.Requests, Request{Key: "never-stored", ID: "never-stored", Status: 503, Cause: "unavailable"})
	if found := Check(e); len(found) > 0 {
		t.Errorf("of a run with unanswered webhooks is said:\n%s", describe(found))
	}
}

func TestTable(t *testing.T) {
	report := Report{Seed: 7, Rounds: 1, Failed: []Failure{{Form: "up", Seed: 7, Evidence: "there", Found: []Finding{{Lost, "this one"}}}}}
	report.take(honest(t))
	var b strings.Builder
	if err := report.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	written := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{"lost 1 doubled 0", "stuck 0", "FORM=up SEED=7", "lost: this one"} {
		if !strings.Contains(written, want) {
			t.Errorf("%q is not in:\n%s", want, &b)
		}
	}
}

func last(e *Evidence) *Stored { return &e.Stored[len(e.Stored)-1] }

func row(s Stored, outcome event.OutcomeName) Delivery {
	text := string(outcome)
	return Delivery{Stream: s.Stream, Sequence: s.Seq, Outcome: &text}
}

// versioned is the first event with a version, of a verification that has more behind it.
func versioned(e *Evidence, version int) int {
	return slices.IndexFunc(e.Events, func(v Event) bool {
		return v.Version == version && slices.ContainsFunc(e.Events, func(o Event) bool { return o.name() == v.name() && o.Version > version })
	})
}

// newest is the newest event of a verification that has several.
func newest(e *Evidence) int {
	name := e.Events[versioned(e, 1)].name()
	at := 0
	for i := range e.Events {
		if e.Events[i].name() == name {
			at = i
		}
	}
	return at
}

// honest is the evidence of a run without any trouble, made by the engine alone: every scenario
// once, each webhook sent twice and once with a bad signature.
func honest(t *testing.T) *Evidence {
	t.Helper()
	m := &maker{
		t: t, now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), records: map[string]*verification.Record{}, sequences: map[string]uint64{},
		Evidence: Evidence{Window: time.Second, Providers: patient(all.Providers()), Pseudonym: func(s string) string { return "h_" + s }},
	}
	for i := range m.Providers {
		p := &m.Providers[i]
		for _, scenario := range p.Scenarios {
			for _, posted := range scenario.Make(rand.New(rand.NewPCG(1, uint64(i))), m.now).Deliveries {
				m.webhook(p, posted)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.current)) {
		m.Current = append(m.Current, m.current[name])
	}
	return &m.Evidence
}

// maker plays all parts of a Verdict.
type maker struct {
	Evidence
	t         *testing.T
	now       time.Time
	ledger    ledger
	records   map[string]*verification.Record
	sequences map[string]uint64
	current   map[string]Current
	stored    map[string]bool
}

func (m *maker) webhook(p *provider.Provider, posted provider.Posted) {
	m.now = m.now.Add(time.Second)
	player := &simulator.Player{Provider: p, Secret: secretOf(p.Name)}
	id, key, token := identify(p, posted, player.Secret)
	result := accepted
	if m.stored[key] {
		result = duplicate
	}
	m.heard(simulator.Exchange{Player: player, Posted: posted, Status: 200, ID: id, Result: result})
	m.heard(simulator.Exchange{Player: player, Posted: posted, Status: 200, ID: id, Result: duplicate})
	m.heard(simulator.Exchange{Player: player, Posted: posted, Status: p.RefusedStatus, Cause: "bad_signature", Forged: true})
	m.Requests, _ = m.ledger.snapshot()
	if m.stored[key] {
		return
	}
	if m.stored == nil {
		m.stored, m.current = map[string]bool{}, map[string]Current{}
	}
	m.stored[key] = true
	m.store(p, Stored{
		Stream: bus.Webhooks, Seq: m.next(bus.Webhooks), At: m.now, Key: key, ID: id, Provider: p.Name, Event: token, Received: m.now, Body: posted.Body,
	})
}

func (m *maker) heard(x simulator.Exchange) {
	m.now = m.now.Add(time.Millisecond)
	x.Sent, x.Answered = m.now, m.now.Add(time.Microsecond)
	m.ledger.heard(x)
}

func (m *maker) next(stream string) uint64 {
	m.sequences[stream]++
	return m.sequences[stream]
}

// store keeps a delivery and brings it to its outcome.
func (m *maker) store(p *provider.Provider, s Stored) {
	m.Stored = append(m.Stored, s)
	before := len(m.Events)
	o := &oracle{
		providers: map[string]*provider.Provider{p.Name: p}, pseudonym: m.Pseudonym, records: m.records,
		owners: map[string]string{}, seen: map[string]verification.Signal{},
	}
	o.announce = func(r *verification.Record, scope verification.Scope, made *verification.Change) {
		stream := bus.Verifications
		if r.Sandbox {
			stream = bus.Sandbox
		}
		e := Event{Stream: stream, Seq: m.next(stream), Verification: event.NewVerification(r.ID, scope, *made)}
		m.Events = append(m.Events, e)
		m.current[e.name()] = Current{Verification: e.Verification, Sequence: e.Seq, Sandbox: r.Sandbox}
	}
	if err := o.delivery(&s); err != nil {
		m.t.Fatal(err)
	}
	outcome := event.Applied
	if len(m.Events) == before {
		outcome = event.Repeat
		m.Outcomes = append(m.Outcomes, event.Outcome{Sequence: s.Seq, Outcome: outcome})
	}
	m.Deliveries = append(m.Deliveries, row(s, outcome))
}
