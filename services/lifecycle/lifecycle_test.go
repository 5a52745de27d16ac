package lifecycle

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// noon is when what the tests tell of happened, unless they say otherwise.
var noon = time.Now().UTC().Truncate(time.Hour)

func TestEveryDeliveryHasOneOutcome(t *testing.T) {
	h := newHarness(t)
	started := body{Ref: "a", Says: "started", At: noon}
	h.post("check", started)
	h.post("check", body{Ref: "a", Says: "yes", At: noon.Add(time.Minute)})
	repeat := h.post("check", started)
	h.post("check", body{Ref: "a", Says: "started", At: noon, Note: "said again in other words"})
	unhandled := h.post(provider.EventOther, body{Ref: "a", Says: "yes"})
	undecodable := h.post("check", []byte("not JSON"))
	unknownRow := h.post("check", body{Ref: "a", Says: "nothing that the table has"})
	expired := h.postAt("check", body{Ref: "b", Says: "yes", At: noon}, time.Now().Add(-3*time.Hour))
	if _, err := h.keys.DestroyExpired("acme", retention, time.Now()); err != nil {
		t.Fatal(err)
	}
	h.settle()

	var names []string
	for _, e := range h.events(bus.Verifications) {
		names = append(names, e.name)
	}
	// Deliveries are handled side by side, so the status may be learnt in either order.
	if len(names) != 3 || names[2] != verification.Noted && names[1] != verification.Noted {
		t.Errorf("events: %v", names)
	}
	got := map[uint64]event.OutcomeName{}
	for _, o := range h.outcomes() {
		got[o.Sequence] = o.Outcome
	}
	// Of two copies the one that was handled second is the repeat.
	if first, ok := got[1]; ok {
		got[repeat] = first
		delete(got, 1)
	}
	want := map[uint64]event.OutcomeName{repeat: event.Repeat, unhandled: event.Unhandled, expired: event.ExpiredUnprocessed}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	causes := map[uint64]string{}
	for _, l := range h.dead() {
		causes[l.Sequence] = l.Cause
	}
	if diff := cmp.Diff(map[uint64]string{undecodable: provider.CauseInvalidJSON, unknownRow: causeUnknownRow}, causes); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
}

