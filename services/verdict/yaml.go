package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

var lineNumber = regexp.MustCompile(`line [0-9]+`)

// readYAML reads a file that maps the names of settings, in kebab or snake
// case, to single values, and returns the values by kebab-case name. Every key
// that no row knows, every key given twice and every value that is a list or a
// map is an error; the errors are joined, and none holds a value.
func readYAML(path string, all []row) (map[string]string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, nil // Nothing but comments.
	} else if err != nil {
		// The cause may quote a part of a secret, all but the line's number.
		return nil, fmt.Errorf("%s is not YAML: see %s", path, cmp.Or(lineNumber.FindString(err.Error()), "its first line"))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s holds more than one document", path)
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s must map names of settings to values", path)
	}
	known := map[string]bool{}
	for _, r := range all {
		known[r.key()] = true
	}
	values := map[string]string{}
	var wrong []error
	// The content of a mapping is its keys and values in turn.
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		name := kebab(key.Value)
		_, twice := values[name]
		switch {
		case !known[name] || !writtenWell(key.Value):
			wrong = append(wrong, fmt.Errorf("%s:%d: %q is no setting: see `verdict config` for their names", path, key.Line, key.Value))
		case twice:
			wrong = append(wrong, fmt.Errorf("%s:%d: %q is given twice", path, key.Line, key.Value))
		case value.Kind != yaml.ScalarNode:
			wrong = append(wrong, fmt.Errorf("%s:%d: %q must have a single value", path, key.Line, key.Value))
		case value.Tag == "!!null":
			values[name] = ""
		default:
			values[name] = value.Value
		}
	}
	return values, errors.Join(wrong...)
}

// writtenWell tells whether a key is all in lower case and does not mix kebab
// with snake case.
func writtenWell(key string) bool {
	return key == strings.ToLower(key) && !(strings.Contains(key, "-") && strings.Contains(key, "_"))
}
