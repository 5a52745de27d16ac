package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
)

// Object is a JSON object as every part of Verdict reads it: names are case sensitive, of a
// duplicate name the last value counts, numbers keep their text. Two parsers that disagree
// about one body would be a way to have one thing verified and another one believed, so there
// is only this one. The accessors are lenient: a value of an unexpected type counts as absent.
type Object map[string]any

// Text returns a string, or a number or boolean as its text; empty when absent or null.
func (o Object) Text(name string) string {
	switch v := o[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	default:
		return ""
	}
}

// Object returns a member that is an object; an empty one when absent.
func (o Object) Object(name string) Object {
	v, _ := o[name].(map[string]any)
	return v
}

// List returns the elements of a member that is an array.
func (o Object) List(name string) []any {
	v, _ := o[name].([]any)
	return v
}

// Objects returns the elements of an array that are objects.
func (o Object) Objects(name string) []Object {
	var objects []Object
	for _, v := range o.List(name) {
		if object, ok := v.(map[string]any); ok {
			objects = append(objects, object)
		}
	}
	return objects
}

// Texts returns the elements of an array that are strings or numbers, as text.
func (o Object) Texts(name string) []string {
	var texts []string
	for _, v := range o.List(name) {
		if text := (Object{"": v}).Text(""); text != "" {
			texts = append(texts, text)
		}
	}
	return texts
}

// Int returns an integer given as a number or as text; false when it is absent, no integer
// or too large for 64 bits.
func (o Object) Int(name string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(o.Text(name)), 10, 64)
	return n, err == nil
}

// Bool returns a boolean given as such or as "true" and "false"; nil when it is neither.
func (o Object) Bool(name string) *bool {
	switch o.Text(name) {
	case "true":
		return new(true)
	case "false":
		return new(false)
	default:
		return nil
	}
}

// SignalID is the id of the signal at the given index of a payload: the hash of what the
// provider signed, and the index.
func SignalID(signed []byte, index int) string {
	sum := sha256.Sum256(signed)
	return hex.EncodeToString(sum[:]) + "#" + strconv.Itoa(index)
}

// Claim returns a claim's value: nil for the empty text.
func Claim(text string) *string {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	return &text
}

// DateClaim returns a date as far as it is known: `1989-00-00` is `1989`, `0000-00-00` and
// anything that does not begin with a date is absent. A time of day behind the date is left
// out.
func DateClaim(text string) *string {
	text = strings.TrimSpace(text)
	if len(text) > len("2006-01-02") {
		switch text[len("2006-01-02")] {
		case 'T', ' ':
			text = text[:len("2006-01-02")]
		}
	}
	parts := strings.Split(text, "-")
	if len(parts) > 3 || !digits(parts[0], 4) || parts[0] == "0000" {
		return nil
	}
	known := parts[:1]
	for _, part := range parts[1:] {
		if !digits(part, 2) {
			return nil
		}
		if part == "00" {
			break
		}
		known = append(known, part)
	}
	return new(strings.Join(known, "-"))
}

func digits(s string, n int) bool {
	if len(s) != n {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}
