package pkg_test

import (
	"strings"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

const sampleTrace = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"

var sampleTime = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

// sampleKind is a kind with which every property of an event can be filled.
var sampleKind = &verification.Kind{
	Provider: "acme", Name: "check", Scope: verification.Case, Deadline: time.Hour,
	Order: []verification.OrderField{verification.BySecond, verification.ByPhase},
	Table: []verification.Row{
		{Says: "review", Status: verification.AwaitingReview, Phase: verification.PhaseReview, OpensAfter: []verification.Status{verification.Approved}},
		{Says: "no", Status: verification.Rejected, Phase: verification.PhaseDecision, By: verification.ByAutomation},
		{Says: "yes", Status: verification.Approved, Phase: verification.PhaseHumanDecision, By: verification.ByHuman},
	},
}

// sampleEvents are the events of one verification through its whole life: reviewed, rejected,
// approved instead, tried again, overdue, anonymised, the approval's payload disowned, the rejection
// read once more.
func sampleEvents(t *testing.T) []event.Verification {
	t.Helper()
	start := int64(1)
	id := verification.NewID("acme", "check", "réf 1")
	record := verification.Record{ID: id}
	var events []event.Verification
	apply := func(s verification.Signal) {
		t.Helper()
		if s.Delivery != "" {
			if err := sampleKind.Fill(&s); err != nil {
				t.Fatal(err)
			}
		}
		change, err := sampleKind.Apply(&record, s)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, event.NewVerification(id, sampleKind.Scope, *change))
	}
	for i, says := range []string{"review", "no", "yes", "review", verification.SaysNothing, verification.SaysUnknown} {
		s := verification.Signal{ID: "signal#" + says, Says: says, Event: "check_done", Decoder: 1}
		if i == 3 {
			s = fullSignal(start)
		}
		s.Received(uint64(i+1), sampleTime.Add(time.Duration(i)*time.Minute), "acme:d1:0123456789abcdef")
		apply(s)
	}
	apply(verification.NewOverdue(*record.State.ReviewDueAt, sampleTime.Add(2*time.Hour), true))
	apply(verification.NewAnonymized(6, sampleTime.Add(3*time.Hour), false))
	disowned := sampleKind.Disown(&record, "signal#yes", true, verification.Cause{ID: "acme:d2:0123456789abcdef", Seq: 7})
	events = append(events, event.NewVerification(id, sampleKind.Scope, *disowned))
	return append(events, reread(t, id, &record))
}

// reread is the event of a copy that a newer decoder takes for something else.
func reread(t *testing.T, id verification.ID, record *verification.Record) event.Verification {
	t.Helper()
	s := verification.Signal{ID: "signal#no", Says: "yes", Event: "check_done", Decoder: 2}
	s.Received(8, sampleTime.Add(4*time.Hour), "acme:d3:0123456789abcdef")
	if err := sampleKind.Fill(&s); err != nil {
		t.Fatal(err)
	}
	said := verification.Said{Readings: []verification.Reading{{Signal: s, Cause: verification.Cause{ID: s.Delivery, Seq: s.Seq}}}}
	result, err := sampleKind.Reread(record, said)
	if err != nil || len(result.Changes) != 1 {
		t.Fatalf("%d changes: %v", len(result.Changes), err)
	}
	return event.NewVerification(id, sampleKind.Scope, result.Changes[0])
}

// fullSignal has every property that a signal of a delivery can have.
func fullSignal(start int64) verification.Signal {
	return verification.Signal{
		ID: "signal#full", Says: "review", Event: "check_done", Decoder: 2, Rank: 1,
		At: sampleTime.Add(time.Hour), Preliminary: verification.Approved, Attempt: &verification.AttemptKey{Start: &start},
		Reasons:   []verification.Reason{{Code: "DOC_EXPIRED", Category: verification.CategoryDocument, Source: "denyReasons"}},
		Applicant: "a1", ExternalReference: "x1", PreviousReference: "p1", Sandbox: true, Anonymized: true,
		Anomalies: []string{verification.AnomalyEventMismatch}, Unknown: []string{"status.overall"},
	}
}

