package api

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/verdict-stream/verdict/schemas"
)

// contract is openapi.yaml, as these tests read it.
type contract struct {
	files    map[string]map[string]any // by the path below the folder of schemas
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
	routes   *http.ServeMux
}

const openAPI = "openapi.yaml"

// theContract is read once for all tests.
var theContract = sync.OnceValues(func() (*contract, error) {
	c := &contract{
		files: map[string]map[string]any{}, compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{},
		routes: http.NewServeMux(),
	}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	var written map[string]any
	if err := yaml.Unmarshal(schemas.OpenAPI, &written); err != nil {
		return nil, err
	}
	text, err := json.Marshal(written)
	if err != nil {
		return nil, err
	}
	if err := c.add(openAPI, text); err != nil {
		return nil, err
	}
	names, err := fs.Glob(schemas.Files, "v1/*.json")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := schemas.Files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if err := c.add(name, text); err != nil {
			return nil, err
		}
	}
	for route := range c.paths() {
		c.routes.Handle(route, http.NotFoundHandler())
	}
	return c, nil
})

func (c *contract) add(name string, text []byte) error {
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		return err
	}
	c.files[name], _ = document.(map[string]any)
	return c.compiler.AddResource(schemas.Root+name, document)
}

func theContractOf(t *testing.T) *contract {
	t.Helper()
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *contract) paths() map[string]any { return member(c.files[openAPI], "paths") }

// operation returns the description of a method on a path, or of the other where it has none of that.
func (c *contract) operation(route, method string) map[string]any {
	item, _ := c.paths()[route].(map[string]any)
	if item["get"] == nil || method == http.MethodPost && item["post"] != nil {
		return member(item, "post")
	}
	return member(item, "get")
}

// operations are the names of all that can be done, as "GET /v1/stats".
func (c *contract) operations() (all []string) {
	for _, route := range sortedKeys(c.paths()) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if item, _ := c.paths()[route].(map[string]any); item[strings.ToLower(method)] != nil {
				all = append(all, method+" "+route)
			}
		}
	}
	return all
}

// parameters returns the parameters of a path that lie in the query, the path or the headers, by name.
func (c *contract) parameters(route, in string) map[string]map[string]any {
	all := map[string]map[string]any{}
	item, _ := c.paths()[route].(map[string]any)
	for _, holder := range []map[string]any{item, c.operation(route, http.MethodGet)} {
		given, _ := holder["parameters"].([]any)
		for _, one := range given {
			_, parameter := c.resolved(openAPI, one)
			if parameter["in"] == in {
				name, _ := parameter["name"].(string)
				all[name] = parameter
			}
		}
	}
	return all
}

// resolved follows a reference, if it is one, and returns where it leads and in which file that lies.
func (c *contract) resolved(file string, value any) (string, map[string]any) {
	object, _ := value.(map[string]any)
	ref, ok := object["$ref"].(string)
	if !ok {
		return file, object
	}
	target, pointer, _ := strings.Cut(ref, "#")
	if target != "" {
		file = path.Join(path.Dir(file), target)
	}
	at := c.files[file]
	for _, name := range strings.FieldsFunc(pointer, func(r rune) bool { return r == '/' }) {
		at = member(at, name)
	}
	return c.resolved(file, at)
}

// conforms holds an answer to what is written about it, and returns which answer it is: the method and path, and the status or `default`,
// empty where the path is not a documented one.
func (c *contract) conforms(t *testing.T, r *http.Request, w *httptest.ResponseRecorder) (route, status string) {
	t.Helper()
	_, route = c.routes.Handler(r)
	for name := range w.Header() {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s: other origins are let in by %s", route, name)
		}
	}
	if c.paths()[route] == nil {
		if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s is not documented and answers with %s", r.URL.Path, got)
		}
		c.validate(t, "#/components/schemas/Problem", w)
		return "", ""
	}
	operation := c.operation(route, r.Method)
	name := http.MethodGet + " " + route
	if item, _ := c.paths()[route].(map[string]any); item["get"] == nil || r.Method == http.MethodPost && item["post"] != nil {
		name = http.MethodPost + " " + route
	}
	responses := member(operation, "responses")
	status = http.StatusText(w.Code)
	for _, key := range []string{statusKey(w.Code), "default"} {
		if responses[key] != nil {
			status = key
			break
		}
	}
	_, response := c.resolved(openAPI, responses[status])
	if response == nil {
		t.Errorf("%s: the status %d is not documented", route, w.Code)
		return name, status
	}
	for _, header := range []string{"ETag", asOfHeader, "WWW-Authenticate"} {
		if _, documented := member(response, "headers")[header]; documented != (w.Header().Get(header) != "") {
			t.Errorf("%s %s: %s is %q, documented %t", route, status, header, w.Header().Get(header), documented)
		}
	}
	content := member(response, "content")
	kind, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	if content[kind] == nil && len(content) > 0 {
		t.Errorf("%s %s: the type %q is not documented", route, status, kind)
		return name, status
	}
	if strings.HasSuffix(kind, "json") && r.Method != http.MethodHead {
		where, _ := member(content, kind)["schema"].(map[string]any)["$ref"].(string)
		c.validate(t, where, w)
	}
	return name, status
}

// validate holds the body of an answer to a schema of openapi.yaml.
func (c *contract) validate(t *testing.T, where string, w *httptest.ResponseRecorder) {
	t.Helper()
	schema := c.compiled[where]
	if schema == nil {
		var err error
		if schema, err = c.compiler.Compile(schemas.Root + openAPI + where); err != nil {
			t.Fatal(err)
		}
		c.compiled[where] = schema
	}
	body, err := jsonschema.UnmarshalJSON(strings.NewReader(plain(t, w)))
	if err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	if err := schema.Validate(body); err != nil {
		t.Errorf("%s: %v", where, err)
	}
}

// plain returns the body of an answer as it was before it was compressed, if it was.
func plain(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	body := w.Body.String()
	if w.Header().Get("Content-Encoding") != "gzip" {
		return body
	}
	reader, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// properties notes the paths of all properties that a schema describes. Those of the published schemas are marked as not our own: they are
// tested where they are published.
func (c *contract) properties(file string, schema any, at string, own map[string]bool) {
	file, object := c.resolved(file, schema)
	for _, of := range []string{"allOf", "anyOf"} {
		parts, _ := object[of].([]any)
		for _, part := range parts {
			c.properties(file, part, at, own)
		}
	}
	if object["items"] != nil {
		c.properties(file, object["items"], at, own)
	}
	for name, property := range member(object, "properties") {
		own[at+"/"+name] = file == openAPI
		c.properties(file, property, at+"/"+name, own)
	}
}

// present notes the paths of all properties that a value has.
func present(value any, at string, paths map[string]bool) {
	switch v := value.(type) {
	case map[string]any:
		for name, one := range v {
			paths[at+"/"+name] = true
			present(one, at+"/"+name, paths)
		}
	case []any:
		for _, one := range v {
			present(one, at, paths)
		}
	}
}

func member(object map[string]any, name string) map[string]any {
	m, _ := object[name].(map[string]any)
	return m
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
