package receiver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
)

// TestSamples posts every sample of every provider: it is accepted and stored whole, a second
// time it is a duplicate.
func TestSamples(t *testing.T) {
	b := startBroker(t)
	r := start(t, served(), b.site())
	for _, p := range providers() {
		for _, s := range samples(t, &p) {
			t.Run(p.Name+"/"+s.name, func(t *testing.T) {
				signed := sign(t, &p, s.event, s.body, testSecret)
				first := r.post(t, p.Name, signed)
				first.want(t, http.StatusOK, "accepted")
				if want := `{"id":"` + first.ID + `","status":"accepted"}`; first.text != want {
					t.Errorf("answer %s, want %s", first.text, want)
				}
				if !regexp.MustCompile(`^` + p.Name + `:([A-Za-z0-9._-]{1,128}:)?[0-9a-f]{16}$`).MatchString(first.ID) {
					t.Errorf("id %q", first.ID)
				}
				again := r.post(t, p.Name, signed)
				again.want(t, http.StatusOK, "duplicate")
				if again.ID != first.ID {
					t.Errorf("the second id is %q, the first %q", again.ID, first.ID)
				}
				all := b.messages(t, bus.Webhooks)
				last := all[len(all)-1]
				w, body := b.webhook(t, last)
				if !bytes.Equal(body, signed.Body) {
					t.Error("the stored body is not what was sent")
				}
				if bytes.Contains(last.Data, s.body[:min(len(s.body), 16)]) {
					t.Error("the body is not sealed")
				}
				got := []string{w.ID, w.Provider, w.Event, last.Subject}
				want := []string{first.ID, p.Name, provider.Token(s.event), event.WebhookSubject(p.Name, provider.Token(s.event))}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// TestRefusals holds every provider to what is refused, and to the records of it.
func TestRefusals(t *testing.T) {
	b := startBroker(t)
	r := start(t, served(), b.site())
	large := bytes.Repeat([]byte("a"), bodyLimit+1)
	want := map[string]int{}
	for _, p := range providers() {
		s := samples(t, &p)[0]
		signed := sign(t, &p, s.event, s.body, testSecret)
		foreign := sign(t, &p, s.event, s.body, wrongSecret)
		for _, c := range []struct {
			signed provider.Signed
			code   int
			cause  event.Cause
		}{
			{unsigned(signed), p.RefusedStatus, event.CauseMissingSignature},
			{foreign, p.RefusedStatus, event.CauseBadSignature},
			{provider.Signed{Header: signed.Header, Path: signed.Path, Body: large}, http.StatusRequestEntityTooLarge, event.CauseTooLarge},
		} {
			got := r.post(t, p.Name, c.signed)
			got.want(t, c.code, string(c.cause))
			if got.Type != problemBase+string(c.cause) || got.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: a problem of type %s in %s", p.Name, got.Type, got.header.Get("Content-Type"))
			}
			sum := newFingerprint(c.signed.Body).rejection(p.Name, c.cause, time.Now())
			want[event.RejectedSubject(p.Name, string(c.cause))+" "+sum.BodySHA256]++
		}
	}
	r.stop()
	if len(b.messages(t, bus.Webhooks)) != 0 {
		t.Error("a refused webhook is stored")
	}
	got := map[string]int{}
	for _, m := range b.messages(t, bus.Rejected) {
		var record event.Rejection
		if err := json.Unmarshal(m.Data, &record); err != nil {
			t.Fatal(err)
		}
		if event.RejectedSubject(record.Provider, string(record.Cause)) != m.Subject || record.ReceivedAt.IsZero() || record.BodyBytes == 0 {
			t.Errorf("record %s under %s", m.Data, m.Subject)
		}
		got[m.Subject+" "+record.BodySHA256]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestVerifiedButUnusual covers webhooks whose signature is good and whose content is not what
// the folder knows.
func TestVerifiedButUnusual(t *testing.T) {
	b := startBroker(t)
	r := start(t, served(), b.site())
	treezorBody := func(name, payload string) []byte {
		return []byte(`{"webhook":"` + name + `","webhook_id":"w-1","object":"x","object_id":"1","object_payload":` + payload + `}`)
	}
	for _, c := range []struct {
		name, provider, event, body string
		status, subject             string
	}{
		{"unknown event", "kycaid", "VERIFICATION_COMPLETED", `{"type":"VERIFICATION_DREAMT","request_id":"q1"}`, "accepted", "kyc.webhook.kycaid.other"},
		{"hostile event", "kycaid", "VERIFICATION_COMPLETED", `{"type":"x.>\r\nNats-Msg-Id: 1","request_id":"a b\r\nc"}`, "accepted", "kyc.webhook.kycaid.other"},
		{"not JSON", "idenfy", "ID VERIFICATION AUTO FINISH", "\xff{", "accepted", "kyc.webhook.idenfy.undecodable"},
		{"no body", "yousign", "verification.identity_document.done", "", "accepted", "kyc.webhook.yousign.undecodable"},
		{"foreign event", "treezor", "user.kycreview", string(treezorBody("payin.create", `{"payins":[{"payinId":"1"}]}`)), "ignored", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(b.messages(t, bus.Webhooks))
			for _, p := range providers() {
				if p.Name == c.provider {
					r.post(t, p.Name, sign(t, &p, c.event, []byte(c.body), testSecret)).want(t, http.StatusOK, c.status)
				}
			}
			after := b.messages(t, bus.Webhooks)
			if c.subject == "" {
				if len(after) != before {
					t.Errorf("stored under %s", after[len(after)-1].Subject)
				}
				return
			}
			if len(after) != before+1 || after[before].Subject != c.subject {
				t.Fatalf("%d new messages, want one under %s", len(after)-before, c.subject)
			}
			if _, body := b.webhook(t, after[before]); string(body) != c.body {
				t.Error("the stored body is not what was sent")
			}
		})
	}
}

// TestNotWebhooks covers requests that lead to no provider.
func TestNotWebhooks(t *testing.T) {
	b := startBroker(t)
	all := served()
	r := start(t, all[:2], b.site()) // The others have no secret here.
	for _, c := range []struct {
		method, path string
		code         int
		cause        event.Cause
		allow        string
	}{
		{http.MethodPost, "/webhooks/nobody", http.StatusNotFound, event.CauseUnknownProvider, ""},
		{http.MethodPost, "/webhooks/" + all[3].Provider.Name, http.StatusNotFound, event.CauseUnknownProvider, ""},
		{http.MethodPost, "/webhooks/", http.StatusNotFound, event.CauseUnknownProvider, ""},
		{http.MethodPost, "/webhooks//idenfy", http.StatusNotFound, event.CauseUnknownProvider, ""},
		{http.MethodPost, "/webhooks/idenfy/a/b", http.StatusNotFound, event.CauseUnknownProvider, ""},
		{http.MethodPost, "/webhooks/idenfy%2Fa", http.StatusNotFound, event.CauseUnknownProvider, ""},
		{http.MethodPost, "/", http.StatusNotFound, event.CauseUnknownProvider, ""},
		{http.MethodGet, "/webhooks/idenfy", http.StatusMethodNotAllowed, event.CauseMethodNotAllowed, "POST"},
		{http.MethodPut, "/webhooks/idenfy/auto-finish", http.StatusMethodNotAllowed, event.CauseMethodNotAllowed, "POST"},
		{http.MethodPost, "/livez", http.StatusMethodNotAllowed, event.CauseMethodNotAllowed, "GET, HEAD"},
		{http.MethodPost, "/readyz", http.StatusMethodNotAllowed, event.CauseMethodNotAllowed, "GET, HEAD"},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			request, err := http.NewRequest(c.method, r.url+c.path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			got := do(t, request)
			got.want(t, c.code, string(c.cause))
			if got.header.Get("Allow") != c.allow {
				t.Errorf("allow %q, want %q", got.header.Get("Allow"), c.allow)
			}
		})
	}
	if counted(t, "nobody", string(event.CauseUnknownProvider)) != 0 {
		t.Error("a label comes from the request")
	}
	if counted(t, unknown, string(event.CauseUnknownProvider)) == 0 {
		t.Error("unknown providers are not counted")
	}
}

// TestSecrets accepts every active secret.
func TestSecrets(t *testing.T) {
	b := startBroker(t)
	var all []Served
	for _, s := range served() {
		s.Secrets = []string{testSecret, wrongSecret}
		all = append(all, s)
	}
	r := start(t, all, b.site())
	for _, s := range all {
		p := s.Provider
		sample := samples(t, &p)[0]
		r.post(t, p.Name, sign(t, &p, sample.event, sample.body, wrongSecret)).want(t, http.StatusOK, "accepted")
		r.post(t, p.Name, sign(t, &p, sample.event, sample.body, "neither")).want(t, p.RefusedStatus, "bad_signature")
	}
}