// instances are values as they are published, by the schema that describes them.
func instances(t *testing.T) map[string][]any {
	t.Helper()
	all := map[string][]any{
		"outcome.json": {event.Outcome{
			Delivery: "acme:0123456789abcdef", Sequence: 7, Provider: "acme", Event: "check_done", Outcome: event.Repeat,
			Anomalies: []string{verification.AnomalyPayloadReused}, Verifications: []string{"acme/check/r1"}, At: sampleTime,
		}, event.Outcome{
			Delivery: "acme:0123456789abcdef", Sequence: 3, Provider: "acme", Event: "check_done", Outcome: event.Dead,
			Anomalies: []string{}, Verifications: []string{}, At: sampleTime,
			Stream: bus.Held, Cause: "discarded", ReceivedAt: &sampleTime, Traceparent: sampleTrace,
		}},
		"rejection.json": {
			event.Rejection{Provider: "acme", Cause: event.CauseTooLarge, ReceivedAt: sampleTime, BodyBytes: 1},
			event.Rejection{Provider: "acme", Cause: event.CauseBadSignature, ReceivedAt: sampleTime, BodySHA256: strings.Repeat("0a", 32)},
		},
		"problem.json": {event.Problem{
			Type: "https://schemas.verdict.example/problems/too_large", Title: "Body is too large", Status: 413,
			Detail: "Send less.", Cause: event.CauseTooLarge,
		}},
		"dead-letter.json": {bus.DeadLetter{
			Consumer: "lifecycle-acme", Stream: bus.Webhooks, Sequence: 7, Subject: event.WebhookSubject("acme", "check_done"),
			EventID: "acme:0123456789abcdef", Provider: "acme",
			Cause: "invalid_json", Error: "body is not JSON", Attempts: 1, FirstErrorAt: sampleTime, LastErrorAt: sampleTime,
			Redrives: 1, Replaces: 2,
		}},
		"redrive-request.json": {
			bus.RedriveRequest{Consumer: "lifecycle-acme", Stream: bus.Webhooks, Sequence: 7, Letter: 1, Actor: "anna@host", Via: "cli"},
			bus.RedriveRequest{Consumer: "lifecycle-acme", Stream: bus.Webhooks, Sequence: 7, Outcome: 1, Actor: "token", Via: "api"},
		},
		"spool-horizon.json": {bus.SpoolHorizon{Receiver: "r1", Until: sampleTime}, bus.SpoolHorizon{Receiver: "r1", Until: sampleTime, Closed: true}},
		"audit-entry.json": {
			bus.AuditEntry{At: sampleTime, Verb: "replay", Actor: "anna@host", Via: "cli", Target: "replay late", Filter: "provider=acme", Count: 7, Note: "started"},
			bus.AuditEntry{At: sampleTime, Verb: "rebuild", Actor: "token", Via: "api", Target: "readmodel"},
		},
	}
	for _, v := range sampleEvents(t) {
		all["verification.json"] = append(all["verification.json"], v)
		for _, status := range verification.EventStatuses() {
			all["verification-envelope.json"] = append(all["verification-envelope.json"], must(v.Envelope("test", status, sampleTrace))(t))
			replayed := must(v.Envelope("test", status, sampleTrace))(t)
			replayed.SetExtension(event.Replay, "late-team")
			all["verification-envelope.json"] = append(all["verification-envelope.json"], replayed)
		}
	}
	for _, delivery := range []string{"", "d-1"} {
		w := event.Webhook{
			ID: event.WebhookID("acme", delivery, []byte("signed")), Provider: "acme", Event: "check_done", Instance: "test",
			ReceivedAt: sampleTime, SealKey: "acme/2026-03-01T12-5f0c81d2", Sealed: []byte("sealed"), Traceparent: sampleTrace,
		}
		all["webhook-envelope.json"] = append(all["webhook-envelope.json"], must(w.Envelope())(t))
	}
	return all
}

// must returns a value, and ends the test where there is an error instead.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
