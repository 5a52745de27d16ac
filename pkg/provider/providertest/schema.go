package providertest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
	"github.com/verdict-stream/verdict/schemas"
)

// schema publishes what every sample says, and compares the events with their schema.
func (s *suite) schema(t *testing.T) {
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	compiler.UseLoader(schemaFiles{})
	envelope, err := compiler.Compile(schemas.Base + "verification-envelope.json")
	if err != nil {
		t.Fatal(err)
	}
	s.each(t, func(t *testing.T, sample sample, signed provider.Signed) {
		token := s.Token(sample.event.Name)
		decoded, err := s.Decode(provider.Delivery{Event: token, Body: signed.Body})
		if err != nil {
			return // what is not decoded makes no event; whether it should be is for the golden files
		}
		for i, e := range decoded.Elements {
			text := s.event(t, token, e)
			document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			if err := envelope.Validate(document); err != nil {
				t.Errorf("event of element %d: %v", i, err)
			}
		}
	})
}

// event is the JSON of the event that the first signal of a verification makes.
func (s *suite) event(t *testing.T, token string, e provider.Element) []byte {
	t.Helper()
	kind, ok := s.Kind(e.Kind)
	if !ok {
		t.Fatalf("kind %q is not the provider's", e.Kind)
	}
	signal := e.Signal
	if err := kind.Fill(&signal); err != nil {
		t.Fatal(err)
	}
	signal.Event, signal.Unknown = token, e.Unknown
	signal.Received(1, storyNow, event.WebhookID(s.Name, "", []byte(signal.ID)))
	record := verification.Record{ID: verification.NewID(s.Name, e.Kind, e.Reference), Sandbox: signal.Sandbox}
	change, err := kind.Apply(&record, signal)
	if err != nil {
		t.Fatal(err)
	}
	v := event.NewVerification(record.ID, kind.Scope, *change)
	envelope, err := v.Envelope("check", change.Event, "")
	if err != nil {
		t.Fatalf("the event cannot be published: %v", err)
	}
	text, err := json.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// schemaFiles reads the schemas by their ids.
type schemaFiles struct{}

// Load returns the schema of the id.
func (schemaFiles) Load(id string) (any, error) {
	name, ok := strings.CutPrefix(id, schemas.Base)
	if !ok {
		return nil, fmt.Errorf("no schema %s", id)
	}
	file, err := schemas.Files.Open("v1/" + name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return jsonschema.UnmarshalJSON(file)
}
