package pkg_test

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The form of the contract that readers rely on lies in a folder of its own. It changes when a version is released, and then takes in
// nothing but what these tests allow.
const (
	current = "../schemas"
	frozen  = "../schemas/published"
)

// Inside version 1 nothing changes but that optional properties, paths, parameters and channels are added.
func TestContractIsCompatible(t *testing.T) {
	for _, broken := range incompatibilities(readForm(t, frozen), readForm(t, current)) {
		t.Error(broken)
	}
}

// form is the contract at one time: its files by their paths.
type form map[string]map[string]any

func readForm(t *testing.T, folder string) form {
	t.Helper()
	f := form{}
	files, err := filepath.Glob(filepath.Join(folder, "v1", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, filepath.Join(folder, "openapi.yaml"), filepath.Join(folder, "asyncapi.yaml")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(folder, file)
		if err != nil {
			t.Fatal(err)
		}
		f[filepath.ToSlash(name)] = readYAML(t, text) // JSON is YAML
	}
	return f
}

// node is a value in a file of a form.
type node struct {
	form  form
	file  string
	value any
}

// follow returns what a node refers to, or the node itself. What does not exist is nil.
func (n node) follow() node {
	target, ok := n.target()
	if !ok {
		return n
	}
	return target.follow()
}

// target returns what a node refers to, which may be a reference again, if it refers to anything.
func (n node) target() (node, bool) {
	object, _ := n.value.(map[string]any)
	ref, ok := object["$ref"].(string)
	if !ok {
		return n, false
	}
	target, pointer, _ := strings.Cut(ref, "#")
	if target != "" {
		n.file = path.Join(path.Dir(n.file), target)
	}
	n.value = n.form[n.file]
	for _, name := range strings.FieldsFunc(pointer, func(r rune) bool { return r == '/' }) {
		n = n.member(name)
	}
	return n, true
}

// besideReference marks a keyword of a schema that stands beside a reference to a schema with that keyword: both hold.
const besideReference = " beside a reference"

// keywords returns the keywords of a schema: its own, and those of the schema that it refers to.
func (n node) keywords() map[string]node {
	all := map[string]node{}
	if target, ok := n.target(); ok {
		all = target.keywords()
	}
	object, _ := n.value.(map[string]any)
	for keyword, value := range object {
		for all[keyword].value != nil {
			keyword += besideReference
		}
		all[keyword] = node{n.form, n.file, value}
	}
	return all
}

// member returns a member of an object, nil where there is none.
func (n node) member(name string) node {
	object, _ := n.follow().value.(map[string]any)
	return node{n.form, n.follow().file, object[name]}
}

func (n node) names() []string {
	object, _ := n.follow().value.(map[string]any)
	return slices.Sorted(maps.Keys(object))
}

// elements returns the elements of a list.
func (n node) elements() []node {
	list, _ := n.value.([]any)
	all := make([]node, len(list))
	for i, value := range list {
		all[i] = node{n.form, n.file, value}
	}
	return all
}

// comparison collects what a reader of the old form could stumble over in the new one.
type comparison struct{ broken []string }

func (c *comparison) add(at, format string, args ...any) {
	c.broken = append(c.broken, at+": "+fmt.Sprintf(format, args...))
}

func incompatibilities(before, after form) []string {
	var c comparison
	for _, name := range slices.Sorted(maps.Keys(before)) {
		was, is := node{before, name, before[name]}, node{after, name, any(after[name])}
		switch {
		case after[name] == nil:
			c.add(name, "is gone")
		case name == "openapi.yaml":
			c.paths(was, is)
		case name == "asyncapi.yaml":
			c.channels(was, is)
		default:
			if was.member("$id").value != is.member("$id").value {
				c.add(name, "has another id")
			}
			c.schema(name, was, is)
		}
	}
	return c.broken
}

// words are what a schema says to people.
var words = []string{"$schema", "$id", "$defs", "$comment", "$ref", "title", "summary", "description", "examples"}

// schema compares two schemas. All that a schema demands must stay, and nothing may be added but optional properties.
func (c *comparison) schema(at string, was, is node) {
	if was.value != nil && is.follow().value == nil {
		c.add(at, "is gone")
		return
	}
	before, after := was.keywords(), is.keywords()
	keywords := slices.Concat(slices.Collect(maps.Keys(before)), slices.Collect(maps.Keys(after)))
	slices.Sort(keywords)
	for _, keyword := range slices.Compact(keywords) {
		a, b := before[keyword], after[keyword]
		switch name, _, _ := strings.Cut(keyword, besideReference); {
		case slices.Contains(words, name):
		case name == "properties":
			for _, property := range a.names() {
				c.schema(at+"/"+property, a.member(property), b.member(property))
			}
		case name == "items", name == "contentSchema":
			c.schema(at+"/"+keyword, a, b)
		case name == "allOf", name == "anyOf", name == "oneOf":
			if len(a.elements()) != len(b.elements()) {
				c.add(at, "%s has other parts", keyword)
				continue
			}
			for i := range a.elements() {
				c.schema(fmt.Sprintf("%s/%s/%d", at, keyword, i), a.elements()[i], b.elements()[i])
			}
		case name == "required", name == "enum", name == "type":
			if !slices.Equal(stringsOf(a.value), stringsOf(b.value)) {
				c.add(at, "%s was %v, is %v", keyword, a.value, b.value)
			}
		default:
			c.same(at, keyword, a, b)
		}
	}
}

// same holds that two nodes are equal as they are written. A reference in them would hide what changes behind it.
func (c *comparison) same(at, name string, was, is node) {
	if !reflect.DeepEqual(was.value, is.value) {
		c.add(at, "%s was %v, is %v", name, was.value, is.value)
	}
	if refers(was.value) || refers(is.value) {
		c.add(at, "%s refers to others, and nobody compares them", name)
	}
}

// refers reports whether there is a reference in a value.
func refers(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		if v["$ref"] != nil {
			return true
		}
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), refers)
	case []any:
		return slices.ContainsFunc(v, refers)
	default:
		return false
	}
}

