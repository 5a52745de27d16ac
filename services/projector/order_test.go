package projector

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/claims"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/provider/idenfy"
	"github.com/verdict-stream/verdict/pkg/provider/treezor"
	"github.com/verdict-stream/verdict/pkg/provider/yousign"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// everything fills all streams: replaced, mismatched, disowned and anonymized claims, and every outcome but the expired.
func everything(t testing.TB) *world {
	w := newWorld(t)
	w.tell(&idenfy.Provider, autoFinish, scan("s1", false, 60, "APPROVED", "Ada"))
	w.tell(&idenfy.Provider, manualFinish, scan("s1", true, 90, "DENIED", "Grace"))
	late := w.receive(&idenfy.Provider, autoFinish, scan("s1", true, 70, "APPROVED", "Jean"))
	first := w.receive(&treezor.Provider, liveness, live("f1", 1, "7", "Ada"))
	w.tell(&treezor.Provider, liveness, live("f1", 2, "8", "Eve"))
	w.fold(first)
	w.fold(late)
	w.disown(filmed, w.tell(&treezor.Provider, liveness, live("f1", 3, "7", "Mary")))

	gone := w.tell(&idenfy.Provider, autoFinish, scan("s2", true, 60, "DENIED", "Ada"))
	w.anonymize(verification.NewID("idenfy", "id_verification", "s2"), gone)
	w.tell(&idenfy.Provider, autoFinish, scan("s2", true, 90, "APPROVED", "Grace"))
	w.anonymize(scanned, late)

	w.tell(&yousign.Provider, documentDone, document("d1", "verified", true, false))
	w.tell(&yousign.Provider, documentDone, document("d1", "shredded", false, false))
	w.tell(&yousign.Provider, documentDone, document("d1", "failed", false, true))

	repeat := w.receive(&idenfy.Provider, autoFinish, scan("s2", true, 90, "APPROVED", "Grace"))
	w.outcome(repeat, event.Repeat)
	w.outcome(w.receive(&idenfy.Provider, autoFinish, `{"clientId":"client-9"}`), event.Unhandled)
	w.dead(w.receive(&idenfy.Provider, autoFinish, `{}`), "lifecycle-idenfy")
	w.dead(repeat, ownConsumers+"webhooks")
	w.receive(&idenfy.Provider, autoFinish, scan("s3", true, 60, "APPROVED", "Ada"))
	w.hold(&treezor.Provider, liveness, live("f2", 1, "7", "Ada"))
	w.publishJSON(event.RejectedSubject("kycaid", string(event.CauseBadSignature)), event.Rejection{
		Provider: "kycaid", Cause: event.CauseBadSignature, ReceivedAt: w.now, BodyBytes: 17,
	})
	return w
}

// outcome tells how a delivery ended that left no event, as the lifecycle does.
func (w *world) outcome(d received, name event.OutcomeName) {
	w.t.Helper()
	w.publishJSON(event.OutcomeSubject(d.provider.Name, string(name)), event.Outcome{
		Delivery: d.id, Sequence: d.seq, Provider: d.provider.Name, Event: d.event, Outcome: name, At: d.at,
		Anomalies: []string{}, Verifications: []string{},
	})
}

// dead gives a delivery up, as a consumer does.
func (w *world) dead(d received, consumer string) {
	w.t.Helper()
	w.publishJSON("kyc.dead."+consumer, bus.DeadLetter{
		Consumer: consumer, Stream: bus.Webhooks, Sequence: d.seq, Subject: event.WebhookSubject(d.provider.Name, d.event),
		EventID: d.id, Provider: d.provider.Name, Cause: provider.CauseMissingReference, Error: "scanRef", Attempts: 1,
		FirstErrorAt: d.at, LastErrorAt: d.at,
	})
}

// tables is everything that the read model tells.
type tables struct {
	Verifications []store.VerificationRow
	Events        []store.EventRow
	Deliveries    []store.Delivery
	Claims        map[string]personal
	Stats         store.Stats
}

// personal is a row of claims with what is sealed in it.
type personal struct {
	Signal  verification.Signal
	Through uint64
	Claims  *provider.Claims
}

// all is more than these tests ever write.
const all = 1000

// read reads the whole read model.
func read(t rapid.TB, p *projector) tables {
	t.Helper()
	ctx := context.Background()
	content := tables{Claims: map[string]personal{}}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, sandbox := range []bool{false, true} {
		page, err := p.model.Verifications(ctx, store.VerificationFilter{Sandbox: sandbox, Limit: all})
		must(err)
		content.Verifications = append(content.Verifications, page.Rows...)
		for _, row := range page.Rows {
			events, err := p.model.Events(ctx, row.Data.ID, sandbox)
			must(err)
			content.Events = append(content.Events, events...)
			sealed, err := p.model.Claims(ctx, row.Data.ID, sandbox)
			if !errors.Is(err, store.ErrNotFound) {
				must(err)
			}
			found := personal{Signal: sealed.Signal, Through: sealed.AnonymizedThrough}
			if len(sealed.Sealed) > 0 {
				found.Claims, err = claims.Open(p.keys, row.Data.ID, sandbox, sealed.Key, sealed.Sealed)
				must(err)
			}
			content.Claims[row.Data.ID] = found
		}
	}
	page, err := p.model.Deliveries(ctx, store.DeliveryFilter{Limit: all})
	must(err)
	content.Deliveries = page.Rows
	content.Stats, err = p.model.Stats(ctx)
	must(err)
	return content
}

// However the messages come, how often, and wherever the process dies between a commit and its ack: the tables are the same.
func TestAnyOrderGivesTheSameTables(t *testing.T) {
	w := everything(t)
	inOrder := w.projector(t)
	w.project(inOrder)
	want := read(t, inOrder)
	for _, c := range want.Claims {
		if c.Claims == nil && c.Signal.ID != "" {
			t.Error("a signal without claims keeps a place among the claims")
		}
	}

	messages := w.messages(inOrder)
	rapid.Check(t, func(rt *rapid.T) {
		p := w.projector(t)
		steps := bind(p, messages)
		steps = append(steps, rapid.SliceOfN(rapid.SampledFrom(steps), 0, len(steps)).Draw(rt, "again")...)
		steps = rapid.Permutation(steps).Draw(rt, "order")
		for len(steps) > 0 {
			next := steps[0]
			steps = steps[1:]
			if next.Stream == bus.Verifications && rapid.IntRange(0, 3).Draw(rt, "crash") == 0 {
				// The process dies after the first commit: the message comes again, some time.
				half(rt, p, next)
				steps = slices.Insert(steps, rapid.IntRange(0, len(steps)).Draw(rt, "redelivery"), next)
				continue
			}
			if err := next.handle(context.Background(), next.Stored); err != nil {
				rt.Fatalf("%s %d: %v", next.Stream, next.Seq, err)
			}
		}
		if diff := cmp.Diff(want, read(rt, p)); diff != "" {
			rt.Errorf("tables (-in order +now):\n%s", diff)
		}
	})
}

// half does what is done of an event before the process dies.
func half(t rapid.TB, p *projector, s step) {
	t.Helper()
	envelope, err := event.Decode(s.Header, s.Data)
	if err != nil {
		t.Fatal(err)
	}
	data, published, err := event.VerificationOf(envelope)
	if err != nil {
		t.Fatal(err)
	}
	row := store.EventRow{Sequence: s.Seq, Published: published, StoredAt: s.Time, Data: data}
	if err := p.model.PutEvent(context.Background(), row); err != nil {
		t.Fatal(err)
	}
}
