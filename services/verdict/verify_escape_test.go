package main

import "testing"

func TestEscapes(t *testing.T) {
	for _, c := range []struct{ plain, escaped string }{
		{`{"a":"é"}`, `{"a":"\u00e9"}`},
		{`"😀 Ω"`, `"\ud83d\ude00 \u03a9"`},
		{`"\\u00e9"`, `"\\u00e9"`},                       // a backslash that is one itself
		{`"\u0000\u0022\u005c"`, `"\u0000\u0022\u005c"`}, // what JSON must have escaped
		{`"\ud83d x"`, `"\ud83d x"`},                     // half a character
		{"\"\xff\"", "\"\xff\""},
		{`\`, `\`},
	} {
		if got := string(escaped([]byte(c.plain), `\u%04x`)); got != c.escaped {
			t.Errorf("%s is escaped as %s, want %s", c.plain, got, c.escaped)
		}
		if got := string(unescaped([]byte(c.escaped))); got != c.plain {
			t.Errorf("%s is unescaped as %s, want %s", c.escaped, got, c.plain)
		}
	}
	if got, want := string(spaced([]byte(`{"a,:\\\"":[1,{"b":"c, d"}]}`))), `{"a,:\\\"": [1, {"b": "c, d"}]}`; got != want {
		t.Errorf("spaced is %s, want %s", got, want)
	}
}
