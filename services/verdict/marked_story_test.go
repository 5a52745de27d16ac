package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/provider/all"
)

const (
	// marker begins every marked text. It could be a code, a name or a part of an id: nothing
	// but what it stands for keeps it out.
	marker = "Zqx7marker"
	// markedDate is a birthday that nobody has.
	markedDate = "1907-03-29"
)

// needed are the texts of a payload that are no personal data and that its decoder reads: ids,
// statuses, codes and times. Everything else is marked.
var needed = map[string][]string{
	"yousign": {"event_id", "event_name", "event_time", "id", "status", "status_codes", "created_at", "updated_at", "previous_attempt_id", "applicant_id"},
	"idenfy": {
		"scanRef", "clientId", "externalRef", "overall", "suspicionReasons", "denyReasons", "fraudTags", "mismatchTags",
		"autoFace", "manualFace", "autoDocument", "manualDocument",
	},
	"kycaid": {"type", "request_id", "verification_id", "applicant_id", "external_applicant_id", "status", "verification_status", "verified", "decline_reasons"},
	"treezor": {
		"webhook", "webhook_id", "webhookId", "object_id", "object_payload_signature", "userId", "user_id", "documentId", "transactionNumber",
		"kycReview", "kycStatus", "kyc-status", "documentStatus", "result", "reasonCode", "reasonMessage", "reason-code",
		"createdDate", "modifiedDate", "started-at", "updated-at", "identificationTime", "lastRequestDatetime", "lastReviewDatetime",
	},
}

// marks puts marked texts into payloads, no two of them the same.
type marks struct{ count int }

func (m *marks) text() string {
	m.count++
	return fmt.Sprintf("%s%05d", marker, m.count)
}

// payload marks every text of a payload but the needed ones.
func (m *marks) payload(providerName string, body []byte) ([]byte, error) {
	document, err := decodeJSON(body)
	if err != nil {
		return nil, err
	}
	return encodeJSON(m.value(providerName, "", document))
}

func (m *marks) value(providerName, field string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			v[name] = m.value(providerName, name, v[name])
		}
	case []any:
		for i := range v {
			v[i] = m.value(providerName, field, v[i])
		}
	case string:
		switch lower := strings.ToLower(field); {
		case slices.Contains(needed[providerName], field):
		case strings.Contains(lower, "birthday"), strings.Contains(lower, "birth-date"), strings.HasSuffix(lower, "dob"), lower == "born_on":
			return markedDate
		default:
			return m.text()
		}
	}
	return value
}

// traces is a collector of telemetry that keeps what it is sent.
type traces struct {
	*httptest.Server
	mu   sync.Mutex
	sent bytes.Buffer
}

func newTraces(t *testing.T) *traces {
	c := &traces{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sent.Write(body)
		if err != nil || r.Header.Get("Content-Encoding") != "" {
			t.Errorf("telemetry came as %q: %v", r.Header.Get("Content-Encoding"), err)
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// Personal data goes in everywhere where a provider, or somebody who pretends to be one, can put
// it, and comes out at the claims and nowhere else.
func TestMarkedPayloads(t *testing.T) {
	t.Parallel()
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			in := startInstallation(t, f)
			collector := newTraces(t)
			in.settings["VERDICT_OTLP_ENDPOINT"] = collector.URL
			in.settings["VERDICT_URL_TOKEN_YOUSIGN"] = "ysn-8d02c1e7"
			must(t, in.start())
			o := newOutputs(t, in)
			o.sendMarked()
			must(t, in.account())
			o.readAnswers()
			o.readStreams()
			must(t, in.stop())
			o.readFiles()
			if collector.sent.Len() == 0 {
				t.Error("no telemetry was sent")
			}
			o.search("telemetry", collector.sent.Bytes())
		})
	}
}

// outputs searches what comes out of an installation.
type outputs struct {
	t     *testing.T
	in    *installation
	marks marks
	never [][]byte
}

