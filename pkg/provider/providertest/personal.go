package providertest

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// marked is free text as it must never enter an event: no code looks like it.
const marked = "Zoë d'Ærøskøbing, 4 rue du Marqueur, +33 6 99 88 77 66"

// shortest is the length up to which a claim, as a country's code is, may well stand in a
// signal for another reason.
const shortest = 3

// personalData checks that personal data is in the claims and nowhere else.
func (s *suite) personalData(t *testing.T) {
	claimed := false
	for _, sample := range s.samples {
		t.Run(sample.name, func(t *testing.T) {
			event := s.Token(sample.event.Name)
			decoded, _ := s.Decode(provider.Delivery{Event: event, Body: sample.body})
			for _, e := range decoded.Elements {
				for _, claim := range claims(e.Claims) {
					claimed = true
					for _, signal := range published(t, decoded) {
						if strings.Contains(signal, claim) {
							t.Errorf("claim %q is in the signal %s", claim, signal)
						}
					}
				}
			}
			s.markedText(t, event, sample.body)
		})
	}
	if !claimed && !s.WithoutClaims {
		t.Error("no sample has a claim; where no webhook has personal data, the provider says WithoutClaims")
	}
}

// markedText puts free text in the place of every value, one at a time. Only the references
// may carry it on: they are the provider's ids of the case and of the person.
func (s *suite) markedText(t *testing.T, event string, body []byte) {
	everywhere := func(string) bool { return true }
	mutated(t, body, everywhere, []any{marked}, func(path string, changed []byte) {
		decoded, err := s.decode(t, event, changed)
		if err != nil && strings.Contains(err.Error(), marked) {
			t.Errorf("%s: the error repeats the body", path)
		}
		for i := range decoded.Elements {
			signal := &decoded.Elements[i].Signal
			signal.Applicant, signal.ExternalReference, signal.PreviousReference = "", "", ""
		}
		for _, signal := range published(t, decoded) {
			if strings.Contains(signal, marked) {
				t.Errorf("%s: free text is in the signal %s", path, signal)
			}
		}
	})
}

// published is the part of every element that enters events, but for the reference.
func published(t *testing.T, decoded provider.Decoded) []string {
	t.Helper()
	var texts []string
	for _, e := range decoded.Elements {
		text, err := json.Marshal([]any{e.Kind, e.Signal, e.Unknown})
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}

// claims lists the values of the claims that are long enough to be looked for, as they would
// stand in JSON.
func claims(c *provider.Claims) []string {
	var values []string
	collect(reflect.ValueOf(c), &values)
	return values
}

func collect(v reflect.Value, values *[]string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			collect(v.Elem(), values)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			collect(v.Field(i), values)
		}
	case reflect.Slice:
		for i := range v.Len() {
			collect(v.Index(i), values)
		}
	case reflect.String:
		if text := v.String(); len(text) > shortest {
			quoted, err := json.Marshal(text)
			if err != nil {
				panic(errors.Join(errors.New("a string is not JSON"), err))
			}
			*values = append(*values, string(quoted[1:len(quoted)-1]))
		}
	}
}
