package main

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// parameters declares the table of the parameters in the queries. Those in headers and in the path itself are no part of it: the server
// reads each in its own way.
func (d *document) parameters(b *strings.Builder) error {
	b.WriteString("\n// parameters are what each path takes in its query.\nvar parameters = map[string][]parameter{\n")
	for _, route := range slices.Sorted(maps.Keys(d.Paths)) {
		fmt.Fprintf(b, "%q: {\n", route)
		for _, p := range slices.Concat(d.Paths[route].Parameters, d.Paths[route].Get.Parameters) {
			if err := d.row(b, p); err != nil {
				return fmt.Errorf("%s: parameter %s: %w", route, p.Name+p.Ref, err)
			}
		}
		b.WriteString("},\n")
	}
	b.WriteString("}\n")
	return nil
}

func (d *document) row(b *strings.Builder, p parameter) error {
	if p.Ref != "" {
		found, ok := d.Components.Parameters[strings.TrimPrefix(p.Ref, ownParameters)]
		if !ok || !reflect.DeepEqual(p, parameter{Ref: p.Ref}) {
			return errNothingThere
		}
		p = found
	}
	switch {
	case p.In == "path" || p.In == "header":
		return nil
	case p.In != "query" || p.Name == "" || p.Required:
		return errors.New("only what may be left out of a query is understood")
	}
	form, nullable, err := p.Schema.form()
	if err != nil {
		return err
	}
	s := p.Schema
	if form == "reference" {
		if s, err = d.follow(s.Ref); err != nil {
			return err
		}
		if form, nullable, err = s.form(); err != nil {
			return err
		}
	}
	if nullable {
		return errors.New("a query cannot say null")
	}
	rules, err := rules(form, s)
	if err != nil {
		return err
	}
	if s.Default != nil {
		rules += fmt.Sprintf(", byDefault: %q", fmt.Sprint(s.Default))
	}
	fmt.Fprintf(b, "{name: %q, %s},\n", p.Name, rules)
	return nil
}

// rules are what a value must be. That of a number without an upper bound, and of a name, is told in the words of its description.
func rules(form string, s schema) (string, error) {
	want, _ := strings.CutSuffix(s.Description, ".")
	if want != "" {
		want = strings.ToLower(want[:1]) + want[1:]
	}
	switch {
	case form == "boolean":
		return `enum: []string{"true", "false"}`, nil
	case form == "names":
		return fmt.Sprintf("enum: %#v", s.Enum), nil
	case form == "date-time":
		return "time: true", nil
	case form == "integer" && s.Minimum != nil && s.Maximum != nil:
		return fmt.Sprintf("number: true, minimum: %d, maximum: %d", *s.Minimum, *s.Maximum), nil
	case form == "integer" && s.Minimum != nil && want != "":
		return fmt.Sprintf("number: true, minimum: %d, maximum: math.MaxInt64, want: %q", *s.Minimum, want), nil
	case form == "string" && s.Pattern != "" && s.MinLength == nil && s.MaxLength == nil && want != "":
		return fmt.Sprintf("pattern: regexp.MustCompile(%q), want: %q", s.Pattern, want), nil
	case form == "string" && s.Pattern == "" && s.MinLength != nil && *s.MinLength == 1 && s.MaxLength != nil:
		return fmt.Sprintf("maxLength: %d", *s.MaxLength), nil
	default:
		return "", fmt.Errorf("a schema of the form %s, with such bounds and such a description, is not understood in a query", form)
	}
}
