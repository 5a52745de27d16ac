package madeup

import (
	"testing"
	"testing/fstest"
)

const sample = `{ "a": 1.50, "b": {"c": [ {"d": "x/é"}, null ], "c2": "y,:"},
	"twice": "one", "e": {}, "twice": "two" }`

func TestFill(t *testing.T) {
	template, err := NewTemplate([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		values []Values
		want   string
	}{
		{nil, `{"a":1.50,"b":{"c":[{"d":"x/é"},null],"c2":"y,:"},"twice":"one","e":{},"twice":"two"}`},
		{
			[]Values{{"a": "<&>", "b.c.0.d": nil, "b.c.1": []string{"p", "q"}, "twice": 3, "e": map[string]int{"f": 7}}},
			`{"a":"<&>","b":{"c":[{"d":null},["p","q"]],"c2":"y,:"},"twice":3,"e":{"f":7},"twice":3}`,
		},
		{[]Values{{"b": 1}, {"b": 2}}, `{"a":1.50,"b":2,"twice":"one","e":{},"twice":"two"}`},
		{[]Values{{"": true}}, `true`},
	} {
		if got := string(template.Fill(test.values...)); got != test.want {
			t.Errorf("%v:\n%s\nwant\n%s", test.values, got, test.want)
		}
	}
}

func TestFillOfDefects(t *testing.T) {
	template, err := NewTemplate([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range map[string]Values{
		"unknown path": {"b.x": 1}, "overlap": {"b": 1, "b.c": 2}, "no JSON": {"a": func() {}},
	} {
		if !panics(func() { template.Fill(values) }) {
			t.Errorf("%s: was filled", name)
		}
	}
}

func TestMustTemplate(t *testing.T) {
	files := fstest.MapFS{"good.json": {Data: []byte(`{"a":1}`)}, "bad.json": {Data: []byte(`{"a":`)}}
	if got := string(MustTemplate(files, "good.json").Fill(Values{"a": 2})); got != `{"a":2}` {
		t.Errorf("filled %s", got)
	}
	for _, name := range []string{"bad.json", "missing.json"} {
		if !panics(func() { MustTemplate(files, name) }) {
			t.Errorf("%s made a template", name)
		}
	}
}

func panics(do func()) (thrown bool) {
	defer func() { thrown = recover() != nil }()
	do()
	return false
}
