package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// oracle reads a body with the standard library.
func oracle(body []byte) (map[string]any, bool) {
	if !utf8.Valid(body) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var value any
	if d.Decode(&value) != nil {
		return nil, false
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, false
	}
	object, ok := value.(map[string]any)
	return object, ok
}

// compare holds the parser to the oracle, in whole and for some members.
func compare(t *testing.T, body []byte) {
	t.Helper()
	want, ok := oracle(body)
	got, err := ParseObject(body)
	if ok != (err == nil) {
		t.Fatalf("%.100q: error %v, want one: %v", body, err, !ok)
	}
	if !reflect.DeepEqual(want, map[string]any(got)) {
		t.Fatalf("%.100q: read as %.100v", body, got)
	}
	names := []string{"a", "status", ""}
	some, err := ParseMembers(body, names...)
	if ok != (err == nil) {
		t.Fatalf("%.100q: members: error %v, want one: %v", body, err, !ok)
	}
	for name := range want {
		if !slices.Contains(names, name) {
			delete(want, name)
		}
	}
	if !reflect.DeepEqual(want, map[string]any(some)) {
		t.Fatalf("%.100q: members: read as %.100v", body, some)
	}
	var refused *DecodeError
	if !ok && (!errors.As(err, &refused) || refused.Cause != CauseInvalidJSON && refused.Cause != CauseInvalidUTF8) {
		t.Fatalf("%.100q: error %v", body, err)
	}
}

var nested = func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// bodies are such as parsers are known to disagree about.
var bodies = []string{
	``, ` `, `null`, `true`, `1`, `"a"`, `[]`, `[1]`, `{}`, " {\t}\r\n", `{}{}`, `{},`, `{}x`, `{} null`, "{}\x00", "{}\v", "\ufeff{}", "{}\u00a0",
	`{"a":1}`, `{"a":1,}`, `{,"a":1}`, `{"a":1 "b":2}`, `{"a" 1}`, `{"a":}`, `{"a"}`, `{a:1}`, `{'a':1}`, `{"a":1`, `{"a":"`, `{"a":"\`, `{"a":"\u12`, `{"`, `{"a`,
	`{"a":1,"a":2}`, `{"a":{"x":1},"a":{"y":2}}`, `{"a":1,"a":null}`, `{"a":1,"\u0061":2}`, `{"\u0061":2,"a":1}`, `{"A":1,"a":2,"A":3}`, `{"":1,"":2}`,
	`{"a":[]}`, `{"a":[1,]}`, `{"a":[,1]}`, `{"a":[1 2]}`, `{"a":[1,[2,{"b":[3]}],{}]}`, `{"a":[}`, `{"a":{]}`, `{"a":[1,2,3],"b":[4]}`,
	`{"a":0}`, `{"a":-0}`, `{"a":-}`, `{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":1.50}`, `{"a":1e5}`, `{"a":1E+05}`, `{"a":1e-}`, `{"a":1e}`, `{"a":+1}`, `{"a":0x1}`, `{"a":1_0}`, `{"a":--1}`,
	`{"a":1e999}`, `{"a":12345678901234567890123456789012345678901234567890}`, `{"a":NaN}`, `{"a":Infinity}`, `{"a":0.10}`, `{"a":-0.0e-00}`,
	`{"a":true,"b":false,"c":null}`, `{"a":tru}`, `{"a":True}`, `{"a":nul}`, `{"a":nulll}`, `{"a":t`, `{"a":truefalse}`,
	`{"a":"\b\f\n\r\t\"\\\/"}`, `{"a":"\x41"}`, `{"a":"\'"}`, `{"a":"\u00e9\u00E9é"}`, `{"a":"\u00g0"}`, `{"a":"\U0041"}`, `{"a":"\u0000"}`,
	"{\"a\":\"\x00\"}", "{\"a\":\"\n\"}", "{\"a\":\"\x1f\"}", "{\"a\":\"\x7f\u2028\"}",
	`{"a":"\ud83d\ude00"}`, `{"a":"\ud83d"}`, `{"a":"\ude00\ud83d"}`, `{"a":"\ud83dx"}`, `{"a":"\ud83d\n"}`, `{"a":"\ud83d\u0041"}`, `{"a":"\ud83d\ud83d\ude00"}`,
	`{"a":"\ud83d\u"}`, `{"a":"\ud83d\ude0"}`, `{"a":"\uFFFD\ufffd"}`, `{"\ud83d\ude00":1,"😀":2}`,
	"{\"a\":\"\xff\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"\xc0\xaf\":1}", `{"status":{"a":1,"status":2},"final":true}`, `{"status":{"x":[{"a":"\n"}]},"x":{"status":[1]}}`,
	`// {}`, `{}//`, `{"a":1/**/}`, `{"a":1;}`,
}

// TestParse reads what the standard library reads, and refuses what it refuses.
func TestParse(t *testing.T) {
	for _, body := range bodies {
		compare(t, []byte(body))
	}
	for _, depth := range []int{maxDepth - 2, maxDepth - 1, maxDepth, maxDepth + 1} {
		compare(t, []byte(`{"a":`+nested(depth)+`}`))
		compare(t, []byte(`{"b":`+nested(depth)+`}`))
		compare(t, []byte(strings.Repeat(`{"a":`, depth)+`1`+strings.Repeat(`}`, depth)))
	}
	compare(t, []byte(strings.Repeat("[", 1<<20)))
}

// stride is the distance of the places at which a sample is disturbed.
const stride = 13

// TestParseSamples cuts, and disturbs, what providers send.
func TestParseSamples(t *testing.T) {
	files, err := filepath.Glob("*/samples/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d samples, error %v", len(files), err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, body)
		for i := 0; i < len(body); i += stride {
			compare(t, body[:i])
			disturbed := slices.Clone(body)
			disturbed[i] = `"\{[0`[i%5]
			compare(t, disturbed)
		}
	}
}

// FuzzParse looks for a body that is read otherwise than by the standard library.
func FuzzParse(f *testing.F) {
	for _, body := range bodies {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { compare(t, body) })
}

// BenchmarkParseObject reads what a provider sends.
func BenchmarkParseObject(b *testing.B) {
	files, err := filepath.Glob("idenfy/samples/*.json")
	if err != nil || len(files) == 0 {
		b.Fatalf("%d samples, error %v", len(files), err)
	}
	body, err := os.ReadFile(files[0])
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		parse func() error
	}{
		{"all", func() error { _, err := ParseObject(body); return err }},
		{"members", func() error { _, err := ParseMembers(body, "status", "final"); return err }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if err := c.parse(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("standard", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := oracle(body); !ok {
				b.Fatal("not read")
			}
		}
	})
}
