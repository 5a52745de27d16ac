package pkg_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
	"github.com/verdict-stream/verdict/schemas"
)

func TestWhatIsPublishedFitsItsSchema(t *testing.T) {
	compiler := schemaCompiler(t)
	all := instances(t)
	for name := range schemaFiles(t) {
		schema, err := compiler.Compile(schemas.Base + name)
		if err != nil {
			t.Fatal(err)
		}
		if len(all[name]) == 0 {
			t.Errorf("%s has no instance", name)
		}
		for _, instance := range all[name] {
			if err := schema.Validate(toJSON(t, instance)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// What is not as the schema says is refused: each case breaks one property of a good instance.
func TestSchemasRefuse(t *testing.T) {
	compiler := schemaCompiler(t)
	all := instances(t)
	for _, c := range []struct {
		schema string
		path   string // of the property, by slashes
		value  any    // nil leaves the property out
	}{
		{"verification.json", "id", "acme/check"},
		{"verification.json", "id", "acme/check/a b"},
		{"verification.json", "reference", strings.Repeat("a", 129)},
		{"verification.json", "provider", "ac.me"},
		{"verification.json", "kind", "check.*"},
		{"verification.json", "status", "done"},
		{"verification.json", "applicant", nil},
		{"verification.json", "applicant", ""},
		{"verification.json", "version", 0},
		{"verification.json", "anomalies", []any{"odd"}},
		{"verification.json", "occurred_at", "yesterday"},
		{"verification.json", "signal/at", "2026-03-01"},
		{"verification.json", "signal/event", "a b"},
		{"verification.json", "signal/decoder", nil},
		{"verification-envelope.json", "specversion", "0.3"},
		{"verification-envelope.json", "type", "kyc.v1.verification.done"},
		{"verification-envelope.json", "dataschema", "https://schemas.verdict.example/v2/verification.json"},
		{"verification-envelope.json", "data/version", nil},
		{"webhook-envelope.json", "id", "acme:d 1:0123456789abcdef"},
		{"webhook-envelope.json", "sealkey", nil},
		{"webhook-envelope.json", "type", "kyc.webhook.acme.check.done"},
		{"outcome.json", "outcome", "lost"},
		{"outcome.json", "verifications", []any{"acme"}},
		{"rejection.json", "cause", "unkind"},
		{"rejection.json", "body_sha256", "0a"},
		{"problem.json", "status", 200},
		{"dead-letter.json", "cause", "In Words"},
		{"spool-horizon.json", "until", "yesterday"},
		{"audit-entry.json", "verb", "In Words"},
		{"redrive-request.json", "sequence", 0},
	} {
		schema, err := compiler.Compile(schemas.Base + c.schema)
		if err != nil {
			t.Fatal(err)
		}
		instance := toJSON(t, all[c.schema][0])
		breakProperty(instance.(map[string]any), strings.Split(c.path, "/"), toJSON(t, c.value))
		if err := schema.Validate(instance); err == nil {
			t.Errorf("%s accepts %v as %s", c.schema, c.value, c.path)
		}
	}
}

// A reader must not fail on a property that a later version adds.
func TestSchemasTolerateAdditions(t *testing.T) {
	compiler := schemaCompiler(t)
	for name, list := range instances(t) {
		schema, err := compiler.Compile(schemas.Base + name)
		if err != nil {
			t.Fatal(err)
		}
		instance := toJSON(t, list[0]).(map[string]any)
		instance["added"] = "later"
		if err := schema.Validate(instance); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func breakProperty(object map[string]any, path []string, value any) {
	for _, name := range path[:len(path)-1] {
		object = object[name].(map[string]any)
	}
	name := path[len(path)-1]
	if value == nil {
		delete(object, name)
		return
	}
	object[name] = value
}

// Between them the instances have every property that the schemas know, so that no part of a
// schema goes untried.
func TestInstancesHaveEveryProperty(t *testing.T) {
	filled := map[string]bool{}
	for name, list := range instances(t) {
		for _, instance := range list {
			collect(filled, name, toJSON(t, instance))
		}
	}
	for name, schema := range schemaFiles(t) {
		for property := range schema["properties"].(map[string]any) {
			if !filled[name+"/"+property] {
				t.Errorf("no instance of %s has a value of %s", name, property)
			}
		}
	}
	signal := schemaFiles(t)["verification.json"]["$defs"].(map[string]any)["signal"].(map[string]any)
	for property := range signal["properties"].(map[string]any) {
		if !filled["verification.json/signal/"+property] {
			t.Errorf("no instance has a value of the signal's %s", property)
		}
	}
}

// The properties of an envelope are those of the events, both ways; what is required is what
// an event has at the least.
func TestEnvelopesHaveThePropertiesOfTheirSchemas(t *testing.T) {
	v := sampleEvents(t)[0]
	w := event.Webhook{
		ID: event.WebhookID("acme", "", nil), Provider: "acme", Event: "check_done", Instance: "test",
		ReceivedAt: sampleTime, SealKey: "key", Sealed: []byte("sealed"),
	}
	for name, envelope := range map[string]func(traceparent string) any{
		"verification-envelope.json": func(trace string) any {
			e := must(v.Envelope("test", "noted", trace))(t)
			if trace != "" {
				e.SetExtension(event.Replay, "late-team")
			}
			return e
		},
		"webhook-envelope.json": func(trace string) any {
			w.Traceparent = trace
			return must(w.Envelope())(t)
		},
	} {
		schema := schemaFiles(t)[name]
		if diff := cmp.Diff(keysOf(schema["properties"]), keysOf(toJSON(t, envelope(sampleTrace)))); diff != "" {
			t.Errorf("properties differ (-%s +event):\n%s", name, diff)
		}
		if diff := cmp.Diff(stringsOf(schema["required"]), keysOf(toJSON(t, envelope("")))); diff != "" {
			t.Errorf("required properties differ (-%s +event):\n%s", name, diff)
		}
	}
}

func TestEnvelopeTypesAreTheEventStatuses(t *testing.T) {
	var want []string
	for _, status := range verification.EventStatuses() {
		want = append(want, "kyc.v1.verification."+status)
	}
	properties := schemaFiles(t)["verification-envelope.json"]["properties"].(map[string]any)
	if diff := cmp.Diff(sorted(want), stringsOf(properties["type"].(map[string]any)["enum"])); diff != "" {
		t.Errorf("types differ (-statuses +schema):\n%s", diff)
	}
}

func schemaCompiler(t *testing.T) *jsonschema.Compiler {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	for name := range schemaFiles(t) {
		text, err := schemas.Files.ReadFile("v1/" + name)
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource(schemas.Base+name, document); err != nil {
			t.Fatal(err)
		}
	}
	return compiler
}

// collect notes every property that has a value other than null, false, zero or empty.
func collect(filled map[string]bool, path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			collect(filled, path+"/"+name, member)
		}
		filled[path] = true
	case []any:
		filled[path] = filled[path] || len(v) > 0
	default:
		filled[path] = filled[path] || !slices.Contains([]any{nil, false, json.Number("0"), ""}, v)
	}
}

// toJSON returns a value as a reader of its JSON sees it.
func toJSON(t *testing.T, value any) any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func keysOf(object any) []string {
	return slices.Sorted(maps.Keys(object.(map[string]any)))
}
