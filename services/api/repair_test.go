package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/bus/bustest"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/held"
	"github.com/verdict-stream/verdict/pkg/runs"
)

// fillBroker gives the API a broker with dead letters, held deliveries and a run.
func (s *seeded) fillBroker() {
	t := s.t
	t.Helper()
	b := bustest.Open(t, bustest.Settings(time.Hour))
	s.config.Bus, s.config.Retention = b, func(string) time.Duration { return time.Hour }
	for i := range 3 {
		id := fmt.Sprintf("idenfy:%d", i)
		ack, err := b.Publish(t.Context(), bus.Message{Subject: event.WebhookSubject("idenfy", "done"), Header: map[string][]string{"ce-id": {id}}, Data: []byte("x")})
		check(t, err)
		check(t, b.Bury(t.Context(), bus.DeadLetter{
			Consumer: "lifecycle-idenfy", Stream: bus.Webhooks, Sequence: ack.Seq, Subject: event.WebhookSubject("idenfy", "done"), EventID: id, Provider: "idenfy",
			Cause: "undecodable", Error: "unexpected end", Attempts: 1, FirstErrorAt: start, LastErrorAt: start,
		}))
	}
	check(t, b.Bury(t.Context(), bus.DeadLetter{
		Consumer: "receiver", Stream: bus.Spool, Sequence: 4, Subject: event.WebhookSubject("idenfy", "done"), Provider: "idenfy", Cause: "unpublishable",
		FirstErrorAt: start, LastErrorAt: start,
	}))
	for i := range 4 {
		s.hold(fmt.Sprintf("treezor:%d", i), "kycreview_result", time.Now())
	}
	s.hold("treezor:late", "kycreview_request", time.Now().Add(-2*time.Hour))
	_, err := runs.Open(b).Create(t.Context(), runs.Run{Verb: repairVerb, Name: "one", Spec: json.RawMessage(`{"action":"redrive"}`), Actor: caller})
	check(t, err)
	_, err = runs.Open(b).Create(t.Context(), runs.Run{Verb: heldVerb, Name: "two", Spec: json.RawMessage(`{"decision":"release","selection":{"event":"x"}}`), Actor: caller})
	check(t, err)
	s.fillReplays()
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hold puts a delivery aside as the receiver does.
func (s *seeded) hold(id, name string, received time.Time) {
	s.t.Helper()
	key, sealed, err := s.keys.Seal("treezor", received, id, []byte(`{"secret":"of a stranger"}`))
	check(s.t, err)
	w := event.Webhook{ID: id, Provider: "treezor", Event: name, Instance: "test", ReceivedAt: received, SealKey: key, Sealed: sealed}
	header, data, err := w.Encode()
	check(s.t, err)
	_, err = s.config.Bus.Publish(s.t.Context(), bus.Message{Subject: event.HeldSubject("treezor"), Header: header, Data: data})
	check(s.t, err)
}

// asked sends a request with the token, by POST where there is a body.
func (s *seeded) asked(target, body string) *httptest.ResponseRecorder {
	s.t.Helper()
	if body == "" {
		return s.ask(http.MethodGet, target)
	}
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	return s.send(r)
}

// answered is what a request is answered with, which must be 200.
func answeredAs[T any](s *seeded, target, body string) (answer T) {
	s.t.Helper()
	w := s.asked(target, body)
	if w.Code != http.StatusOK {
		s.t.Fatalf("%s %s: %d %s", target, body, w.Code, w.Body)
	}
	check(s.t, json.Unmarshal([]byte(plain(s.t, w)), &answer))
	return answer
}

// entries are what the audit says, as "verb target actor via".
func (s *seeded) entries() (list []string) {
	s.t.Helper()
	_, err := s.config.Bus.Read(s.t.Context(), bus.Audits, "kyc.audit.>", 0, func(m bus.Stored) error {
		var e bus.AuditEntry
		list = append(list, "")
		err := json.Unmarshal(m.Data, &e)
		list[len(list)-1] = fmt.Sprintf("%s, %s, %d, %s, %s, %s", e.Verb, e.Target, e.Count, e.Actor, e.Via, e.Note)
		return err
	})
	check(s.t, err)
	return list
}

func TestDeadLettersAreListedByPage(t *testing.T) {
	s := newSeeded(t)
	s.fillBroker()
	page := answeredAs[DeadLetterPage](s, "/v1/dead?limit=3&provider=idenfy", "")
	if len(page.Data) != 3 || page.Meta.NextCursor == nil || *page.Data[0].Delivery != "idenfy:0" || page.Data[0].Obstacle != nil {
		t.Fatalf("%+v", page)
	}
	page = answeredAs[DeadLetterPage](s, "/v1/dead?limit=3&provider=idenfy&cursor="+*page.Meta.NextCursor, "")
	if len(page.Data) != 1 || page.Meta.NextCursor != nil || page.Data[0].Obstacle == nil || page.Data[0].Delivery != nil {
		t.Errorf("%+v", page)
	}
	if page := answeredAs[DeadLetterPage](s, "/v1/dead?cause=unpublishable", ""); len(page.Data) != 1 {
		t.Errorf("%+v", page)
	}
	if w := s.ask(http.MethodGet, "/v1/dead/one"); w.Code != http.StatusNotFound {
		t.Errorf("%d", w.Code)
	}
}

// What is asked for without saying that it is meant changes nothing; then a worker does it.
func TestRedriveAndDiscard(t *testing.T) {
	s := newSeeded(t)
	s.fillBroker()
	planned := answeredAs[RepairAnswer](s, "/v1/dead/redrive", `{"provider":"idenfy"}`).Data
	if !planned.DryRun || planned.Matched != 4 || planned.Redrivable != 3 || len(planned.Obstacles) != 1 || planned.Run != nil {
		t.Errorf("%+v", planned)
	}
	if list := s.entries(); len(list) > 0 {
		t.Errorf("planning was audited: %v", list)
	}
	for body, status := range map[string]int{
		`{}`: 400, `{"all":true,"cause":"undecodable"}`: 400, `{"misspelt":1}`: 400, `[]`: 400, `{"all":true}{}`: 400, `{"all":1}`: 400,
		`{"cause":"nobodys"}`: 404, `{"letter":9}`: 404, `{"cause":"unpublishable","dry_run":false}`: 409, `{"rate":-1,"all":true}`: 400, `{"rate":0,"all":true}`: 400,
	} {
		if w := s.asked("/v1/dead/redrive", body); w.Code != status {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/dead/redrive", strings.NewReader(`{"all":true,"dry_run":false}`))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "text/plain")
	if w := s.send(r); w.Code != http.StatusBadRequest {
		t.Errorf("a body that any page can send: %d", w.Code)
	}

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{}, 2)
	go func() {
		repair(ctx, s.config.Bus)
		ended <- struct{}{}
	}()
	go func() {
		err := s.config.Bus.Run(ctx, bus.Consumer{
			Name: "lifecycle-idenfy", Stream: bus.Webhooks, Filter: event.WebhookFilter("idenfy"), Handle: func(context.Context, bus.Stored) error { return nil },
		})
		if err != nil {
			t.Error(err)
		}
		ended <- struct{}{}
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		<-ended
	})
	if w := s.asked("/v1/dead/discard", `{"all":true}`); w.Code != http.StatusBadRequest {
		t.Errorf("without a reason: %d", w.Code)
	}
	s.mustEnd("/v1/dead/runs", answeredAs[RepairAnswer](s, "/v1/dead/redrive", `{"cause":"undecodable","dry_run":false}`).Data.Run, 3)
	s.eventually("the letters are closed", func() bool { return len(answeredAs[DeadLetterPage](s, "/v1/dead", "").Data) == 1 })
	s.mustEnd("/v1/dead/runs", answeredAs[RepairAnswer](s, "/v1/dead/discard", `{"all":true,"reason":"a test","dry_run":false}`).Data.Run, 1)
	if left := answeredAs[DeadLetterPage](s, "/v1/dead", "").Data; len(left) > 0 {
		t.Errorf("%+v", left)
	}
	want := []string{"dead-redrive, dead letters, 3, admin, api, ", "dead-discard, dead letters, 1, admin, api, a test"}
	if diff := cmp.Diff(want, s.entries()); diff != "" {
		t.Errorf("audited (-want +got)\n%s", diff)
	}
}

// mustEnd waits until the run of an answer is done.
func (s *seeded) mustEnd(list string, run *string, done int) {
	s.t.Helper()
	s.eventually("the run is done", func() bool {
		for _, r := range answeredAs[RepairRuns](s, list, "").Data {
			if r.Name == *run && r.State == "failed" {
				s.t.Fatalf("%+v", r)
			}
			if r.Name == *run && r.State == "done" {
				if r.Done != done || r.EndedAt == nil {
					s.t.Errorf("%+v", r)
				}
				return true
			}
		}
		return false
	})
}

func (s *seeded) eventually(what string, holds func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("not within 30 s: %s", what)
		}
	}
}

