package main

import (
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/schemas"
)

// made returns what is made of a description, parameters after answers.
func made(text string) (string, error) {
	d, err := parse([]byte(text))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := d.answers(&b); err != nil {
		return "", err
	}
	err = d.parameters(&b)
	return b.String(), err
}

func TestContractIsUnderstood(t *testing.T) {
	if _, err := made(string(schemas.OpenAPI)); err != nil {
		t.Fatal(err)
	}
}

// Each line is a schema of its own, a property of an object, or a parameter of a query.
func TestWhatIsMade(t *testing.T) {
	for name, test := range map[string]struct{ kind, text, want string }{
		"text":              {"property", "{ type: string, minLength: 1, pattern: x }", "A string `json:\"a\"`"},
		"text or null":      {"property", "{ type: [string, 'null'] }", "A *string `json:\"a\"`"},
		"time or null":      {"property", "{ type: [string, 'null'], format: date-time }", "A *time.Time `"},
		"list or null":      {"property", "{ type: [array, 'null'], items: { type: boolean } }", "A []bool `"},
		"name or null":      {"property", "{ anyOf: [{ $ref: '#/components/schemas/OutcomeName' }, { type: 'null' }] }", "A *event.OutcomeName `"},
		"schema of ours":    {"property", "{ $ref: '#/components/schemas/Named' }", "A Named `"},
		"text of ours":      {"property", "{ $ref: '#/components/schemas/Text' }", "A string `"},
		"schema elsewhere":  {"property", "{ $ref: 'v1/verification.json#/$defs/status' }", "A verification.Status `"},
		"described":         {"property", "{ description: What it is., type: string }", "// What it is.\nA string `"},
		"optional property": {"schema", "{ type: object, properties: { b_id: { type: integer } } }", "BID int `json:\"b_id,omitzero\"`"},
		"fraction or null":  {"property", "{ type: [number, 'null'], exclusiveMinimum: 0 }", "A *float64 `json:\"a\"`"},
		"embedded":          {"schema", "{ allOf: [{ $ref: v1/verification.json }, { type: object }] }", "type Tested struct {\nevent.Verification\n}"},
		"closed list":       {"schema", "{ type: string, enum: [not_found] }", "TestedNotFound Tested = \"not_found\""},
		"number":            {"query", "{ type: integer, minimum: 1, maximum: 5, default: 2 }", `number: true, minimum: 1, maximum: 5, byDefault: "2"`},
		"list elsewhere":    {"query", "{ $ref: 'v1/verification.json#/properties/scope' }", `enum: []string{"case", "step"}`},

		"unknown keyword":            {"schema", "{ type: object, additionalProperties: false }", "ERROR additionalProperties"},
		"unknown keyword below":      {"property", "{ type: array, items: { type: string, uniqueItems: true } }", "ERROR uniqueItems"},
		"unknown type":               {"property", "{ type: 'null' }", "ERROR form null"},
		"unknown format":             {"property", "{ type: string, format: uuid }", "ERROR form uuid"},
		"no type":                    {"property", "{ minimum: 1 }", "ERROR not understood"},
		"several types":              {"property", "{ type: [string, integer] }", "ERROR not understood"},
		"bound of another type":      {"property", "{ type: string, minimum: 1 }", "ERROR minimum"},
		"beside a reference":         {"property", "{ $ref: '#/components/schemas/Text', maxLength: 1 }", "ERROR maxLength"},
		"beside a conjunction":       {"schema", "{ allOf: [{ type: object }], properties: {} , required: [a] }", "ERROR properties"},
		"choice":                     {"property", "{ anyOf: [{ type: string }, { type: integer }] }", "ERROR choices"},
		"object without a name":      {"property", "{ type: object }", "ERROR must have a name"},
		"list without a name":        {"property", "{ type: string, enum: [a] }", "ERROR must have a name"},
		"default in an answer":       {"property", "{ type: boolean, default: true }", "ERROR default"},
		"array of anything":          {"property", "{ type: array }", "ERROR array of what"},
		"text as a part":             {"schema", "{ allOf: [{ type: string }] }", "ERROR has no fields"},
		"required and not there":     {"schema", "{ type: object, required: [b] }", "ERROR b: there is no such place"},
		"reference to nothing":       {"property", "{ $ref: '#/components/schemas/None' }", "ERROR no such place"},
		"elsewhere without a type":   {"property", "{ $ref: 'v1/verification.json#/$defs/by' }", "ERROR no type is named"},
		"query of fractions":         {"query", "{ type: number, exclusiveMinimum: 0 }", "ERROR such bounds"},
		"query of numbers unbounded": {"query", "{ type: integer }", "ERROR such bounds"},
		"query of texts unbounded":   {"query", "{ type: string, minLength: 1 }", "ERROR such bounds"},
		"pattern without words":      {"query", "{ type: string, pattern: x }", "ERROR such a description"},
		"query of null":              {"query", "{ type: [boolean, 'null'] }", "ERROR null"},
		"query of lists":             {"query", "{ type: array, items: { type: string } }", "ERROR not understood in a query"},
		"query elsewhere":            {"query", "{ $ref: 'v1/verification.json#/$defs/none' }", "ERROR no such place"},
		"required in a query":        {"parameter", "{ name: q, in: query, required: true, schema: { type: boolean } }", "ERROR left out"},
		"parameter in a cookie":      {"parameter", "{ name: q, in: cookie, schema: { type: boolean } }", "ERROR left out"},
		"parameter of another kind":  {"parameter", "{ name: q, in: query, style: form, schema: { type: boolean } }", "ERROR style"},
		"beside a parameter":         {"parameter", "{ $ref: '#/components/parameters/P', required: true }", "ERROR no such place"},
	} {
		t.Run(name, func(t *testing.T) {
			schema, parameter := "{ type: boolean }", "{ name: q, in: query, schema: { type: boolean } }"
			switch test.kind {
			case "property":
				schema = "{ type: object, required: [a], properties: { a: " + test.text + " } }"
			case "query":
				parameter = "{ name: q, in: query, schema: " + test.text + " }"
			case "parameter":
				parameter = test.text
			default:
				schema = test.text
			}
			code, err := made("paths: { /a: { get: { parameters: [" + parameter + "] } } }\n" +
				"components:\n" +
				"  parameters: { P: { name: p, in: query, schema: { type: boolean } } }\n" +
				"  schemas: { Tested: " + schema + ", Named: { type: object }, Text: { type: string } }\n")
			if want, fails := strings.CutPrefix(test.want, "ERROR "); fails {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %v, made:\n%s", err, code)
				}
			} else if err != nil || !strings.Contains(code, want) {
				t.Errorf("not made: %v\n%s", err, code)
			}
		})
	}
}

// A description with a method or a part that the program does not know is not read at all.
func TestUnknownParts(t *testing.T) {
	for _, text := range []string{
		"paths: { /a: { put: {} } }", "paths: { /a: { post: { parameters: [] } } }", "paths: { /a: { get: { requestBody: {} } } }", "components: { links: {} }", "webhooks: {}",
	} {
		if _, err := made(text); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}
