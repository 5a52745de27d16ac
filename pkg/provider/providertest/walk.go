package providertest

import (
	"maps"
	"slices"
)

// node is one place in a JSON document.
type node struct {
	path   string // for messages, like data.documents[0].type
	value  any
	set    func(any)
	remove func() // nil for an element of an array
}

// walk visits every value of a document in a fixed order, containers before what they hold.
// The visitor may change what it is shown; what it puts there is not visited.
func walk(object map[string]any, visit func(node)) { walkObject("", object, visit) }

func walkObject(path string, object map[string]any, visit func(node)) {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		value := object[name]
		here := path + "." + name
		visit(node{
			path: here, value: value,
			set:    func(v any) { object[name] = v },
			remove: func() { delete(object, name) },
		})
		inside(here, value, visit)
	}
}

func walkArray(path string, array []any, visit func(node)) {
	for i, value := range array {
		here := path + "[]"
		visit(node{path: here, value: value, set: func(v any) { array[i] = v }})
		inside(here, value, visit)
	}
}

func inside(path string, value any, visit func(node)) {
	switch v := value.(type) {
	case map[string]any:
		walkObject(path, v, visit)
	case []any:
		walkArray(path, v, visit)
	}
}
