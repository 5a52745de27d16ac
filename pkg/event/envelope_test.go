package event_test

import (
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

const traceparent = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"

var received = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.FixedZone("", 3600))

func webhook() event.Webhook {
	return event.Webhook{
		ID: "acme:d1:0123456789abcdef", Provider: "acme", Event: "check_done", Instance: "test",
		ReceivedAt: received, SealKey: "acme/key", Sealed: []byte{0, 0xFF, '\n'}, Traceparent: traceparent,
	}
}

func TestWebhookID(t *testing.T) {
	for _, c := range []struct{ name, delivery, want string }{
		{"with a delivery id", "A-1._z", "acme:A-1._z:"},
		{"without", "", "acme:"},
		{"with a colon", "a:b", "acme:"},
		{"with a line end", "a\r\nNats-Rollup: all", "acme:"},
		{"with a final line feed", "a\n", "acme:"},
		{"too long", string(make([]byte, 129)), "acme:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			first, other := event.WebhookID("acme", c.delivery, []byte("x")), event.WebhookID("acme", c.delivery, []byte("y"))
			if first == other || first[:len(c.want)] != c.want || len(first) != len(c.want)+16 {
				t.Errorf("ids are %q and %q, want %q and 16 digits that tell the bytes", first, other, c.want)
			}
		})
	}
	if got, want := event.WebhookID("acme", "", []byte("abc")), "acme:ba7816bf8f01cfea"; got != want {
		t.Errorf("id is %s, want %s", got, want)
	}
}

func TestWebhookEnvelope(t *testing.T) {
	w := webhook()
	e, err := w.Envelope()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"specversion": "1.0", "id": "acme:d1:0123456789abcdef", "source": "/verdict/test/receiver/acme",
		"type": "kyc.webhook.acme.check_done", "subject": "", "dataschema": "", "time": received.UTC(),
		"datacontenttype": "application/octet-stream", "sealkey": "acme/key", "traceparent": traceparent,
	}
	if diff := cmp.Diff(want, attributes(e)); diff != "" {
		t.Errorf("attributes differ (-want +got):\n%s", diff)
	}
	got, err := event.WebhookOf(overTheWire(t, e))
	if err != nil {
		t.Fatal(err)
	}
	w.Instance = "" // who received it matters to no reader
	if diff := cmp.Diff(w, got); diff != "" {
		t.Errorf("webhook differs (-written +read):\n%s", diff)
	}
}

func TestVerificationEnvelope(t *testing.T) {
	v := event.NewVerification(verification.NewID("acme", "check", "a:b"), verification.Case, verification.Change{
		Version: 3, State: verification.State{Status: verification.Pending, Attempt: 1},
		Signal: verification.Signal{ID: "s", At: received, ReceivedAt: received.Add(time.Second)},
		Cause:  verification.Cause{ID: "acme:d1:0123456789abcdef", Seq: 9},
	})
	e, err := v.Envelope("test", verification.Noted, traceparent)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"specversion": "1.0", "id": "acme/check/a%3Ab@3", "source": "/verdict/test/lifecycle/acme",
		"type": "kyc.v1.verification.noted", "subject": "acme/check/a%3Ab", "time": received.UTC(),
		"dataschema":      "https://schemas.verdict.example/v1/verification.json",
		"datacontenttype": "application/json", "causationid": "acme:d1:0123456789abcdef", "traceparent": traceparent,
	}
	if diff := cmp.Diff(want, attributes(e)); diff != "" {
		t.Errorf("attributes differ (-want +got):\n%s", diff)
	}
	if got := event.Traceparent(overTheWire(t, e)); got != traceparent {
		t.Errorf("the trace is %q, want %q", got, traceparent)
	}
}

// An event that began in no trace has no attribute for it.
func TestEnvelopesWithoutTrace(t *testing.T) {
	w := webhook()
	w.Traceparent = ""
	e, err := w.Envelope()
	if err != nil {
		t.Fatal(err)
	}
	if _, there := e.Extensions()["traceparent"]; there {
		t.Error("a webhook without a trace has the attribute")
	}
	if got := event.Traceparent(e); got != "" {
		t.Errorf("the trace is %q", got)
	}
}

func TestEnvelopesRefused(t *testing.T) {
	for name, change := range map[string]func(*event.Webhook){
		"no id":                 func(w *event.Webhook) { w.ID = "" },
		"id with a line end":    func(w *event.Webhook) { w.ID = "a\r\nNats-Rollup: all" },
		"id with a space":       func(w *event.Webhook) { w.ID = "a b" },
		"id not ASCII":          func(w *event.Webhook) { w.ID = "ä" },
		"instance with control": func(w *event.Webhook) { w.Instance = "a\nb" },
	} {
		w := webhook()
		change(&w)
		if _, err := w.Envelope(); err == nil {
			t.Errorf("%s: the envelope is valid", name)
		}
	}
}

func TestEventsOfOtherTypes(t *testing.T) {
	w := webhook()
	e, err := w.Envelope()
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range []string{"kyc.v1.verification.noted", "kyc.webhook.acme", "kyc.webhooks.acme.check", "other"} {
		e.SetType(typ)
		if _, err := event.WebhookOf(e); err == nil {
			t.Errorf("an event of type %s is read as a webhook", typ)
		}
	}
	e.SetType("kyc.v1.person.noted")
	if err := e.SetData("application/json", event.Verification{ID: "acme/check/r"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := event.VerificationOf(e); err == nil {
		t.Errorf("an event of type %s is read as that of a verification", e.Type())
	}
}

func TestVerificationOfUnreadableData(t *testing.T) {
	for name, data := range map[string]string{
		"not JSON":       `{`,
		"not an object":  `7`,
		"no id":          `{}`,
		"not an id":      `{"id":"acme"}`,
		"id with spaces": `{"id":"acme/check/a b"}`,
		"one name twice": `{"id":"acme/check/a","id":"acme/check/b"}`,
	} {
		e := cloudevents.New()
		e.SetType("kyc.v1.verification.noted")
		e.DataEncoded = []byte(data)
		if _, _, err := event.VerificationOf(e); err == nil {
			t.Errorf("%s: read without an error", name)
		}
	}
}

// attributes lists the attributes of an event, extensions included.
func attributes(e cloudevents.Event) map[string]any {
	list := map[string]any{
		"specversion": e.SpecVersion(), "id": e.ID(), "source": e.Source(), "type": e.Type(), "subject": e.Subject(),
		"dataschema": e.DataSchema(), "datacontenttype": e.DataContentType(), "time": e.Time(),
	}
	for name, value := range e.Extensions() {
		list[name] = value
	}
	return list
}

// overTheWire encodes an event and decodes it again.
func overTheWire(t *testing.T, e cloudevents.Event) cloudevents.Event {
	t.Helper()
	header, data, err := event.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := event.Decode(header, data)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
