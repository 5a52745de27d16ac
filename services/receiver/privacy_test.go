package receiver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
)

const (
	bodyMark  = "marked-person"
	tokenMade = "marked-token"
)

// TestNothingLeaks sends marked webhooks on every way there is and looks for the marks, the
// secrets and the token in everything that comes out.
func TestNothingLeaks(t *testing.T) {
	spans.Reset()
	b := startBroker(t)
	var all []Served
	for _, s := range served() {
		s.URLToken = tokenMade
		all = append(all, s)
	}
	r := start(t, all, b.site())
	var answers strings.Builder
	for _, p := range providers() {
		s := samples(t, &p)[0]
		marked := bytes.Replace(s.body, []byte("{"), []byte(`{"mark":"`+bodyMark+`",`), 1)
		good := sign(t, &p, s.event, marked, testSecret)
		bad := sign(t, &p, s.event, marked, wrongSecret)
		large := provider.Signed{Header: good.Header, Body: bytes.Repeat([]byte(bodyMark), bodyLimit/len(bodyMark)+1)}
		for _, path := range []string{p.Name + "/~" + tokenMade, p.Name, p.Name + "/~" + bodyMark} {
			for _, posted := range []provider.Signed{good, bad, unsigned(good), large, {Body: []byte(`{"` + bodyMark + `":1}`)}} {
				got := r.post(t, path, posted)
				answers.WriteString(got.text)
				for _, values := range got.header {
					answers.WriteString(strings.Join(values, " "))
				}
			}
		}
	}
	r.stop()
	traces, err := json.Marshal(spans.GetSpans())
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]string{"log": r.logs.String(), "metrics": scrape(), "traces": string(traces), "answers": answers.String()}
	for _, stream := range []string{bus.Webhooks, bus.Held, bus.Rejected} {
		all := b.messages(t, stream)
		if len(all) == 0 {
			t.Errorf("nothing in %s", stream)
		}
		for _, m := range all {
			header, err := json.Marshal(m.Header)
			if err != nil {
				t.Fatal(err)
			}
			outputs[stream] += m.Subject + string(header) + string(m.Data)
		}
	}
	for name, text := range outputs {
		if len(text) == 0 {
			t.Errorf("no %s to look at", name)
		}
		for _, mark := range []string{bodyMark, tokenMade, testSecret, wrongSecret} {
			if strings.Contains(text, mark) {
				t.Errorf("%s holds %s", name, mark)
			}
		}
	}
}

// TestPlainClient reads a delivery as a client does that knows NATS and CloudEvents alone, and
// follows its trace.
func TestPlainClient(t *testing.T) {
	spans.Reset()
	b := startBroker(t)
	r := start(t, served(), b.site())
	p := providers()[0]
	s := samples(t, &p)[0]
	accepted := r.post(t, p.Name, sign(t, &p, s.event, s.body, testSecret))
	accepted.want(t, http.StatusOK, "accepted")

	conn, err := nats.Connect("", nats.InProcessServer(b.server), nats.UserInfo("admin", password(t, b.dir)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), bus.Webhooks)
	if err != nil {
		t.Fatal(err)
	}
	token := provider.Token(s.event)
	m, err := stream.GetLastMsgForSubject(t.Context(), event.WebhookSubject(p.Name, token))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Nats-Msg-Id": accepted.ID, "ce-id": accepted.ID, "ce-specversion": "1.0",
		"ce-source": "/verdict/test/receiver/" + p.Name, "ce-type": "kyc.webhook." + p.Name + "." + token,
		"ce-datacontenttype": "application/octet-stream",
	} {
		if got, err := url.PathUnescape(m.Header.Get(name)); err != nil || got != want {
			t.Errorf("header %s is %q, %v, want %q", name, got, err, want)
		}
	}
	if got := m.Header.Get("ce-sealkey"); !strings.HasPrefix(got, p.Name+"/") {
		t.Errorf("the key is %q", got)
	}
	found := spans.GetSpans()
	if len(found) != 1 || found[0].Name != "POST "+route {
		t.Fatalf("spans %v", found)
	}
	trace := found[0].SpanContext
	for _, name := range []string{"ce-traceparent", "traceparent"} {
		if want := "00-" + trace.TraceID().String() + "-" + trace.SpanID().String() + "-01"; m.Header.Get(name) != want {
			t.Errorf("header %s is %q, want %q", name, m.Header.Get(name), want)
		}
	}
}
