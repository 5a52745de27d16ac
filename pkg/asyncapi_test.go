package pkg_test

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
	"github.com/verdict-stream/verdict/schemas"
)

// streams is asyncapi.yaml, as these tests read it. That streams and subjects are those of the broker is tested where the streams are
// defined.
type streams struct {
	t    *testing.T
	root map[string]any
}

func readAsyncAPI(t *testing.T) streams {
	t.Helper()
	return streams{t, readYAML(t, schemas.AsyncAPI)}
}

// readYAML returns a document with the values that JSON would give it.
func readYAML(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var written map[string]any
	if err := yaml.Unmarshal(text, &written); err != nil {
		t.Fatal(err)
	}
	return toJSON(t, written).(map[string]any)
}

// at returns what a path of names leads to; each reference on the way is followed.
func (s streams) at(names ...string) map[string]any {
	s.t.Helper()
	value := s.root
	for _, name := range names {
		next, ok := value[name].(map[string]any)
		if !ok {
			s.t.Fatalf("there is no %s", strings.Join(names, "/"))
		}
		value = s.follow(next)
	}
	return value
}

func (s streams) follow(value map[string]any) map[string]any {
	s.t.Helper()
	ref, ok := value["$ref"].(string)
	if !ok {
		return value
	}
	if local, ok := strings.CutPrefix(ref, "#/"); ok {
		return s.at(strings.Split(local, "/")...)
	}
	name := path.Clean(ref)
	files := schemas.Files
	if strings.HasPrefix(name, "examples/") {
		files = schemas.Examples
	}
	text, err := files.ReadFile(name)
	if err != nil {
		s.t.Fatal(err)
	}
	return toJSON(s.t, json.RawMessage(text)).(map[string]any)
}

// The addresses are those that events are published to, with a parameter for each part that varies.
func TestAsyncAPIHasTheSubjects(t *testing.T) {
	s := readAsyncAPI(t)
	want := map[string]string{
		"verifications": event.VerificationSubject(false, "{provider}", "{kind}", "{status}"),
		"sandbox":       event.VerificationSubject(true, "{provider}", "{kind}", "{status}"),
		"webhooks":      event.WebhookSubject("{provider}", "{event}"),
		"held":          event.HeldSubject("{provider}"),
		"rejected":      event.RejectedSubject("{provider}", "{cause}"),
		"replay":        event.ReplaySubject("{name}", "{provider}", "{kind}", "{status}"),
		"outcomes":      event.OutcomeSubject("{provider}", "{outcome}"),
		// These are not made by package event.
		"audit":    "kyc.audit.{verb}",
		"spools":   "kyc.spool.{receiver}",
		"redrives": "kyc.redrive.{consumer}",
		"dead":     "kyc.dead.{consumer}",
		"canary":   "kyc.canary",
	}
	got := map[string]string{}
	sent := map[string]bool{}
	for name := range s.at("channels") {
		channel := s.at("channels", name)
		got[name], _ = channel["address"].(string)
		var parameters []string
		for token := range strings.SplitSeq(got[name], ".") {
			if strings.HasPrefix(token, "{") {
				parameters = append(parameters, strings.Trim(token, "{}"))
			}
		}
		if len(parameters) > 0 {
			if diff := cmp.Diff(sorted(parameters), keysOf(s.at("channels", name, "parameters"))); diff != "" {
				t.Errorf("%s: parameters (-address +described):\n%s", name, diff)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("subjects (-published +described):\n%s", diff)
	}
	for name := range s.at("operations") {
		operation := s.at("operations")[name].(map[string]any)
		ref, _ := operation["channel"].(map[string]any)["$ref"].(string)
		sent[path.Base(ref)] = sent[path.Base(ref)] || operation["action"] == "send"
	}
	for name := range got {
		if !sent[name] {
			t.Errorf("nothing is said to be published to %s", name)
		}
	}
}

// The closed lists of what a subject can end in are the program's.
func TestAsyncAPIHasTheLists(t *testing.T) {
	s := readAsyncAPI(t)
	var recorded []string
	for _, cause := range event.Causes {
		if cause.Recorded() {
			recorded = append(recorded, string(cause))
		}
	}
	for _, list := range []struct {
		channel, parameter string
		want               []string
	}{
		{"verifications", "status", verification.EventStatuses()},
		{"sandbox", "status", verification.EventStatuses()},
		{"replay", "status", verification.EventStatuses()},
		{"rejected", "cause", recorded},
		{"outcomes", "outcome", texts(event.Outcomes)},
	} {
		got := stringsOf(s.at("channels", list.channel, "parameters", list.parameter)["enum"])
		if diff := cmp.Diff(sorted(list.want), got); diff != "" {
			t.Errorf("%s of %s (-program +described):\n%s", list.parameter, list.channel, diff)
		}
	}
}

// The payload of a message is the published schema of the same name, and every published schema but those of whole envelopes and of
// answers is the payload of a message.
func TestAsyncAPIHasThePayloads(t *testing.T) {
	s := readAsyncAPI(t)
	got := map[string]bool{}
	for name := range s.at("components", "messages") {
		message := s.at("components", "messages", name)
		payload := message["payload"].(map[string]any)
		switch ref, _ := payload["$ref"].(string); {
		case ref != "":
			if want := "./v1/" + kebab(name) + ".json"; ref != want {
				t.Errorf("the payload of %s is %s, want %s", name, ref, want)
			}
			got[path.Base(ref)] = true
		case message["contentType"] != "application/octet-stream":
			t.Errorf("the payload of %s is not described", name)
		}
	}
	want := slices.DeleteFunc(slices.Sorted(maps.Keys(schemaFiles(t))), func(name string) bool {
		return strings.Contains(name, envelopeSuffix) || name == "problem.json"
	})
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("payloads (-schemas +described):\n%s", diff)
	}
}

// hop is the one header that is not made with the event: the bus writes it anew for every hop.
const hop = "traceparent"

// The headers that are described are those that are published, both ways, and as they are described.
func TestAsyncAPIHasTheHeaders(t *testing.T) {
	s := readAsyncAPI(t)
	v := sampleEvents(t)[0]
	w := event.Webhook{
		ID: event.WebhookID("acme", "d-1", nil), Provider: "acme", Event: "check_done", Instance: "test",
		ReceivedAt: sampleTime, SealKey: "acme/2026-03-01T12-5f0c81d2", Sealed: []byte("sealed"),
	}
	for message, headers := range map[string]func(trace string) map[string]string{
		"verification": func(trace string) map[string]string {
			e := must(v.Envelope("test", "noted", trace))(t)
			if trace == "" {
				return headersOf(t)(event.Encode(e))
			}
			e.SetExtension(event.Replay, "late-team")
			replayed := headersOf(t)(event.Encode(e))
			replayed[event.SequenceHeader] = "7"
			return replayed
		},
		"webhook": func(trace string) map[string]string {
			w.Traceparent = trace
			return headersOf(t)(event.Encode(must(w.Envelope())(t)))
		},
	} {
		schema := s.at("components", "messages", message, "headers")
		all := headers(sampleTrace)
		all[hop] = sampleTrace
		if diff := cmp.Diff(slices.Sorted(maps.Keys(all)), keysOf(schema["properties"])); diff != "" {
			t.Errorf("headers of %s (-published +described):\n%s", message, diff)
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(headers(""))), stringsOf(schema["required"])); diff != "" {
			t.Errorf("required headers of %s (-published +described):\n%s", message, diff)
		}
		s.validate("components/schemas/"+message+"Headers", all)
	}
}

