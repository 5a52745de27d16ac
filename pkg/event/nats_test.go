package event_test

import (
	"bytes"
	"maps"
	"strings"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/verdict-stream/verdict/pkg/event"
)

// headers are those of the smallest event there is.
func headers() map[string][]string {
	return map[string][]string{
		"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"/s"}, "ce-type": {"t"},
	}
}

func TestEncode(t *testing.T) {
	w := webhook()
	e, err := w.Envelope()
	if err != nil {
		t.Fatal(err)
	}
	header, data, err := event.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"Nats-Msg-Id":        {"acme:d1:0123456789abcdef"},
		"ce-specversion":     {"1.0"},
		"ce-id":              {"acme:d1:0123456789abcdef"},
		"ce-source":          {"/verdict/test/receiver/acme"},
		"ce-type":            {"kyc.webhook.acme.check_done"},
		"ce-time":            {"2026-03-01T11:00:00.123456789Z"},
		"ce-datacontenttype": {"application/octet-stream"},
		"content-type":       {"application/octet-stream"},
		"ce-sealkey":         {"acme/key"},
		"ce-traceparent":     {traceparent},
	}
	if diff := cmp.Diff(want, header); diff != "" {
		t.Errorf("headers differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(w.Sealed, data); diff != "" {
		t.Errorf("data differs (-want +got):\n%s", diff)
	}
}

// TestEncodeWebhook writes a delivery as its envelope is written, whatever is in it.
func TestEncodeWebhook(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.StringMatching(`[a-z0-9_-]{1,8}`), rapid.String())
		value := rapid.OneOf(rapid.StringMatching(`[!-~]{0,20}`), rapid.StringMatching(`[ -~]{0,20}`), rapid.String())
		w := event.Webhook{
			ID: value.Draw(t, "id"), Provider: name.Draw(t, "provider"), Event: name.Draw(t, "event"), Instance: name.Draw(t, "instance"),
			SealKey: value.Draw(t, "key"), Traceparent: value.Draw(t, "trace"), Sealed: rapid.SliceOf(rapid.Byte()).Draw(t, "sealed"),
		}
		if rapid.Bool().Draw(t, "timed") {
			w.ReceivedAt = time.Unix(0, rapid.Int64().Draw(t, "at")).In(time.FixedZone("", rapid.IntRange(-3600, 3600).Draw(t, "zone")))
		}
		var want map[string][]string
		var data []byte
		e, refused := w.Envelope()
		if refused == nil {
			want, data, refused = event.Encode(e)
		}
		header, sealed, err := w.Encode()
		if (err != nil) != (refused != nil) {
			t.Fatalf("error %v, want %v", err, refused)
		}
		if diff := cmp.Diff(want, header); diff != "" {
			t.Errorf("headers differ (-want +got):\n%s", diff)
		}
		if !bytes.Equal(data, sealed) {
			t.Errorf("data %x, want %x", sealed, data)
		}
	})
}

func TestPercentEncoding(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"plain", "a-z_A~Z.0:9/@", "a-z_A~Z.0:9/@"},
		{"space", "a b", "a%20b"},
		{"quote", `a"b`, "a%22b"},
		{"percent", "100%41", "100%2541"},
		{"two bytes", "é", "%C3%A9"},
		{"three bytes", "€", "%E2%82%AC"},
		{"four bytes", "😀", "%F0%9F%98%80"},
		{"line end", "a\r\nNats-Rollup: all", "a%0D%0ANats-Rollup:%20all"},
		{"zero", "a\x00b", "a%00b"},
		{"delete", "a\x7Fb", "a%7Fb"},
		{"plus stays", "a+b", "a+b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := smallest(t)
			e.SetSubject(c.value)
			header, data, err := event.Encode(e)
			if err != nil {
				t.Fatal(err)
			}
			if got := header["ce-subject"]; !cmp.Equal(got, []string{c.want}) {
				t.Errorf("header is %q, want %q", got, c.want)
			}
			got, err := event.Decode(header, data)
			if err != nil {
				t.Fatal(err)
			}
			if got.Subject() != c.value {
				t.Errorf("subject is %q, want %q", got.Subject(), c.value)
			}
		})
	}
}

func TestEncodingLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// The SDK leaves white space out at both ends of a subject.
		text := "." + rapid.String().Draw(t, "text") + "."
		e, err := event.Decode(headers(), rapid.SliceOf(rapid.Byte()).Draw(t, "data"))
		if err != nil {
			t.Fatal(err)
		}
		e.SetSubject(text)
		e.SetExtension("sealkey", text)
		header, data, err := event.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := event.Decode(header, data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(attributes(e), attributes(got)); diff != "" {
			t.Fatalf("attributes differ (-written +read):\n%s", diff)
		}
		if diff := cmp.Diff(e.Data(), got.Data()); diff != "" {
			t.Fatalf("data differs (-written +read):\n%s", diff)
		}
	})
}

