package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// elsewhere are the types that are not made but named. Tests hold those of other packages to their schemas, and lists to theirs.
var elsewhere = map[string]string{
	"v1/verification.json":                   "event.Verification",
	"v1/verification.json#/properties/id":    "string",
	"v1/verification.json#/properties/scope": "verification.Scope",
	"v1/verification.json#/$defs/status":     "verification.Status",
	"v1/verification.json#/$defs/anomaly":    "string",
	ownSchemas + "EventName":                 "string",
	ownSchemas + "OutcomeName":               "event.OutcomeName",
	ownSchemas + "OutcomeOrPending":          "string",
	// A position is counted as the streams count.
	ownSchemas + "AsOfSequence": "uint64",
	ownSchemas + "Position":     "uint64",
	ownSchemas + "Sequence":     "uint64",
}

// plain are the types of values that need no name.
var plain = map[string]string{
	"string": "string", "constant": "string", "date-time": "time.Time", "boolean": "bool", "integer": "int", "number": "float64",
}

// answers declares a type for each object and each list of names.
func (d *document) answers(b *strings.Builder) error {
	for _, name := range slices.Sorted(maps.Keys(d.Components.Schemas)) {
		if elsewhere[ownSchemas+name] != "" {
			continue
		}
		if err := d.declare(b, name, d.Components.Schemas[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (d *document) declare(b *strings.Builder, name string, s schema) error {
	form, _, err := s.form()
	if err != nil {
		return err
	}
	if plain[form] != "" {
		return nil // Its type stands wherever it is referred to.
	}
	b.WriteString("\n" + comment(s.Description))
	switch form {
	case "names":
		fmt.Fprintf(b, "type %s string\n\n// All of them.\nconst (\n", name)
		for _, value := range s.Enum {
			fmt.Fprintf(b, "%s%s %s = %q\n", name, goName(value), name, value)
		}
		b.WriteString(")\n")
		return nil
	case "joined", "object":
		fmt.Fprintf(b, "type %s struct {\n", name)
		defer b.WriteString("}\n")
		return d.fields(b, s)
	default:
		return fmt.Errorf("a schema of the form %s has no type of its own", form)
	}
}

// fields writes the fields of an object in the order of `required`, and then the optional ones. Parts that refer to others are embedded.
func (d *document) fields(b *strings.Builder, s schema) error {
	form, _, err := s.form()
	switch {
	case err != nil:
		return err
	case form == "reference":
		embedded, err := d.goType(s)
		b.WriteString(embedded + "\n")
		return err
	case form == "joined":
		for _, part := range s.AllOf {
			if err := d.fields(b, part); err != nil {
				return err
			}
		}
		return nil
	case form != "object":
		return fmt.Errorf("a schema of the form %s has no fields", form)
	}
	optional := slices.Sorted(maps.Keys(s.Properties))
	optional = slices.DeleteFunc(optional, func(name string) bool { return slices.Contains(s.Required, name) })
	for i, name := range slices.Concat(s.Required, optional) {
		property, ok := s.Properties[name]
		if !ok {
			return fmt.Errorf("%s: %w", name, errNothingThere)
		}
		kind, err := d.goType(property)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if i >= len(s.Required) {
			name += ",omitzero"
		}
		fmt.Fprintf(b, "%s%s %s `json:%q`\n", comment(property.Description), goName(strings.TrimSuffix(name, ",omitzero")), kind, name)
	}
	return nil
}

// goType returns the type of a value. What may be null is a pointer, but for a list, which is nil then.
func (d *document) goType(s schema) (string, error) {
	form, nullable, err := s.form()
	if err != nil {
		return "", err
	}
	switch form {
	case "reference":
		return d.referred(s.Ref)
	case "choice":
		if len(s.AnyOf) != 2 || s.AnyOf[1].Type != "null" {
			return "", errors.New("of choices only one with null is understood")
		}
		kind, err := d.goType(s.AnyOf[0])
		return "*" + kind, err
	case "array":
		if s.Items == nil {
			return "", errors.New("an array of what is not said")
		}
		kind, err := d.goType(*s.Items)
		return "[]" + kind, err
	}
	kind, ok := plain[form]
	if !ok || s.Default != nil {
		return "", fmt.Errorf("a schema of the form %s must have a name, and cannot have a default", form)
	}
	if nullable {
		kind = "*" + kind
	}
	return kind, nil
}

// referred returns the type of what a reference leads to.
func (d *document) referred(ref string) (string, error) {
	if kind := elsewhere[ref]; kind != "" {
		return kind, nil
	}
	name, own := strings.CutPrefix(ref, ownSchemas)
	if !own {
		return "", fmt.Errorf("%s is described elsewhere, and no type is named for it", ref)
	}
	s, err := d.follow(ref)
	if err != nil {
		return "", err
	}
	if form, _, err := s.form(); err != nil || plain[form] == "" {
		return name, err
	}
	return d.goType(s)
}

func comment(text string) string {
	if text == "" {
		return ""
	}
	return "// " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n// ") + "\n"
}

var initialisms = map[string]string{"id": "ID", "mrz": "MRZ"}

// goName returns a name as Go writes it.
func goName(name string) string {
	words := strings.Split(name, "_")
	for i, word := range words {
		if initialisms[word] != "" {
			words[i] = initialisms[word]
		} else if word != "" {
			words[i] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return strings.Join(words, "")
}
