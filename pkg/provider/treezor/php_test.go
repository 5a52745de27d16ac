package treezor

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPHPForm(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"white space", "{ \"a\" :\t[ 1 ,\r\n null ] }\n", `{"a":[1,null]}`},
		{"white space in a string", `{"a b":"c  d"}`, `{"a b":"c  d"}`},
		{"order and duplicates stay", `{"b":1,"a":2,"b":3}`, `{"b":1,"a":2,"b":3}`},
		{"numbers stay", `[10.0,1e2,1E+2,-0,0.10,123456789012345678901234567890]`, `[10.0,1e2,1E+2,-0,0.10,123456789012345678901234567890]`},
		{"words", ` [ true , false , null ] `, `[true,false,null]`},
		{"empty", ` { "a" : [ ] , "" : { } } `, `{"a":[],"":{}}`},
		{"slash", `"a/b\/c\u002fd"`, `"a\/b\/c\/d"`},
		{"slash behind a backslash", `"\\/"`, `"\\\/"`},
		{"names too", `{"é/":1}`, `{"\u00e9\/":1}`},
		{"quotes and backslashes", `"\"\\\u0022\u005c"`, `"\"\\\"\\"`},
		{"short escapes", `"\b\f\n\r\t\u0008\u000c\u000a\u000D\u0009"`, `"\b\f\n\r\t\b\f\n\r\t"`},
		{"other controls", `"\u0000\u000b\u001F"`, `"\u0000\u000b\u001f"`},
		{"not escaped", "\"<>&'\x7f\"", "\"<>&'\x7f\""},
		{"not escaped, though it was", `"\u003c\u003E\u0026\u0027\u007f\u0041"`, "\"<>&'\x7fA\""},
		{"beyond ASCII", `"é€K\u00D6LN"`, `"\u00e9\u20acK\u00d6LN"`},
		{"line separators", "\"\u2028\u2029\ufeff\"", `"\u2028\u2029\ufeff"`},
		{"replacement character", "\"\ufffd\\ufffd\"", `"\ufffd\ufffd"`},
		{"emoji", `"😀\uD83D\uDE00"`, `"\ud83d\ude00\ud83d\ude00"`},
		{"last character", "\"\U0010ffff\"", `"\udbff\udfff"`},
		{"half a character", `"\uD83D \uDE00 \ud83d"`, `"\uD83D \uDE00 \ud83d"`},
		{"the wrong way round", `"\uDE00\uD83D"`, `"\uDE00\uD83D"`},
		{"half before a whole", `"\ud83d\ud83d\ude00"`, `"\ud83d\ud83d\ude00"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := phpForm([]byte(test.in))
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("form (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPHPFormDeep checks that the depth of a value does not matter: nothing recurses.
func TestPHPFormDeep(t *testing.T) {
	deep := strings.Repeat("[", 1_000_000)
	if got := phpForm([]byte(deep)); string(got) != deep {
		t.Error("a deep value has another form")
	}
}

// FuzzPHPForm looks for a value whose form means something else, or is not stable.
func FuzzPHPForm(f *testing.F) {
	for _, seed := range []string{
		``, `"`, `"\`, `"\u`, `"\u12`, `"\ud83d\u`, `"\x"`, "\"\xff\"", `{"a":"é/😀\/\u2028"}`, ` [ 1 , "\ud83d" ] `, "\"a\tb\"",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		form := phpForm(value)
		if !json.Valid(value) {
			return // there is nothing to keep but that it does not panic
		}
		if again := phpForm(form); !bytes.Equal(form, again) {
			t.Fatalf("form %q has the form %q", form, again)
		}
		if diff := cmp.Diff(meaning(t, value), meaning(t, form)); diff != "" {
			t.Fatalf("form %q means something else:\n%s", form, diff)
		}
	})
}

// meaning is the value with its numbers as text.
func meaning(t *testing.T, value []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", value, err)
	}
	return v
}
