package madeup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
)

// Template is a documented payload whose members can be given other values. All else stays
// as it was: the order of the members, those that stand there twice, the text of numbers.
// White space is left out, as senders do.
type Template struct {
	text   []byte
	places map[string][]place // by path; several where a member stands there twice
}

// place is where a value stands in the text.
type place struct{ from, to int }

// Values are new values by path, as in "data.documents.0.type". They are written as
// encoding/json writes them.
type Values map[string]any

// MustTemplate reads a template from a file that is a part of the program. It panics where
// the file is missing or is not JSON.
func MustTemplate(files fs.FS, name string) *Template {
	sample, err := fs.ReadFile(files, name)
	if err != nil {
		panic(fmt.Sprintf("template: %v", err))
	}
	t, err := NewTemplate(sample)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", name, err))
	}
	return t
}

// NewTemplate makes a template of a payload. It returns an error for what is not JSON.
func NewTemplate(sample []byte) (*Template, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, sample); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	t := &Template{text: compact.Bytes(), places: map[string][]place{}}
	if err := t.find("", json.NewDecoder(bytes.NewReader(t.text))); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return t, nil
}

// find notes where the next value stands, and all that is in it.
func (t *Template) find(path string, d *json.Decoder) error {
	from := int(d.InputOffset())
	if c := t.text[from]; c == ',' || c == ':' {
		from++
	}
	token, err := d.Token()
	if err != nil {
		return err
	}
	if bracket, ok := token.(json.Delim); ok {
		for i := 0; d.More(); i++ {
			name := strconv.Itoa(i)
			if bracket == '{' {
				if token, err = d.Token(); err != nil {
					return err
				}
				name = token.(string)
			}
			if path != "" {
				name = path + "." + name
			}
			if err := t.find(name, d); err != nil {
				return err
			}
		}
		if _, err := d.Token(); err != nil {
			return err
		}
	}
	t.places[path] = append(t.places[path], place{from, int(d.InputOffset())})
	return nil
}

// Fill returns the payload with the values. It panics for a path that the payload does not
// have, for one that lies in another, and for a value that JSON cannot write: each is a
// defect of the caller that shows at the first call.
func (t *Template) Fill(values ...Values) []byte {
	type edit struct {
		place
		text []byte
	}
	var edits []edit
	for path, value := range merge(values) {
		places := t.places[path]
		if len(places) == 0 {
			panic("template: there is no " + path)
		}
		text := encode(value)
		for _, p := range places {
			edits = append(edits, edit{p, text})
		}
	}
	slices.SortFunc(edits, func(a, b edit) int { return a.from - b.from })
	var filled []byte
	at := 0
	for _, e := range edits {
		if e.from < at {
			panic("template: one value lies in another")
		}
		filled = append(append(filled, t.text[at:e.from]...), e.text...)
		at = e.to
	}
	return append(filled, t.text[at:]...)
}

// merge puts values together; of two for one path the later stands.
func merge(values []Values) Values {
	merged := Values{}
	for _, v := range values {
		for path, value := range v {
			merged[path] = value
		}
	}
	return merged
}

func encode(value any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		panic(fmt.Sprintf("template: %v", err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
