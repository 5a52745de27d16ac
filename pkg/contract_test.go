// Package pkg_test holds what no single package can hold: the Go types against the published
// schemas, and the packages against the boundaries between them.
package pkg_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/schemas"
)

// published lists the types whose JSON is published. The name of a type in kebab case is the
// name of its schema's file, and the end of the schema's id.
var published = []any{
	event.Verification{}, event.Outcome{}, event.Rejection{}, event.Problem{}, bus.DeadLetter{}, bus.AuditEntry{}, bus.SpoolHorizon{}, bus.RedriveRequest{},
}

// enveloped lists the types that are published as a CloudEvent; the schema of the event is
// named after the type, too.
var enveloped = []any{event.Verification{}, event.Webhook{}}

const envelopeSuffix = "-envelope"

func TestEverySchemaHasAType(t *testing.T) {
	var want []string
	for _, value := range published {
		want = append(want, kebab(reflect.TypeOf(value).Name())+".json")
	}
	for _, value := range enveloped {
		want = append(want, kebab(reflect.TypeOf(value).Name())+envelopeSuffix+".json")
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(schemaFiles(t)))); diff != "" {
		t.Errorf("types and schema files differ (-types +files):\n%s", diff)
	}
}

func TestSchemaIDs(t *testing.T) {
	for name, schema := range schemaFiles(t) {
		if got, want := schema["$id"], schemas.Base+name; got != want {
			t.Errorf("%s has the id %v, want %s", name, got, want)
		}
		if got, want := schema["$schema"], jsonschema.Draft2020.String(); got != want {
			t.Errorf("%s is written in %v, want %s", name, got, want)
		}
		if _, closed := schema["additionalProperties"]; closed {
			t.Errorf("%s must stay open: optional properties may be added", name)
		}
	}
	if got, want := event.VerificationSchema, schemas.Base+"verification.json"; got != want {
		t.Errorf("events name the schema %s, want %s", got, want)
	}
}

func TestSchemasHaveTheShapeOfTheirTypes(t *testing.T) {
	files := schemaFiles(t)
	for _, value := range published {
		typ := reflect.TypeOf(value)
		name := kebab(typ.Name()) + ".json"
		t.Run(name, func(t *testing.T) {
			want := typeShape(t, typ, "")
			got := schemaReader{t, files}.shape(name, files[name])
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("shapes differ (-%s +%s):\n%s", typ, name, diff)
			}
		})
	}
}

// schemaFiles returns the published schemas by the names of their files.
func schemaFiles(t *testing.T) map[string]map[string]any {
	t.Helper()
	files := map[string]map[string]any{}
	err := fs.WalkDir(schemas.Files, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := schemas.Files.ReadFile(file)
		if err != nil {
			return err
		}
		var schema map[string]any
		if err := json.Unmarshal(text, &schema); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		files[path.Base(file)] = schema
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// kebab writes the name of a Go type in lower case with hyphens: `DeadLetter` is
// `dead-letter`.
func kebab(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// The documents are made of the schemas, so each property says what it means.
func TestEveryPropertyIsDescribed(t *testing.T) {
	for name, schema := range schemaFiles(t) {
		described(t, name, schema)
	}
}

func described(t *testing.T, at string, schema map[string]any) {
	t.Helper()
	properties, _ := schema["properties"].(map[string]any)
	for name, property := range properties {
		text, _ := property.(map[string]any)["description"].(string)
		if _, refers := property.(map[string]any)["$ref"]; text == "" && !refers {
			t.Errorf("%s/%s has no description", at, name)
		}
	}
	defs, _ := schema["$defs"].(map[string]any)
	for name, def := range defs {
		described(t, at+"#"+name, def.(map[string]any))
	}
}