func newOutputs(t *testing.T, in *installation) *outputs {
	o := &outputs{t: t, in: in}
	secrets := []string{
		storyMasterKey, in.settings["VERDICT_MASTER_KEY"], storyAdminToken, in.settings["VERDICT_URL_TOKEN_YOUSIGN"], in.password,
	}
	for _, secret := range storySecrets {
		secrets = append(secrets, strings.Split(secret, ",")...)
	}
	for _, text := range append(secrets, marker, markedDate) {
		o.never = append(o.never, []byte(strings.ToLower(text)))
	}
	// A text that is written as base64 has one of three forms, depending on where it begins.
	for shift := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte("xx"[:shift] + marker))
		o.never = append(o.never, bytes.ToLower([]byte(encoded[4:len(encoded)-4])))
	}
	// The search is one that finds.
	if text, err := o.marks.payload("kycaid", []byte(`{"applicant":{"dob":"1990-01-01","first_name":"Ada"}}`)); err != nil || o.found(text) == "" {
		t.Fatalf("nothing is found in %s: %v", text, err)
	}
	if o.found([]byte(base64.StdEncoding.EncodeToString([]byte("a "+marker+" b")))) == "" {
		t.Fatal("nothing is found in base64")
	}
	return o
}

// found is what of the forbidden is in an output, in whatever case.
func (o *outputs) found(output []byte) string {
	output = bytes.ToLower(output)
	for _, text := range o.never {
		if at := bytes.Index(output, text); at >= 0 {
			return string(output[max(0, at-120):min(len(output), at+120)])
		}
	}
	return ""
}

func (o *outputs) search(what string, output []byte) {
	o.t.Helper()
	if found := o.found(output); found != "" {
		o.t.Errorf("%s: …%s…", what, found)
	}
}

// post posts a webhook and searches the answer.
func (o *outputs) post(w webhook, want ...int) {
	o.t.Helper()
	status, answer, err := o.in.post(w)
	must(o.t, err)
	if !slices.Contains(want, status) {
		o.t.Fatalf("%s%s: answered with %d: %s", w.provider, w.path, status, answer)
	}
	o.search("answer to a webhook", answer)
}

// sendMarked sends every sample marked, as it should be and in every way in which it should not.
func (o *outputs) sendMarked() {
	for _, p := range all.Providers() {
		files, err := filepath.Glob(samplePath(p.Name, "*"))
		must(o.t, err)
		for _, file := range files {
			body, err := os.ReadFile(file)
			must(o.t, err)
			event, err := eventOf(&p, strings.TrimSuffix(filepath.Base(file), ".json"))
			must(o.t, err)
			o.sendSample(&p, event, body)
		}
	}
	// What is marked can be read all the same: else it would come nowhere.
	must(o.t, o.in.account())
	dead, err := pages[deliveryRow](o.in, "/v1/deliveries?outcome=dead&limit=500")
	must(o.t, err)
	if len(dead) > 0 {
		o.t.Fatalf("%d marked samples cannot be read", len(dead))
	}
	for _, p := range all.Providers() {
		o.sendOdd(&p)
	}
}

func (o *outputs) sendSample(p *provider.Provider, event string, sample []byte) {
	body, err := o.marks.payload(p.Name, sample)
	must(o.t, err)
	good, err := signWebhook(p, event, newestSecret(p.Name), body, nil)
	must(o.t, err)
	o.post(good, http.StatusOK)
	body, err = o.marks.payload(p.Name, sample)
	must(o.t, err)
	bad, err := signWebhook(p, event, marker, body, nil)
	must(o.t, err)
	o.post(bad, p.RefusedStatus)
	o.post(webhook{provider: p.Name, body: body}, http.StatusOK, p.RefusedStatus)
}