func TestHeldDeliveries(t *testing.T) {
	s := newSeeded(t)
	s.fillBroker()
	if page := answeredAs[HeldPage](s, "/v1/held?limit=1", ""); len(page.Data) != 1 || page.Data[0].Body != nil || page.Meta.NextCursor == nil {
		t.Errorf("%+v", page)
	}
	if one := answeredAs[HeldAnswer](s, "/v1/held/1", "").Data; one.Body != nil || one.Handshake == nil || *one.Handshake {
		t.Errorf("%+v", one)
	}
	if one := answeredAs[HeldAnswer](s, "/v1/held/1?reveal=true", "").Data; one.Body == nil || *one.Body != `{"secret":"of a stranger"}` {
		t.Errorf("%+v", one)
	}
	s.config.Keys = nil
	if w := s.ask(http.MethodGet, "/v1/held/1?reveal=true"); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "stranger") {
		t.Errorf("without keys: %d", w.Code)
	}
	for _, step := range []struct {
		target, body string
		status       int
	}{
		{"/v1/held/2/release", "{}", 200},
		{"/v1/held/2/release", "{}", 404},
		{"/v1/held/2/discard", `{"reason":"a test"}`, 404},
		{"/v1/held/3/discard", `{}`, 400},
		{"/v1/held/3/discard", `{"reason":"a test"}`, 200},
		{"/v1/held/nothing/release", "{}", 404},
	} {
		if w := s.asked(step.target, step.body); w.Code != step.status {
			t.Errorf("%s %s: %d %s", step.target, step.body, w.Code, w.Body)
		}
	}
	if page := answeredAs[HeldPage](s, "/v1/held", ""); len(page.Data) != 3 {
		t.Errorf("%+v", page)
	}
	released, err := s.config.Bus.Get(t.Context(), bus.Webhooks, 4)
	check(t, err)
	if released.Subject != event.WebhookSubject("treezor", "kycreview_result") || bytes.Contains(released.Data, []byte("stranger")) {
		t.Errorf("%s", released.Subject)
	}
	want := []string{
		"held-reveal, held delivery treezor:0, 1, admin, api, ", "held-release, held delivery treezor:1, 1, admin, api, ",
		"held-discard, held delivery treezor:2, 1, admin, api, a test",
	}
	if diff := cmp.Diff(want, s.entries()); diff != "" {
		t.Errorf("audited (-want +got)\n%s", diff)
	}
}