func TestEventTellsTheState(t *testing.T) {
	h := newHarness(t)
	h.post("check", body{Ref: "a b", Says: "yes", At: noon, Applicant: "someone@example.com"})
	h.settle()
	events := h.events(bus.Verifications)
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	e := events[0]
	if e.Applicant == nil || *e.Applicant != h.keys.Pseudonym("someone@example.com") {
		t.Errorf("applicant: %v", e.Applicant)
	}
	want := event.Verification{
		ID: "acme/check/a%20b", Provider: "acme", Kind: "check", Scope: verification.Case, Reference: "a%20b",
		Status: verification.Approved, Final: true, Reasons: []verification.Reason{}, Attempt: 1, Version: 1,
		Decision:  &event.Decision{Status: verification.Approved, Attempt: 1, At: noon},
		Anomalies: []string{}, OccurredAt: noon, CausationSequence: 1,
	}
	ignore := cmpopts.IgnoreFields(event.Verification{}, "Applicant", "ReceivedAt", "CausationID", "Signal")
	if diff := cmp.Diff(want, e.Verification, ignore); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

func TestSeveralElementsAreAppliedTogether(t *testing.T) {
	h := newHarness(t)
	h.post("check", body{Ref: "a", Says: "yes", At: noon, More: []body{{Ref: "b", Says: "no", At: noon}, {Ref: "a", Says: "started", At: noon}}})
	dead := h.post("check", body{Ref: "c", Says: "yes", At: noon, More: []body{{Says: "no"}}})
	h.settle()
	status := map[string]verification.Status{}
	for _, e := range h.events(bus.Verifications) {
		status[e.ID] = e.Status
	}
	want := map[string]verification.Status{"acme/check/a": verification.Approved, "acme/check/b": verification.Rejected}
	if diff := cmp.Diff(want, status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	letters := h.dead()
	if len(letters) != 1 || letters[0].Sequence != dead || letters[0].Cause != provider.CauseMissingReference {
		t.Errorf("dead letters: %+v", letters)
	}
}

func TestSandboxStaysApart(t *testing.T) {
	h := newHarness(t)
	h.post("check", body{Ref: "a", Says: "yes", At: noon, Sandbox: true})
	h.post("check", body{Ref: "a", Says: "no", At: noon})
	h.settle()
	production, sandbox := h.events(bus.Verifications), h.events(bus.Sandbox)
	if len(production) != 1 || production[0].Status != verification.Rejected {
		t.Errorf("production: %+v", production)
	}
	if len(sandbox) != 1 || sandbox[0].Status != verification.Approved {
		t.Errorf("sandbox: %+v", sandbox)
	}
}

func TestPayloadBelongsToWhereItWasSeenFirst(t *testing.T) {
	h := newHarness(t)
	h.post("check", body{Ref: "victim", Says: "no", At: noon, Signed: "own"})
	h.post("check", body{Ref: "friend", Says: "yes", At: noon, Signed: "captured"})
	h.settle()
	reused := h.post("check", body{Ref: "victim", Says: "yes", At: noon.Add(time.Minute), Signed: "captured"})
	h.settle()
	for _, e := range h.events(bus.Verifications) {
		if e.ID == "acme/check/victim" && e.Status != verification.Rejected {
			t.Errorf("victim became %s", e.Status)
		}
	}
	outcomes := h.outcomes()
	if len(outcomes) != 1 || outcomes[0].Sequence != reused || outcomes[0].Outcome != event.Repeat ||
		!cmp.Equal(outcomes[0].Anomalies, []string{verification.AnomalyPayloadReused}) {
		t.Errorf("outcomes: %+v", outcomes)
	}
}

func TestTooManySignalsAreDead(t *testing.T) {
	h := newHarness(t)
	more := make([]body, verification.MaxSignals)
	for i := range more {
		more[i] = body{Ref: "a", Says: "started", At: noon}
	}
	seq := h.post("check", body{Ref: "a", Says: "yes", At: noon, More: more})
	h.settle()
	letters := h.dead()
	if len(letters) != 1 || letters[0].Sequence != seq || letters[0].Cause != causeTooManySignals {
		t.Errorf("dead letters: %+v", letters)
	}
	if events := h.events(bus.Verifications); len(events) != 0 {
		t.Errorf("%d events of a delivery that is dead", len(events))
	}
}

// TestFullVerificationsKeepNobodyOut has a delivery bring signals of two that cannot take them
// all, and of two others. What is known of those already is no outcome beside the dead letter.
func TestFullVerificationsKeepNobodyOut(t *testing.T) {
	h := newHarness(t)
	says := body{Ref: "b", Says: "yes", At: noon}
	for _, full := range []string{"a", "c"} {
		for range verification.MaxSignals + 1 {
			says.More = append(says.More, body{Ref: full, Says: "started", At: noon})
		}
	}
	says.More = append(says.More, body{Ref: "d", Says: "no", At: noon})
	for range 2 {
		seq := h.post("check", says)
		h.settle()
		letters := h.dead()
		last := letters[len(letters)-1]
		if last.Sequence != seq || last.Cause != causeTooManySignals || last.Attempts != 1 ||
			!strings.Contains(last.Error, "acme/check/a, acme/check/c:") {
			t.Errorf("dead letter: %+v", last)
		}
	}
	status := map[string]verification.Status{}
	events := h.events(bus.Verifications)
	for _, e := range events {
		status[e.ID] = e.Status
	}
	want := map[string]verification.Status{"acme/check/b": verification.Approved, "acme/check/d": verification.Rejected}
	if diff := cmp.Diff(want, status); diff != "" || len(events) != len(want) {
		t.Errorf("%d events, status (-want +got):\n%s", len(events), diff)
	}
	if outcomes := h.outcomes(); len(outcomes) != 0 || len(h.dead()) != 2 {
		t.Errorf("outcomes %+v, %d dead letters", outcomes, len(h.dead()))
	}
}

func TestDeadlinePassesOnce(t *testing.T) {
	h := newHarness(t)
	h.post("check", body{Ref: "a", Kind: "timed", Says: "review", At: noon.Add(-time.Hour)})
	h.settle()
	stop := h.start()
	h.until("overdue", func() bool { return len(h.events(bus.Verifications)) == 2 })
	stop()
	h.post("check", body{Ref: "a", Kind: "timed", Says: "yes", At: noon})
	h.settle()
	events := h.events(bus.Verifications)
	var names []string
	for _, e := range events {
		names = append(names, e.name)
	}
	if diff := cmp.Diff([]string{"awaiting_review", "overdue", "approved"}, names); diff != "" {
		t.Fatalf("events (-want +got):\n%s", diff)
	}
	if !events[1].Overdue || events[2].Overdue || events[2].ReviewDueAt != nil {
		t.Errorf("overdue: %v then %v, due %v", events[1].Overdue, events[2].Overdue, events[2].ReviewDueAt)
	}
}

func TestDeadlineWaitsForWhatCameInTime(t *testing.T) {
	h := newHarness(t)
	due := time.Now().Add(100 * time.Millisecond)
	review := h.post("check", body{Ref: "a", Kind: "timed", Says: "review", At: due.Add(-time.Minute)})
	h.post("check", body{Ref: "a", Kind: "timed", Says: "yes", At: due.Add(-time.Second)})
	h.stopped(func(w *worker) {
		h.commit(w, review)
		<-time.After(time.Until(due))
		if err := w.passDeadlines(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		err := w.state.Records(t.Context(), func(r *verification.Record) error {
			if r.State.Overdue {
				t.Error("a deadline has overtaken the decision that came in time")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// A webhook that waits in a receiver's spool came in time as well, however late the receiver gets it into the stream.
func TestDeadlineWaitsForTheSpools(t *testing.T) {
	h := newHarness(t)
	due := time.Now().Add(2 * time.Minute)
	h.post("check", body{Ref: "a", Kind: "timed", Says: "review", At: due.Add(-time.Minute)})
	h.settle()
	h.stopped(func(w *worker) {
		overdue := func(spool bus.SpoolHorizon) (found bool) {
			t.Helper()
			spool.Receiver = "r1"
			err := errors.Join(h.bus.TellHorizon(t.Context(), spool), w.passDeadlines(t.Context(), due.Add(time.Minute)))
			if err == nil {
				err = w.state.Records(t.Context(), func(r *verification.Record) error {
					found = found || r.State.Overdue
					return nil
				})
			}
			if err != nil {
				t.Fatal(err)
			}
			return found
		}
		if overdue(bus.SpoolHorizon{Until: due.Add(-time.Second)}) {
			t.Error("a deadline has overtaken what may wait in a spool")
		}
		if !overdue(bus.SpoolHorizon{Until: due.Add(-time.Second), Closed: true}) {
			t.Error("a spool that nothing was left in keeps the deadline waiting")
		}
	})
}

// What was spooled is in the stream only after the deadline, and behind what other receivers have
// put there meanwhile. It came in time all the same.
func TestDeadlineWaitsForWhatWasSpooled(t *testing.T) {
	h := newHarness(t)
	due := time.Now().Add(-2 * time.Minute)
	review := h.postAt("check", body{Ref: "a", Kind: "timed", Says: "review", At: due.Add(-time.Minute)}, due.Add(-time.Minute))
	h.stopped(func(w *worker) {
		h.commit(w, review)
		h.postAt("check", body{Ref: "a", Kind: "timed", Says: "yes", At: due.Add(-time.Second)}, due.Add(-time.Second))
		if err := h.bus.TellHorizon(t.Context(), bus.SpoolHorizon{Receiver: "r1", Until: time.Now()}); err != nil {
			t.Fatal(err)
		}
		if err := w.passDeadlines(t.Context(), time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		err := w.state.Records(t.Context(), func(r *verification.Record) error {
			if r.State.Overdue {
				t.Error("a deadline has overtaken the decision that was spooled in time")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestRetentionEndsOnce(t *testing.T) {
	h := newHarness(t)
	seq := h.postAt("check", body{Ref: "a", Says: "yes", At: noon.Add(-2 * time.Hour)}, time.Now().Add(-2*time.Hour))
	stop := h.start()
	defer stop()
	h.until("anonymized", func() bool { return len(h.events(bus.Verifications)) == 2 })
	e := h.events(bus.Verifications)[1]
	if e.name != verification.Anonymized || !e.DataAnonymized || e.AnonymizedThrough != seq {
		t.Errorf("%s: anonymized %v through %d", e.name, e.DataAnonymized, e.AnonymizedThrough)
	}
}

func TestReasonsAreBounded(t *testing.T) {
	h := newHarness(t)
	h.post("check", body{Ref: "a", Says: "no", At: noon, Reasons: 100_000})
	h.settle()
	events := h.events(bus.Verifications)
	if len(events) != 1 || len(events[0].Reasons) != MaxReasons {
		t.Fatalf("%d events; dead letters: %+v", len(events), h.dead())
	}
}

func TestEventGoesOnWithTheTraceOfItsDelivery(t *testing.T) {
	h := newHarness(t)
	h.post("check", body{Ref: "a", Says: "yes", At: noon})
	h.settle()
	h.read(bus.Verifications, func(m bus.Stored) {
		envelope, err := event.Decode(m.Header, m.Data)
		if err != nil {
			t.Fatal(err)
		}
		if got := event.Traceparent(envelope); got != begun {
			t.Errorf("the event began in %q, want %q", got, begun)
		}
		if hop := m.Header["traceparent"]; len(hop) != 1 || !strings.Contains(hop[0], trace) {
			t.Errorf("the hop %q is not of trace %s", hop, trace)
		}
	})
}
