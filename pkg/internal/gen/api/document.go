package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/verdict-stream/verdict/schemas"
)

// document is openapi.yaml. What is of the type any is not made into code: it is for readers, and for the tests of the server.
type document struct {
	OpenAPI, Info, Servers, Security, Tags any
	Paths                                  map[string]struct {
		Parameters []parameter
		Get        struct {
			Parameters                                      []parameter
			OperationID                                     any `yaml:"operationId"`
			Tags, Summary, Description, Security, Responses any
		}
		// Post takes a body and no parameters but those of the path.
		Post struct {
			OperationID                                     any `yaml:"operationId"`
			RequestBody                                     any `yaml:"requestBody"`
			Tags, Summary, Description, Security, Responses any
		}
	}
	Components struct {
		Parameters         map[string]parameter
		Schemas            map[string]schema
		SecuritySchemes    any `yaml:"securitySchemes"`
		Headers, Responses any
		RequestBodies      any `yaml:"requestBodies"`
	}
}

type parameter struct {
	Ref         string `yaml:"$ref"`
	Name, In    string
	Required    bool
	Description string
	Schema      schema
}

// schema has the keywords that are known.
type schema struct {
	Ref         string            `yaml:"$ref"`
	Description string            `yaml:"description"`
	Type        any               `yaml:"type"` // one, or a list of them
	Format      string            `yaml:"format"`
	Const       any               `yaml:"const"`
	Enum        []string          `yaml:"enum"`
	Default     any               `yaml:"default"`
	Pattern     string            `yaml:"pattern"`
	MinLength   *int              `yaml:"minLength"`
	MaxLength   *int              `yaml:"maxLength"`
	Minimum     *int64            `yaml:"minimum"`
	Maximum     *int64            `yaml:"maximum"`
	Above       *int64            `yaml:"exclusiveMinimum"`
	Items       *schema           `yaml:"items"`
	Properties  map[string]schema `yaml:"properties"`
	Required    []string          `yaml:"required"`
	AllOf       []schema          `yaml:"allOf"`
	AnyOf       []schema          `yaml:"anyOf"`
}

// forms are what a schema can be, with the keywords that it can have then besides a description. Bounds are no part of a type: tests
// hold the answers to them, and the tables the parameters.
var forms = map[string][]string{
	"reference": {"$ref"},
	"joined":    {"allOf"},
	"choice":    {"anyOf"},
	"constant":  {"const"},
	"names":     {"enum", "type"},
	"object":    {"type", "properties", "required"},
	"array":     {"type", "items"},
	"string":    {"type", "minLength", "maxLength", "pattern"},
	"date-time": {"type", "format"},
	"boolean":   {"type", "default"},
	"integer":   {"type", "minimum", "maximum", "default"},
	"number":    {"type", "exclusiveMinimum"},
}

// form says what a schema is, and whether its value may be null.
func (s schema) form() (form string, nullable bool, err error) {
	kind := fmt.Sprint(s.Type)
	if several, ok := s.Type.([]any); ok && len(several) == 2 && several[1] == "null" {
		kind, nullable = fmt.Sprint(several[0]), true
	}
	switch {
	case s.Ref != "":
		form = "reference"
	case s.AllOf != nil:
		form = "joined"
	case s.AnyOf != nil:
		form = "choice"
	case s.Const != nil:
		form = "constant"
	case s.Enum != nil && kind == "string":
		form = "names"
	case s.Format != "" && kind == "string":
		form = s.Format
	default:
		form = kind
	}
	allowed, ok := forms[form]
	if !ok {
		return "", false, fmt.Errorf("a schema of the form %s is not understood", form)
	}
	for field, value := range reflect.ValueOf(s).Fields() {
		if keyword := field.Tag.Get("yaml"); keyword != "description" && !value.IsZero() && !slices.Contains(allowed, keyword) {
			return "", false, fmt.Errorf("%s is not understood in a schema of the form %s", keyword, form)
		}
	}
	return form, nullable, nil
}

func parse(text []byte) (*document, error) {
	var d document
	return &d, strictly(text, &d)
}

// strictly reads YAML or JSON, and refuses names for which there is no place.
func strictly(text []byte, into any) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	return decoder.Decode(into)
}

// ownSchemas and ownParameters begin the references to what the document itself has.
const (
	ownSchemas    = "#/components/schemas/"
	ownParameters = "#/components/parameters/"
)

var errNothingThere = errors.New("there is no such place")

// follow returns what a reference leads to.
func (d *document) follow(ref string) (schema, error) {
	var found schema
	if name, own := strings.CutPrefix(ref, ownSchemas); own {
		found, ok := d.Components.Schemas[name]
		if !ok {
			return found, fmt.Errorf("%s: %w", ref, errNothingThere)
		}
		return found, nil
	}
	file, pointer, _ := strings.Cut(ref, "#/")
	text, err := schemas.Files.ReadFile(file)
	if err != nil {
		return found, err
	}
	for name := range strings.SplitSeq(pointer, "/") {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(text, &object); err != nil {
			return found, fmt.Errorf("%s: %w", ref, err)
		}
		if text = object[name]; text == nil {
			return found, fmt.Errorf("%s: %w", ref, errNothingThere)
		}
	}
	return found, strictly(text, &found)
}