// Held deliveries that a filter chooses are counted, and decided about behind the answer; what is asked for is in the audit, once.
func TestHeldByFilter(t *testing.T) {
	s := newSeeded(t)
	s.fillBroker()
	if page := answeredAs[HeldPage](s, "/v1/held?event=kycreview_request", ""); len(page.Data) != 1 || page.Data[0].Held != 5 {
		t.Errorf("%+v", page)
	}
	planned := answeredAs[HeldOrderAnswer](s, "/v1/held/release", `{"provider":"treezor"}`).Data
	if !planned.DryRun || planned.Matched != 5 || planned.Releasable != 4 || planned.Run != nil || len(planned.Events) != 2 ||
		planned.Events[1] != (NamedCount{"treezor kycreview_result", 4}) || len(planned.Obstacles) != 1 || planned.Obstacles[0].Count != 1 {
		t.Errorf("%+v", planned)
	}
	for body, status := range map[string]int{
		`{}`: 400, `{"all":true,"provider":"treezor"}`: 400, `{"misspelt":1}`: 400, `{"rate":-1,"all":true}`: 400, `{"rate":0,"all":true}`: 400, `{"provider":"idenfy"}`: 404,
		`{"since":"2026-03-01T00:00:00Z","until":"2026-03-01T00:00:00Z"}`: 400, `{"until":"2026-03-01T00:00:00Z"}`: 404, `{"event":"kycreview_request","dry_run":false}`: 409,
	} {
		if w := s.asked("/v1/held/release", body); w.Code != status {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	if w := s.asked("/v1/held/discard", `{"all":true,"dry_run":false}`); w.Code != http.StatusBadRequest {
		t.Errorf("without a reason: %d", w.Code)
	}
	if list := s.entries(); len(list) > 0 {
		t.Errorf("nothing was done, and audited: %v", list)
	}
	answeredAs[RepairRunAnswer](s, "/v1/held/runs/two/cancel", "{}")

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	desk := newHeldDesk(s.config)
	go func() {
		decide(ctx, &desk)
		close(ended)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	s.mustEnd("/v1/held/runs", answeredAs[HeldOrderAnswer](s, "/v1/held/release", `{"delivery":"treezor:2","rate":0.5,"dry_run":false}`).Data.Run, 1)
	s.mustEnd("/v1/held/runs", answeredAs[HeldOrderAnswer](s, "/v1/held/discard", `{"all":true,"reason":"a test","dry_run":false}`).Data.Run, 4)
	if left := answeredAs[HeldPage](s, "/v1/held", "").Data; len(left) > 0 {
		t.Errorf("%+v", left)
	}
	listed := answeredAs[RepairRuns](s, "/v1/held/runs", "").Data
	if len(listed) != 3 || listed[0].Filter != "event=x" || listed[0].State != "canceled" || listed[1].Action != "release" || listed[2].Filter != "all" {
		t.Errorf("%+v", listed)
	}
	if runs := answeredAs[RepairRuns](s, "/v1/dead/runs", "").Data; len(runs) != 1 {
		t.Errorf("%+v", runs)
	}
	want := []string{
		"held-cancel, run two, 0, admin, api, ", "held-release, held deliveries, 1, admin, api, ", "held-discard, held deliveries, 4, admin, api, a test",
	}
	if diff := cmp.Diff(want, s.entries()); diff != "" {
		t.Errorf("audited (-want +got)\n%s", diff)
	}
}

// A body that is corrupt, and a broker that is not known, are told for what they are.
func TestRepairProblems(t *testing.T) {
	if got := repairProblem(fmt.Errorf("held delivery 1: %w", held.ErrUnreadable)); got.Status != http.StatusConflict || got.Cause != CauseNotPossible {
		t.Errorf("%+v", got)
	}
	s := newSeeded(t)
	for target, body := range map[string]string{"/v1/dead": "", "/v1/held": "", "/v1/dead/runs": "", "/v1/held/runs": "", "/v1/held/release": `{"all":true}`, "/v1/dead/redrive": `{"all":true}`, "/v1/held/1/release": "{}"} {
		if w := s.asked(target, body); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "VERDICT_NATS_URL") {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}
