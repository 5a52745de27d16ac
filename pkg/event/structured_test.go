package event_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/verdict-stream/verdict/pkg/event"
)

// What is written in structured mode is the event that the message holds, as the SDK reads both, and the name of the replay.
func TestStructuredIsTheSameEvent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		value := rapid.OneOf(rapid.StringMatching(`[!-~]{1,20}`), rapid.StringMatching(`[ -~äé"\\]{1,20}`))
		e := smallest(t)
		e.SetID(rapid.StringMatching(`[!-~]{1,20}`).Draw(rt, "id"))
		e.SetSource("/" + rapid.StringMatching(`[a-z][a-z/]{0,19}`).Draw(rt, "source"))
		// Blanks alone are no type and no subject.
		named := rapid.StringMatching(`[!-~äé"\\][ -~äé"\\]{0,19}`)
		e.SetType(named.Draw(rt, "type"))
		e.SetSubject(named.Draw(rt, "subject"))
		for _, name := range rapid.SliceOf(rapid.SampledFrom([]string{"traceparent", "causationid", "x1", event.Replay})).Draw(rt, "extensions") {
			e.SetExtension(name, value.Draw(rt, name))
		}
		data := rapid.SampledFrom([]string{`{}`, `{"a":"ü"}`, `{ "a": [1, 2.50] }`}).Draw(rt, "data")
		if err := e.SetData("application/json", []byte(data)); err != nil {
			rt.Fatal(err)
		}
		header, body, err := event.Encode(e)
		if err != nil {
			rt.Fatal(err)
		}
		written, err := event.AppendStructured([]byte("before\n"), header, body, "late-team")
		if err != nil {
			rt.Fatal(err)
		}
		line, ok := bytes.CutPrefix(written, []byte("before\n"))
		if !ok || bytes.IndexByte(line, '\n') >= 0 {
			rt.Fatalf("not one line behind what was there: %q", written)
		}
		var got cloudevents.Event
		if err := json.Unmarshal(line, &got); err != nil {
			rt.Fatalf("%v: %s", err, line)
		}
		if event.ReplayOf(got) != "late-team" {
			rt.Errorf("the replay is %q", event.ReplayOf(got))
		}
		e.SetExtension(event.Replay, "late-team")
		if diff := cmp.Diff(attributes(e), attributes(got)); diff != "" {
			rt.Errorf("attributes (-message +structured):\n%s", diff)
		}
		var was, is any
		if json.Unmarshal(body, &was) != nil || json.Unmarshal(got.Data(), &is) != nil || !cmp.Equal(was, is) {
			rt.Errorf("data %s became %s", body, got.Data())
		}
	})
}

// A message is read with the extension as without it.
func TestAReplayedMessageIsRead(t *testing.T) {
	for _, want := range []string{"", "late-team"} {
		header := headers()
		if want != "" {
			header[event.ReplayHeader] = []string{want}
		}
		e, err := event.Decode(header, []byte("{}"))
		if err != nil || event.ReplayOf(e) != want {
			t.Errorf("read %q, %v; want %q", event.ReplayOf(e), err, want)
		}
	}
}

func TestWhatIsNoEventIsNotWritten(t *testing.T) {
	for name, change := range map[string]func(header map[string][]string){
		"no id":           func(h map[string][]string) { delete(h, "ce-id") },
		"no specversion":  func(h map[string][]string) { delete(h, "ce-specversion") },
		"other version":   func(h map[string][]string) { h["ce-specversion"] = []string{"0.3"} },
		"other content":   func(h map[string][]string) { h["ce-datacontenttype"] = []string{"application/octet-stream"} },
		"long attribute":  func(h map[string][]string) { h["ce-subject"] = []string{strings.Repeat("x", 5000)} },
		"not UTF-8":       func(h map[string][]string) { h["ce-subject"] = []string{"\xff"} },
		"wrong extension": func(h map[string][]string) { h["ce-no_name"] = []string{"x"} },
		"data attribute":  func(h map[string][]string) { h["ce-data"] = []string{"x"} },
	} {
		header := headers()
		header["ce-datacontenttype"] = []string{"application/json"}
		if _, err := event.AppendStructured(nil, header, []byte("{}"), "r"); err != nil {
			t.Fatal(err)
		}
		change(header)
		if b, err := event.AppendStructured([]byte("x"), header, []byte("{}"), "r"); err == nil || string(b) != "x" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	header := headers()
	header["ce-datacontenttype"] = []string{"application/json"}
	for _, data := range []string{"", "{", "x", "[]", `"x"`, "{}\n", "{\n}"} {
		if b, err := event.AppendStructured(nil, header, []byte(data), "r"); err == nil || len(b) > 0 {
			t.Errorf("data that is no object on one line: %q", b)
		}
	}
}
