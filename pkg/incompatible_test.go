package pkg_test

import (
	"slices"
	"testing"
)

// Each change is made to the form that is published, and must be found, or let through.
func TestIncompatibilitiesAreFound(t *testing.T) {
	if broken := incompatibilities(readForm(t, frozen), readForm(t, frozen)); broken != nil {
		t.Fatalf("the form is incompatible with itself: %v", broken)
	}
	type object = map[string]any
	optional := object{"type": "string"}
	for name, test := range map[string]struct {
		change func(f form)
		breaks bool
	}{
		"optional property":        {func(f form) { dig(f, "v1/verification.json", "properties")["added"] = optional }, false},
		"optional nested property": {func(f form) { dig(f, "v1/verification.json", "$defs", "signal", "properties")["added"] = optional }, false},
		"other words":              {func(f form) { dig(f, "v1/verification.json", "properties", "id")["description"] = "Other." }, false},
		"another schema":           {func(f form) { f["v1/added.json"] = object{"type": "object"} }, false},
		"another path":             {func(f form) { dig(f, "openapi.yaml", "paths")["/v1/added"] = object{"get": object{}} }, false},
		"another channel":          {func(f form) { dig(f, "asyncapi.yaml", "channels")["added"] = object{"address": "kyc.v1.added"} }, false},
		"internal channel moved":   {func(f form) { dig(f, "asyncapi.yaml", "channels", "outcomes")["address"] = "kyc.ended" }, false},
		"reference written out":    {func(f form) { writeOut(f) }, false},
		"optional parameter":       {func(f form) { addParameter(f, false) }, false},
		"optional answer property": {func(f form) {
			dig(f, "openapi.yaml", "components", "schemas", "Delivery", "properties")["added"] = optional
		}, false},
		"schema gone":              {func(f form) { delete(f, "v1/outcome.json") }, true},
		"id changed":               {func(f form) { f["v1/outcome.json"]["$id"] = "https://schemas.verdict.example/v2/outcome.json" }, true},
		"property gone":            {func(f form) { delete(dig(f, "v1/verification.json", "properties"), "attempt") }, true},
		"nested property gone":     {func(f form) { delete(dig(f, "v1/verification.json", "$defs", "reason", "properties"), "code") }, true},
		"optional property gone":   {func(f form) { delete(dig(f, "v1/verification.json", "$defs", "signal", "properties"), "due") }, true},
		"property renamed":         {func(f form) { rename(dig(f, "v1/verification.json", "properties"), "overdue", "late") }, true},
		"required property added":  {func(f form) { require(f, "v1/verification.json", "added") }, true},
		"optional became required": {func(f form) { require(f, "v1/verification-envelope.json", "traceparent") }, true},
		"required became optional": {func(f form) { f["v1/outcome.json"]["required"] = []any{"delivery"} }, true},
		"type changed":             {func(f form) { dig(f, "v1/verification.json", "properties", "attempt")["type"] = "string" }, true},
		"null allowed":             {func(f form) { dig(f, "v1/verification.json", "properties", "final")["type"] = []any{"boolean", "null"} }, true},
		"null forbidden":           {func(f form) { dig(f, "v1/verification.json", "properties", "applicant")["type"] = "string" }, true},
		"choice changed": {func(f form) {
			dig(f, "v1/verification.json", "properties", "decision")["anyOf"] = []any{object{"type": "null"}}
		}, true},
		"status added":    {func(f form) { extend(dig(f, "v1/verification.json", "$defs", "status"), "enum", "decided") }, true},
		"cause added":     {func(f form) { extend(dig(f, "v1/problem.json", "properties", "cause"), "enum", "unkind") }, true},
		"pattern changed": {func(f form) { dig(f, "v1/verification.json", "properties", "kind")["pattern"] = "^x$" }, true},
		"bound added":     {func(f form) { dig(f, "v1/verification.json", "properties", "attempt")["maximum"] = 9 }, true},
		"format gone":     {func(f form) { delete(dig(f, "v1/verification.json", "properties", "occurred_at"), "format") }, true},
		"closed":          {func(f form) { f["v1/verification.json"]["additionalProperties"] = false }, true},
		"elements changed": {func(f form) {
			dig(f, "v1/outcome.json", "properties", "verifications")["items"] = object{"type": "integer"}
		}, true},
		"path gone":          {func(f form) { delete(dig(f, "openapi.yaml", "paths"), "/v1/stats") }, true},
		"parameter gone":     {func(f form) { dig(f, "openapi.yaml", "paths", "/v1/stats", "get")["parameters"] = nil }, true},
		"parameter bounded":  {func(f form) { dig(f, "openapi.yaml", "components", "parameters", "Limit", "schema")["maximum"] = 100 }, true},
		"required parameter": {func(f form) { addParameter(f, true) }, true},
		"answer gone":        {func(f form) { delete(dig(f, "openapi.yaml", "paths", "/v1/stats", "get", "responses"), "200") }, true},
		"answer of another type": {func(f form) {
			rename(dig(f, "openapi.yaml", "paths", "/v1/stats", "get", "responses", "200", "content"), "application/json", "text/csv")
		}, true},
		"answer property gone": {func(f form) {
			delete(dig(f, "openapi.yaml", "components", "schemas", "Delivery", "properties"), "cause")
		}, true},
		"header of an answer gone": {func(f form) {
			delete(dig(f, "openapi.yaml", "paths", "/v1/stats", "get", "responses", "200", "headers"), "ETag")
		}, true},
		"channel gone":               {func(f form) { delete(dig(f, "asyncapi.yaml", "channels"), "sandbox") }, true},
		"subject changed":            {func(f form) { dig(f, "asyncapi.yaml", "channels", "verifications")["address"] = "kyc.v1.{provider}" }, true},
		"stream changed":             {func(f form) { dig(f, "asyncapi.yaml", "channels", "verifications")["x-stream"] = "KYC" }, true},
		"made internal":              {func(f form) { dig(f, "asyncapi.yaml", "channels", "verifications")["x-internal"] = true }, true},
		"status of subjects changed": {func(f form) { extend(dig(f, "asyncapi.yaml", "components", "parameters", "status"), "enum", "late") }, true},
		"header gone": {func(f form) {
			delete(dig(f, "asyncapi.yaml", "components", "schemas", "verificationHeaders", "properties"), "ce-id")
		}, true},
		"payload of another schema": {func(f form) {
			dig(f, "asyncapi.yaml", "components", "messages", "verification")["payload"] = object{"$ref": "./v1/outcome.json"}
		}, true},
		"event of the stream gone": {func(f form) { delete(dig(f, "openapi.yaml", "components", "schemas"), "StreamEvent") }, true},
		"event of the stream without its parts": {func(f form) {
			delete(dig(f, "openapi.yaml", "components", "schemas", "StreamEvent"), "allOf")
		}, true},
		"event of the stream changed": {func(f form) {
			part := dig(f, "openapi.yaml", "components", "schemas", "StreamEvent")["allOf"].([]any)[1].(object)
			part["properties"].(object)["sequence"].(object)["type"] = "string"
		}, true},
		"event of the stream not described": {func(f form) {
			delete(dig(f, "openapi.yaml", "paths", "/v1/stream", "get", "responses", "200", "content", "text/event-stream", "schema"), "contentSchema")
		}, true},
		"required beside a reference": {func(f form) {
			dig(f, "v1/verification.json", "properties", "signal")["required"] = []any{"due"}
		}, true},
		"required beside a reference to what requires nothing": {func(f form) {
			delete(dig(f, "v1/verification.json", "$defs", "signal"), "required")
			dig(f, "v1/verification.json", "properties", "signal")["required"] = []any{"due"}
		}, true},
		"enum beside a reference": {func(f form) {
			dig(f, "v1/verification.json", "properties", "status")["enum"] = []any{"approved"}
		}, true},
		"bound beside a reference": {func(f form) { dig(f, "v1/verification.json", "properties", "signal")["maxProperties"] = 3 }, true},
		"words beside a reference": {func(f form) { dig(f, "v1/verification.json", "properties", "status")["description"] = "Other." }, false},
		"reference in a bound": {func(f form) {
			dig(f, "v1/verification.json", "properties", "signal")["not"] = object{"$ref": "#/$defs/decision"}
		}, true},
		"second message": {func(f form) {
			dig(f, "asyncapi.yaml", "channels", "verifications", "messages")["added"] = object{"$ref": "#/components/messages/outcome"}
		}, true},
		"message renamed": {func(f form) {
			rename(dig(f, "asyncapi.yaml", "channels", "sandbox", "messages"), "verification", "verdict")
		}, true},
		"second message of an internal channel": {func(f form) {
			dig(f, "asyncapi.yaml", "channels", "outcomes", "messages")["added"] = object{"$ref": "#/components/messages/canary"}
		}, false},
		"content type changed": {func(f form) {
			dig(f, "asyncapi.yaml", "components", "messages", "verification")["contentType"] = "application/cloudevents+json"
		}, true},
		"content type said of all": {func(f form) { delete(dig(f, "asyncapi.yaml", "components", "messages", "verification"), "contentType") }, false},
		"content type of all changed": {func(f form) {
			delete(dig(f, "asyncapi.yaml", "components", "messages", "verification"), "contentType")
			f["asyncapi.yaml"]["defaultContentType"] = "text/plain"
		}, true},
		"operation renamed":  {func(f form) { dig(f, "openapi.yaml", "paths", "/v1/stats", "get")["operationId"] = "readStats" }, true},
		"security of all":    {func(f form) { f["openapi.yaml"]["security"] = []any{} }, true},
		"security of a path": {func(f form) { dig(f, "openapi.yaml", "paths", "/v1/stats", "get")["security"] = []any{} }, true},
		"security of a path said again": {func(f form) {
			dig(f, "openapi.yaml", "paths", "/v1/stats", "get")["security"] = []any{object{"token": []any{}}}
		}, false},
		"security of an open path": {func(f form) { delete(dig(f, "openapi.yaml", "paths", "/livez", "get"), "security") }, true},
		"another kind of token": {func(f form) {
			dig(f, "openapi.yaml", "components", "securitySchemes", "token")["scheme"] = "basic"
		}, true},
		"token gone": {func(f form) { delete(dig(f, "openapi.yaml", "components", "securitySchemes"), "token") }, true},
		"parameter written otherwise": {func(f form) {
			dig(f, "openapi.yaml", "components", "parameters", "Status")["style"] = "spaceDelimited"
		}, true},
		"reference to what is absent": {func(f form) { dig(f, "v1/verification.json", "properties", "status")["$ref"] = "#/$defs/state" }, true},
	} {
		changed := readForm(t, frozen)
		test.change(changed)
		broken := incompatibilities(readForm(t, frozen), changed)
		if (len(broken) > 0) != test.breaks {
			t.Errorf("%s: found %v", name, broken)
		}
	}
}

// dig returns an object in a form.
func dig(f form, file string, names ...string) map[string]any {
	at := f[file]
	for _, name := range names {
		at = at[name].(map[string]any)
	}
	return at
}

func rename(object map[string]any, from, to string) {
	object[to] = object[from]
	delete(object, from)
}

func extend(object map[string]any, list, value string) {
	object[list] = append(slices.Clone(object[list].([]any)), value)
}

func require(f form, file, property string) {
	properties := dig(f, file, "properties")
	if properties[property] == nil {
		properties[property] = map[string]any{"type": "string"}
	}
	extend(f[file], "required", property)
}

// writeOut replaces a reference by what it refers to.
func writeOut(f form) {
	status := dig(f, "v1/verification.json", "properties", "status")
	delete(status, "$ref")
	for keyword, value := range dig(f, "v1/verification.json", "$defs", "status") {
		status[keyword] = value
	}
}

func addParameter(f form, required bool) {
	stats := dig(f, "openapi.yaml", "paths", "/v1/stats", "get")
	stats["parameters"] = append(slices.Clone(stats["parameters"].([]any)), map[string]any{
		"name": "added", "in": "query", "required": required, "schema": map[string]any{"type": "string"},
	})
}