// sendOdd sends what is signed and cannot be read, what is too large, and marks where they do
// not belong.
func (o *outputs) sendOdd(p *provider.Provider) {
	event := p.Example.Event
	for _, body := range []string{`{"` + o.marks.text() + `": "` + o.marks.text(), `["` + o.marks.text() + `"]`, `{"a":"` + o.marks.text() + `"}`} {
		w, err := signWebhook(p, event, newestSecret(p.Name), []byte(body), nil)
		if err != nil { // Without a payload there is nothing to sign.
			w = webhook{provider: p.Name, body: []byte(body)}
		}
		o.post(w, http.StatusOK, p.RefusedStatus)
	}
	o.post(webhook{provider: p.Name, body: bytes.Repeat([]byte(marker), 300_000)}, http.StatusRequestEntityTooLarge)
	o.post(webhook{provider: p.Name, path: "/" + o.marks.text() + "?" + o.marks.text(), body: []byte(marker)}, p.RefusedStatus)
	o.post(webhook{provider: o.marks.text(), body: []byte(marker)}, http.StatusNotFound)

	signed, err := signWebhook(p, event, newestSecret(p.Name), p.Example.Body, nil)
	must(o.t, err)
	signed.header = maps.Clone(signed.header)
	if signed.header == nil {
		signed.header = map[string]string{}
	}
	for _, name := range []string{"User-Agent", "X-Forwarded-For", "Traceparent", "Tracestate", "Baggage", "Content-Type"} {
		signed.header[name] = o.marks.text()
	}
	o.post(signed, http.StatusOK)

	// References to a person that are no references: an address for mail, and names of events.
	for _, odd := range map[string][][2]string{
		"idenfy":  {{"id_verification_auto_finish.approved", "clientId=" + marker + "@example.org"}, {"id_verification_auto_finish.approved", "status.overall=" + marker}},
		"kycaid":  {{"verification_completed.approved", "applicant.external_applicant_id=" + marker + "@example.org"}, {"verification_completed.approved", "type=" + marker}},
		"yousign": {{"verification_identity_document_done.verified", "data.identity_document.applicant_id=" + marker + "@example.org"}, {"verification_identity_document_done.verified", "event_name=verification." + marker}},
		"treezor": {{"kycliveness_update.refused", "object_payload.kyc-status=" + marker}, {"user_update", "webhook.webhook=user." + marker}},
	}[p.Name] {
		w, err := newWebhook(p.Name, odd[0], odd[1])
		must(o.t, err)
		o.post(w, http.StatusOK)
	}
}

// readAnswers reads everything that can be asked. The claims alone hold what was marked.
func (o *outputs) readAnswers() {
	claims := 0
	for _, sandbox := range []string{"?sandbox=false", "?sandbox=true"} {
		o.answer("/v1/verifications" + sandbox + "&limit=500")
		rows, err := pages[fact](o.in, "/v1/verifications"+sandbox+"&limit=500")
		must(o.t, err)
		for _, r := range rows {
			o.answer("/v1/verifications/" + r.ID + sandbox)
			o.answer("/v1/verifications/" + r.ID + "/events" + sandbox)
			answer, err := o.in.api("/v1/verifications/" + r.ID + "/claims" + sandbox)
			must(o.t, err)
			if bytes.Contains(answer, []byte(marker)) {
				claims++
			}
		}
	}
	if claims < len(all.Providers()) {
		o.t.Errorf("%d claims show what was sent", claims)
	}
	for _, path := range []string{"/v1/deliveries?limit=500", "/v1/stats", "/metrics"} {
		o.answer(path)
	}
	for _, role := range o.in.form.roles {
		if role != broker {
			_, metrics, err := o.in.get("http://" + o.in.settings[metricsOf(role)] + "/metrics")
			must(o.t, err)
			o.search("metrics of "+role, metrics)
		}
	}
}

func (o *outputs) answer(path string) {
	o.t.Helper()
	body, err := o.in.api(path)
	must(o.t, err)
	o.search(path, body)
}

// readStreams reads every message of every stream.
func (o *outputs) readStreams() {
	conn, err := o.in.connect()
	must(o.t, err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	must(o.t, err)
	streams := js.StreamNames(o.t.Context())
	count := 0
	for name := range streams.Name() {
		messages, err := o.in.messages(name)
		must(o.t, err)
		for _, m := range messages {
			count++
			o.search(fmt.Sprintf("message %d of %s", m.Sequence, name), fmt.Appendf(nil, "%s\n%v\n%s", m.Subject, m.Header, m.Data))
		}
	}
	must(o.t, streams.Err())
	if count == 0 {
		o.t.Error("no stream has a message")
	}
}

// readFiles reads every file that is left, and all that was logged.
func (o *outputs) readFiles() {
	err := filepath.WalkDir(o.in.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		o.search(path, content)
		if strings.HasSuffix(path, ".log") && len(content) == 0 {
			return errors.New(path + " is empty")
		}
		return err
	})
	must(o.t, err)
}