func headersOf(t *testing.T) func(header map[string][]string, data []byte, err error) map[string]string {
	return func(header map[string][]string, _ []byte, err error) map[string]string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		flat := map[string]string{}
		for name, values := range header {
			flat[name] = values[0]
		}
		return flat
	}
}

// Every example of a message is as the message is described; the parser of AsyncAPI does not look.
func TestAsyncAPIExamples(t *testing.T) {
	s := readAsyncAPI(t)
	for name := range s.at("components", "messages") {
		message := s.at("components", "messages", name)
		given, _ := message["examples"].([]any)
		if len(given) == 0 && name != "canary" {
			t.Errorf("%s has no example", name)
		}
		for _, one := range given {
			example := one.(map[string]any)
			if headers, ok := example["headers"]; ok {
				s.validate("components/messages/"+name+"/headers", headers)
			}
			if payload, ok := example["payload"].(map[string]any); ok {
				s.validate("components/messages/"+name+"/payload", s.follow(payload))
			}
		}
	}
}

// The headers of the first example belong to its payload.
func TestAsyncAPIExampleHeaders(t *testing.T) {
	message := readAsyncAPI(t).at("components", "messages", "verification")
	example := message["examples"].([]any)[0].(map[string]any)
	shown, ok := examples(t)[path.Base(example["payload"].(map[string]any)["$ref"].(string))].(event.Verification)
	if !ok {
		t.Fatal("the example is not a verification event")
	}
	want := headersOf(t)(event.Encode(must(shown.Envelope("default", example["name"].(string), exampleTrace))(t)))
	if diff := cmp.Diff(toJSON(t, want), example["headers"]); diff != "" {
		t.Errorf("headers (-published +example):\n%s", diff)
	}
}

// validate holds a value to the schema at a place of asyncapi.yaml.
func (s streams) validate(where string, value any) {
	s.t.Helper()
	compiler := schemaCompiler(s.t)
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource(schemas.Root+"asyncapi.yaml", s.root); err != nil {
		s.t.Fatal(err)
	}
	schema, err := compiler.Compile(schemas.Root + "asyncapi.yaml#/" + where)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := schema.Validate(toJSON(s.t, value)); err != nil {
		s.t.Errorf("%s: %v", where, err)
	}
}
