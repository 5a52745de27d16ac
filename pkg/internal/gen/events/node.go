package main

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/verdict-stream/verdict/schemas"
)

// node is a value of the contract, in the order in which it is written. References are followed where a member is taken; what stands
// beside one, such as a description of its own, goes before what it refers to.
type node struct {
	file   string
	value  *yaml.Node // nil where there is nothing
	beside *yaml.Node // the object that had the reference, nil where none had
	source string     // of a file as a whole
	failed *error     // what references led nowhere, of all nodes of a document
}

func parse(file string, text []byte, failed *error) (node, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return node{}, fmt.Errorf("%s: %w", file, err)
	}
	if len(document.Content) != 1 {
		return node{}, fmt.Errorf("%s: %w", file, errors.New("not one document"))
	}
	return node{file: file, value: document.Content[0], source: string(text), failed: failed}, nil
}

// member returns a member of an object; one without a value where there is none.
func (n node) member(name string) node {
	for _, object := range []*yaml.Node{n.beside, n.value} {
		if value := lookUp(object, name); value != nil && (object == n.value || name != "$ref") {
			return node{file: n.file, value: value, failed: n.failed}.follow()
		}
	}
	return node{file: n.file, failed: n.failed}
}

// follow returns what a reference leads to, or the node itself.
func (n node) follow() node {
	ref := lookUp(n.value, "$ref")
	if ref == nil {
		return n
	}
	target, pointer, _ := strings.Cut(ref.Value, "#")
	file := n.file
	if target != "" {
		file = path.Join(path.Dir(n.file), target)
	}
	at, err := n.open(file)
	for _, name := range strings.FieldsFunc(pointer, func(r rune) bool { return r == '/' }) {
		at = at.member(name)
	}
	if err == nil && at.value == nil {
		err = errors.New("there is no such place")
	}
	if err != nil {
		*n.failed = errors.Join(*n.failed, fmt.Errorf("%s refers to %s: %w", n.file, ref.Value, err))
		return node{failed: n.failed}
	}
	if pointer != "" {
		at.source = ""
	}
	at.beside = n.value
	return at
}

// open reads a file of the contract.
func (n node) open(file string) (node, error) {
	text := schemas.AsyncAPI
	if file != "asyncapi.yaml" {
		files := schemas.Files
		if strings.HasPrefix(file, "examples/") {
			files = schemas.Examples
		}
		var err error
		if text, err = files.ReadFile(file); err != nil {
			return node{}, err
		}
	}
	return parse(file, text, n.failed)
}

func lookUp(object *yaml.Node, name string) *yaml.Node {
	if object == nil || object.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(object.Content); i += 2 {
		if object.Content[i].Value == name {
			return object.Content[i+1]
		}
	}
	return nil
}

// names returns the names of an object's members, in the order of the file.
func (n node) names() []string {
	var all []string
	if n.value != nil && n.value.Kind == yaml.MappingNode {
		for i := 0; i < len(n.value.Content); i += 2 {
			all = append(all, n.value.Content[i].Value)
		}
	}
	return all
}

// elements returns the elements of a list.
func (n node) elements() []node {
	var all []node
	if n.value != nil && n.value.Kind == yaml.SequenceNode {
		for _, value := range n.value.Content {
			all = append(all, node{file: n.file, value: value, failed: n.failed}.follow())
		}
	}
	return all
}

// text returns a member that is a text, a number or a truth value; empty where there is none.
func (n node) text(name string) string {
	member := n.member(name)
	if member.value == nil || member.value.Kind != yaml.ScalarNode {
		return ""
	}
	return strings.TrimSpace(member.value.Value)
}

// withoutNull returns the schema of a value that may be null, and whether it may.
func (n node) withoutNull() (schema node, nullable bool) {
	options := n.member("anyOf").elements()
	if len(options) == 2 && options[1].text("type") == "null" {
		return options[0], true
	}
	for _, kind := range n.member("type").elements() {
		nullable = nullable || kind.value.Value == "null"
	}
	return n, nullable
}

// types says of which type a value is, null left out.
func (n node) types() string {
	if n.text("format") == "date-time" {
		return "time"
	}
	var all []string
	for _, kind := range n.member("type").elements() {
		all = append(all, kind.value.Value)
	}
	all = slices.DeleteFunc(append(all, n.text("type")), func(kind string) bool { return kind == "" || kind == "null" })
	if len(all) == 0 && n.text("const") != "" {
		all = []string{"string"}
	}
	return strings.Join(all, " or ")
}