func TestDecodeIsTolerant(t *testing.T) {
	for _, c := range []struct {
		name   string
		change map[string][]string
		want   string // the subject
	}{
		{"other case", map[string][]string{"Ce-Subject": {"a"}}, "a"},
		{"capitals", map[string][]string{"CE-SUBJECT": {"a"}}, "a"},
		{"our spelling stands", map[string][]string{"CE-Subject": {"b"}, "ce-subject": {"a"}, "Ce-subject": {"c"}}, "a"},
		{"two values", map[string][]string{"ce-subject": {"a", "b"}}, "a"},
		{"no value", map[string][]string{"ce-subject": {}}, ""},
		{"empty value", map[string][]string{"ce-subject": {""}}, ""},
		{"lower-case digits", map[string][]string{"ce-subject": {"%c3%a9"}}, "é"},
		{"not encoded", map[string][]string{"ce-subject": {"é"}}, "é"},
		{"half an escape", map[string][]string{"ce-subject": {"100%"}}, "100%"},
		{"not UTF-8 when decoded", map[string][]string{"ce-subject": {"%FF"}}, "%FF"},
		{"headers of others", map[string][]string{"ce-subject": {"a"}, "traceparent": {"b"}, "Nats-Stream": {"c"}}, "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := headers()
			maps.Copy(header, c.change)
			e, err := event.Decode(header, nil)
			if err != nil {
				t.Fatal(err)
			}
			if e.Subject() != c.want || len(e.Extensions()) != 0 {
				t.Errorf("subject is %q with the extensions %v, want %q", e.Subject(), e.Extensions(), c.want)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		header map[string][]string // nil removes
	}{
		{"no id", map[string][]string{"ce-id": nil}},
		{"no source", map[string][]string{"ce-source": nil}},
		{"no type", map[string][]string{"ce-type": nil}},
		{"no version", map[string][]string{"ce-specversion": nil}},
		{"old version", map[string][]string{"ce-specversion": {"0.3"}}},
		{"no such version", map[string][]string{"ce-specversion": {"2"}}},
		{"time of another form", map[string][]string{"ce-time": {"1 March"}}},
		{"source no URI", map[string][]string{"ce-source": {"%3A%3A"}}},
		{"id with a line end", map[string][]string{"ce-id": {"a%0D%0Ab"}}},
		{"too long", map[string][]string{"ce-subject": {strings.Repeat("a", 4097)}}},
		{"not UTF-8", map[string][]string{"ce-subject": {"\xFF"}}},
		{"extension without a name", map[string][]string{"ce-": {"a"}}},
		{"extension with a bad name", map[string][]string{"ce-a_b": {"a"}}},
		{"content type of another form", map[string][]string{"content-type": {"/"}}},
	} {
		header := headers()
		maps.Copy(header, c.header)
		maps.DeleteFunc(header, func(_ string, values []string) bool { return values == nil })
		if e, err := event.Decode(header, nil); err == nil {
			t.Errorf("%s: decoded as\n%s", c.name, e)
		}
	}
	if _, err := event.Decode(nil, []byte("no event at all")); err == nil {
		t.Error("a message without headers is decoded")
	}
}

func TestEncodeRefuses(t *testing.T) {
	if _, _, err := event.Encode(cloudevents.Event{}); err == nil {
		t.Error("the empty event is encoded")
	}
	e := smallest(t)
	e.SetType("")
	if _, _, err := event.Encode(e); err == nil {
		t.Error("an event without a type is encoded")
	}
}

func smallest(t *testing.T) cloudevents.Event {
	t.Helper()
	e, err := event.Decode(headers(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// FuzzDecode reads anything without a panic; what it can read it reads the same again after
// it was encoded.
func FuzzDecode(f *testing.F) {
	f.Add("ce-specversion", "1.0", "ce-id", "1", "ce-subject", "%C3%A9", []byte("{}"))
	f.Add("CE-Id", "a b", "ce-time", "2026-03-01T12:00:00Z", "ce-sealkey", "k", []byte(nil))
	f.Add("ce-", "", "content-type", "text/plain", "ce-specversion", "0.3", []byte{0xFF})
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2, n3, v3 string, data []byte) {
		for _, header := range []map[string][]string{headers(), {}} {
			maps.Copy(header, map[string][]string{n1: {v1}, n2: {v2}, n3: {v3, v1}})
			e, err := event.Decode(header, data)
			if err != nil {
				continue
			}
			_, _ = event.WebhookOf(e)
			_, _, _ = event.VerificationOf(e)
			if header, data, err = event.Encode(e); err != nil {
				t.Fatalf("decoded, and cannot be encoded: %v", err)
			}
			again, err := event.Decode(header, data)
			if err != nil {
				t.Fatalf("encoded, and cannot be decoded: %v", err)
			}
			if diff := cmp.Diff(attributes(e), attributes(again)); diff != "" {
				t.Errorf("attributes differ (-first +again):\n%s", diff)
			}
		}
	})
}