// paths compares the paths of the API. Paths and optional parameters may be added.
func (c *comparison) paths(was, is node) {
	schemes := was.member("components").member("securitySchemes")
	for _, name := range schemes.names() {
		is := is.member("components").member("securitySchemes").member(name)
		for _, keyword := range []string{"type", "scheme", "in", "name", "flows", "openIdConnectUrl"} {
			c.same("security "+name, keyword, schemes.member(name).member(keyword), is.member(keyword))
		}
	}
	for _, route := range was.member("paths").names() {
		before, after := was.member("paths").member(route), is.member("paths").member(route)
		if after.member("get").value == nil {
			c.add(route, "is gone")
			continue
		}
		c.same(route, "operationId", before.member("get").member("operationId"), after.member("get").member("operationId"))
		c.same(route, "security", securityOf(was, before), securityOf(is, after))
		c.parameters(route, parametersOf(before), parametersOf(after))
		for _, status := range before.member("get").member("responses").names() {
			a, b := before.member("get").member("responses").member(status), after.member("get").member("responses").member(status)
			at := route + " " + status
			if b.value == nil {
				c.add(at, "is gone")
			}
			for _, name := range a.member("headers").names() {
				c.schema(at+" "+name, a.member("headers").member(name).member("schema"), b.member("headers").member(name).member("schema"))
			}
			for _, kind := range a.member("content").names() {
				c.schema(at+" "+kind, a.member("content").member(kind).member("schema"), b.member("content").member(kind).member("schema"))
			}
		}
	}
}

// securityOf returns who may ask: what a path says, or else what is said of all.
func securityOf(root, item node) node {
	if own := item.member("get").member("security"); own.value != nil {
		return own
	}
	return root.member("security")
}

func (c *comparison) parameters(at string, was, is map[string]node) {
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if is[name].value == nil {
			c.add(at, "the parameter %s is gone", name)
			continue
		}
		c.schema(at+" "+name, was[name].member("schema"), is[name].member("schema"))
		if was[name].member("required").value != is[name].member("required").value {
			c.add(at, "the parameter %s is required otherwise", name)
		}
		for _, keyword := range []string{"style", "explode", "allowReserved", "content"} {
			c.same(at+" "+name, keyword, was[name].member(keyword), is[name].member(keyword))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if was[name].value == nil && is[name].member("required").value == true {
			c.add(at, "the parameter %s is new and required", name)
		}
	}
}

// parametersOf returns the parameters of a path by place and name.
func parametersOf(item node) map[string]node {
	all := map[string]node{}
	for _, one := range append(item.member("parameters").elements(), item.member("get").member("parameters").elements()...) {
		one = one.follow()
		all[fmt.Sprint(one.member("in").value, " ", one.member("name").value)] = one
	}
	return all
}

// channels compares the subjects, and what is published there. Channels may be added, and internal ones may change.
func (c *comparison) channels(was, is node) {
	for _, name := range was.member("channels").names() {
		before, after := was.member("channels").member(name), is.member("channels").member(name)
		if before.member("x-internal").value == true {
			continue
		}
		for _, keyword := range []string{"address", "x-stream", "x-internal"} {
			c.same(name, keyword, before.member(keyword), after.member(keyword))
		}
		for _, parameter := range before.member("parameters").names() {
			c.schema(name+" "+parameter, before.member("parameters").member(parameter), after.member("parameters").member(parameter))
		}
		// Whoever reads a channel reads all that comes there.
		if messages := after.member("messages").names(); !slices.Equal(before.member("messages").names(), messages) {
			c.add(name, "the messages were %v, are %v", before.member("messages").names(), messages)
		}
		for _, message := range before.member("messages").names() {
			a, b := before.member("messages").member(message), after.member("messages").member(message)
			at := name + " " + message
			c.same(at, "contentType", contentTypeOf(was, a), contentTypeOf(is, b))
			for _, part := range []string{"headers", "payload"} {
				c.schema(at+" "+part, a.member(part), b.member(part))
			}
		}
	}
}

// contentTypeOf returns what a message is written in: what it says, or else what is said of all.
func contentTypeOf(root, message node) node {
	if own := message.member("contentType"); own.value != nil {
		return own
	}
	return root.member("defaultContentType")
}
