package pkg_test

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// shape is what a Go type and a JSON Schema can both say of a value.
type shape struct {
	Types    []string // JSON types, sorted
	Enum     []string // sorted; empty where every text is allowed
	Format   string
	Required []string // sorted
	Fields   map[string]shape
	Items    *shape
}

// enums are the closed lists of the named string types.
var enums = map[reflect.Type][]string{
	reflect.TypeFor[verification.Status]():   texts(verification.Statuses),
	reflect.TypeFor[verification.By]():       {string(verification.ByAutomation), string(verification.ByHuman)},
	reflect.TypeFor[verification.Scope]():    {string(verification.Case), string(verification.Step)},
	reflect.TypeFor[verification.Category](): texts(verification.Categories),
	reflect.TypeFor[event.OutcomeName]():     texts(event.Outcomes),
	reflect.TypeFor[event.Cause]():           texts(event.Causes),
}

// listed are the closed lists of the properties whose elements are plain strings.
var listed = map[string][]string{"anomalies": verification.Anomalies}

// typeShape is the shape of the JSON of a Go type; property is the name of the property that
// holds it.
func typeShape(t *testing.T, typ reflect.Type, property string) shape {
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return shape{Types: []string{"string"}, Format: "date-time"}
	case enums[typ] != nil:
		return shape{Types: []string{"string"}, Enum: sorted(enums[typ])}
	}
	switch typ.Kind() {
	case reflect.Pointer:
		s := typeShape(t, typ.Elem(), property)
		s.Types = sorted(append(slices.Clone(s.Types), "null"))
		return s
	case reflect.Struct:
		return structShape(t, typ)
	case reflect.Slice:
		items := typeShape(t, typ.Elem(), property)
		if typ.Elem() == reflect.TypeFor[string]() {
			items.Enum = sorted(listed[property])
		}
		return shape{Types: []string{"array"}, Items: &items}
	case reflect.String:
		if typ != reflect.TypeFor[string]() {
			t.Errorf("property %s: the values of %s are not listed", property, typ)
		}
		return shape{Types: []string{"string"}}
	case reflect.Bool:
		return shape{Types: []string{"boolean"}}
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return shape{Types: []string{"integer"}}
	default:
		t.Errorf("property %s has the type %s, which has no shape", property, typ)
		return shape{}
	}
}

// structShape describes the fields of a struct. A field that is left out when empty is not
// required, and never null.
func structShape(t *testing.T, typ reflect.Type) shape {
	s := shape{Types: []string{"object"}, Fields: map[string]shape{}}
	for i := range typ.NumField() {
		field := typ.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || field.Anonymous || !field.IsExported() {
			t.Errorf("%s.%s has no name in JSON", typ, field.Name)
			continue
		}
		fieldType := field.Type
		switch {
		case options == "omitempty" && fieldType.Kind() == reflect.Pointer:
			fieldType = fieldType.Elem()
		case options == "":
			s.Required = append(s.Required, name)
		case options != "omitempty":
			t.Errorf("%s.%s has the option %s, which has no shape", typ, field.Name, options)
		}
		s.Fields[name] = typeShape(t, fieldType, name)
	}
	slices.Sort(s.Required)
	return s
}

// schemaReader reads the shapes of schemas that refer to each other.
type schemaReader struct {
	t     *testing.T
	files map[string]map[string]any
}

// shape describes a schema that stands in the given file.
func (r schemaReader) shape(file string, schema map[string]any) shape {
	if ref, ok := schema["$ref"].(string); ok {
		return r.shape(r.resolve(file, ref)).and(r.t, file, r.shape(file, beside(schema)))
	}
	if choice, ok := schema["anyOf"].([]any); ok {
		return r.nullable(file, choice)
	}
	s := shape{
		Types: stringsOf(schema["type"]), Enum: stringsOf(schema["enum"]), Required: stringsOf(schema["required"]),
	}
	s.Format, _ = schema["format"].(string)
	if properties, ok := schema["properties"].(map[string]any); ok {
		s.Fields = map[string]shape{}
		for name, property := range properties {
			s.Fields[name] = r.shape(file, property.(map[string]any))
		}
	}
	if elements, ok := schema["items"].(map[string]any); ok {
		items := r.shape(file, elements)
		s.Items = &items
	}
	return s
}

