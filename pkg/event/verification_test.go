package event_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

var checkID = verification.NewID("acme", "check", "r:1")

// fullChange has a value in every field.
func fullChange() verification.Change {
	due := received.Add(time.Hour).UTC()
	start, finish := int64(1), int64(2)
	reasons := []verification.Reason{{Code: "DOC_EXPIRED", Category: verification.CategoryDocument, Source: "denyReasons"}}
	return verification.Change{
		Event: "awaiting_review", Version: 4, PreviousStatus: verification.Approved,
		State: verification.State{
			Status: verification.AwaitingReview, By: verification.ByHuman, Preliminary: verification.Rejected, Reasons: reasons,
			Attempt: 2, Supersedes: &verification.Superseded{Status: verification.Approved, Signal: "s0"},
			Decision:    &verification.Decision{Status: verification.Approved, Attempt: 1, By: verification.ByAutomation, At: received.UTC()},
			ReviewDueAt: &due, Overdue: true, Anomalies: []string{verification.AnomalyClockAhead}, DataAnonymized: true, AnonymizedThrough: 7,
			Applicant: "a1", ExternalReference: "x1", PreviousReference: "p1",
		},
		Signal: verification.Signal{
			ID: "s1", Seq: 8, At: received, ReceivedAt: received.Add(time.Second), Delivery: "acme:d1:0123456789abcdef", Event: "check_done",
			Says: "review", Status: verification.AwaitingReview, By: verification.ByHuman, Preliminary: verification.Rejected,
			Attempt: &verification.AttemptKey{Start: &start, Finish: &finish}, Rank: 1, Reasons: reasons,
			Applicant: "a1", ExternalReference: "x1", PreviousReference: "p1", Sandbox: true, Anonymized: true, Disowned: true,
			Anomalies: []string{verification.AnomalyClockAhead}, Unknown: []string{"status"}, Due: &due, Through: 7, Decoder: 2,
		},
		Cause: verification.Cause{ID: "acme:d2:0123456789abcdef", Seq: 9},
	}
}

// What the lifecycle learns from the stream is what it had announced.
func TestChangeSurvivesTheStream(t *testing.T) {
	for name, change := range map[string]verification.Change{
		"full": fullChange(),
		"least": {
			Event: "noted", Version: 1, State: verification.State{Status: verification.Processing, Attempt: 1},
			Signal: verification.Signal{ID: "s", At: received, ReceivedAt: received}, Cause: verification.Cause{ID: "s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := event.NewVerification(checkID, verification.Step, change)
			e, err := v.Envelope("test", change.Event, "")
			if err != nil {
				t.Fatal(err)
			}
			got, published, err := event.VerificationOf(overTheWire(t, e))
			if err != nil {
				t.Fatal(err)
			}
			read := got.Change(published)
			if !read.State.Equal(change.State) {
				t.Error("the state read does not equal the one written")
			}
			if diff := cmp.Diff(change, read, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("change differs (-written +read):\n%s", diff)
			}
			if got.ID != checkID.String() || got.Scope != verification.Step {
				t.Errorf("read as %s %s", got.Scope, got.ID)
			}
		})
	}
}

// TestFullChange keeps fullChange honest: a field that is added later must be filled.
func TestFullChange(t *testing.T) {
	text, err := json.Marshal(event.NewVerification(checkID, verification.Case, fullChange()))
	if err != nil {
		t.Fatal(err)
	}
	if empty := regexp.MustCompile(`"[a-z_]+":(null|""|\[\]|0|false)[,}]`).FindAllString(string(text), -1); !cmp.Equal(empty, []string{`"final":false,`}) {
		t.Errorf("without a value: %q", empty)
	}
}

// What is not known is null and a list without elements is empty: a reader need not tell
// absence from emptiness.
func TestVerificationNulls(t *testing.T) {
	text, err := json.Marshal(event.NewVerification(checkID, verification.Case, verification.Change{
		Version: 1, State: verification.State{
			Status: verification.Approved, Attempt: 1,
			Decision: &verification.Decision{Status: verification.Approved, Attempt: 1, At: received},
		},
	}))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"applicant", "external_reference", "previous_reference", "previous_status", "decided_by", "preliminary", "supersedes", "review_due_at",
	} {
		if value, there := got[name]; !there || value != nil {
			t.Errorf("%s is %v", name, value)
		}
	}
	for _, name := range []string{"reasons", "anomalies"} {
		if list, ok := got[name].([]any); !ok || len(list) != 0 {
			t.Errorf("%s is %v", name, got[name])
		}
	}
	if by, there := got["decision"].(map[string]any)["decided_by"]; !there || by != nil {
		t.Errorf("the decision was decided by %v", by)
	}
	if got["final"] != true {
		t.Errorf("approved has final %v", got["final"])
	}
}

func TestFinalFollowsTheStatus(t *testing.T) {
	final := map[verification.Status]bool{verification.Pending: false, verification.Processing: false, verification.AwaitingReview: false}
	for _, status := range verification.Statuses {
		v := event.NewVerification(checkID, verification.Case, verification.Change{State: verification.State{Status: status}})
		_, open := final[status]
		if v.Final == open {
			t.Errorf("%s has final %t", status, v.Final)
		}
	}
}

// Whatever a provider sends in ids, references and codes, it stays inside of the data: every
// header is one of ours, and its value is visible ASCII.
func TestNothingIsInjected(t *testing.T) {
	ours := map[string]bool{
		"Nats-Msg-Id": true, "ce-specversion": true, "ce-id": true, "ce-source": true, "ce-type": true, "ce-subject": true, "ce-time": true,
		"ce-dataschema": true, "ce-datacontenttype": true, "content-type": true, "ce-causationid": true, "ce-traceparent": true,
	}
	visible := regexp.MustCompile(`^[!-~]+$`)
	for _, hostile := range []string{
		"a\r\nNats-Rollup: all", "*", ">", "a.b", "a b", "\x00", "\xFF", "é", `"}`, "../..", "%0D%0A", "a/b@7", strings.Repeat("é", 200),
	} {
		change := fullChange()
		change.State.Applicant, change.State.ExternalReference, change.State.PreviousReference = hostile, hostile, hostile
		change.State.Reasons = []verification.Reason{{Code: verification.Code(hostile), Source: hostile}}
		change.Signal.ID, change.Signal.Applicant, change.Cause.ID = hostile, hostile, hostile
		id := verification.NewID("acme", "check", hostile)
		v := event.NewVerification(id, verification.Case, change)
		e, err := v.Envelope("test", "pending", hostile)
		if err != nil {
			t.Fatalf("%q: %v", hostile, err)
		}
		header, _, err := event.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range header {
			if !ours[name] || len(values) != 1 || !visible.MatchString(values[0]) {
				t.Errorf("%q made the header %q with %q", hostile, name, values)
			}
		}
		if got, want := header["Nats-Msg-Id"][0], id.String()+"@4"; got != want || strings.Count(got, "@") != 1 || strings.Count(got, "/") != 2 {
			t.Errorf("%q made the id %q, want %q", hostile, got, want)
		}
		if read, _, err := event.VerificationOf(overTheWire(t, e)); err != nil || read.ID != id.String() {
			t.Errorf("%q: read as %q, %v", hostile, read.ID, err)
		}
	}
}