// beside returns what stands beside a reference, which holds as well as what it refers to.
func beside(schema map[string]any) map[string]any {
	schema = maps.Clone(schema)
	delete(schema, "$ref")
	return schema
}

// and returns the shape of a value that has both. Only one of them may say what it allows of a thing: there is no telling of whether they
// agree.
func (s shape) and(t *testing.T, file string, other shape) shape {
	if s.Types != nil && other.Types != nil || s.Enum != nil && other.Enum != nil || s.Format != "" && other.Format != "" || s.Items != nil && other.Items != nil {
		t.Errorf("%s says of a reference what it says itself: %+v and %+v", file, s, other)
	}
	both := shape{
		Types: append(s.Types, other.Types...), Enum: append(s.Enum, other.Enum...), Format: s.Format + other.Format,
		Required: sorted(append(s.Required, other.Required...)), Fields: maps.Clone(s.Fields), Items: cmp.Or(s.Items, other.Items),
	}
	if both.Fields == nil && other.Fields != nil {
		both.Fields = map[string]shape{}
	}
	for name, field := range other.Fields {
		if known, ok := both.Fields[name]; ok {
			field = known.and(t, file+"/"+name, field)
		}
		both.Fields[name] = field
	}
	return both
}

// What stands beside a reference counts.
func TestShapeBesideAReference(t *testing.T) {
	word, number := map[string]any{"type": "string"}, map[string]any{"type": "integer"}
	files := map[string]map[string]any{"a.json": {"$defs": map[string]any{
		"word": word, "object": map[string]any{"type": "object", "required": []any{"a"}, "properties": map[string]any{"a": word}},
	}}}
	for name, test := range map[string]struct {
		schema map[string]any
		want   shape
	}{
		"words":  {map[string]any{"$ref": "#/$defs/word", "description": "A word."}, shape{Types: []string{"string"}}},
		"enum":   {map[string]any{"$ref": "#/$defs/word", "enum": []any{"b", "a"}}, shape{Types: []string{"string"}, Enum: []string{"a", "b"}}},
		"format": {map[string]any{"$ref": "#/$defs/word", "format": "date-time"}, shape{Types: []string{"string"}, Format: "date-time"}},
		"required": {map[string]any{"$ref": "#/$defs/object", "required": []any{"b"}, "properties": map[string]any{"b": number}}, shape{
			Types: []string{"object"}, Required: []string{"a", "b"},
			Fields: map[string]shape{"a": {Types: []string{"string"}}, "b": {Types: []string{"integer"}}},
		}},
	} {
		if diff := gocmp.Diff(test.want, schemaReader{t, files}.shape("a.json", test.schema)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// nullable reads a choice between a schema and null; there is no other choice in the schemas.
func (r schemaReader) nullable(file string, choice []any) shape {
	if len(choice) != 2 {
		r.t.Errorf("%s has a choice that is not one between a schema and null", file)
		return shape{}
	}
	s := r.shape(file, choice[0].(map[string]any))
	s.Types = sorted(append(s.Types, stringsOf(choice[1].(map[string]any)["type"])...))
	return s
}

// resolve finds what a reference points to, and the file it stands in.
func (r schemaReader) resolve(file, ref string) (string, map[string]any) {
	target, pointer, _ := strings.Cut(ref, "#")
	if target != "" {
		file = target
	}
	at := r.files[file]
	for _, name := range strings.FieldsFunc(pointer, func(c rune) bool { return c == '/' }) {
		at, _ = at[name].(map[string]any)
	}
	if at == nil {
		r.t.Errorf("%s refers to %s, which does not exist", file, ref)
	}
	return file, at
}

// stringsOf returns a text, or all texts of a list, sorted.
func stringsOf(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		var list []string
		for _, element := range v {
			text, _ := element.(string)
			list = append(list, text)
		}
		return sorted(list)
	default:
		return nil
	}
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}
