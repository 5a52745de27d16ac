package store

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestEncodeHeader writes a header that encoding/json reads as its own, whatever is in it, and reads what was written.
func TestEncodeHeader(t *testing.T) {
	text := rapid.OneOf(rapid.StringMatching(`[a-z!-;=?A-Z ]{0,9}`), rapid.StringMatching(`[ -~]{0,9}`), rapid.String(),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	rapid.Check(t, func(t *rapid.T) {
		header := rapid.MapOf(text, rapid.SliceOf(text)).Draw(t, "header")
		if rapid.Bool().Draw(t, "with nil") {
			header["nil"] = nil
		}
		if rapid.Bool().Draw(t, "nil") {
			header = nil
		}
		text, err := json.Marshal(header)
		if err != nil {
			t.Fatal(err)
		}
		got, err := encodeHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		var want, read map[string][]string
		if err := errors.Join(json.Unmarshal(text, &want), json.Unmarshal([]byte(got), &read)); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		if diff := cmp.Diff(want, read); diff != "" {
			t.Errorf("%s (-want +got):\n%s", got, diff)
		}
		sameHeader(t, got)
	})
}

// TestDecodeHeader reads a header as encoding/json does, whatever is in it.
func TestDecodeHeader(t *testing.T) {
	token := rapid.OneOf(
		rapid.SampledFrom([]string{`"`, `"`, `"`, `{`, `}`, `[`, `]`, `:`, `,`, `":["`, `"],"`, `"]}`, `","`, ` `, `\`, `\"`, `\u0041`, `null`, "\n", "\x00", "\xff", "é", `<`}),
		rapid.StringMatching(`[a-z]{1,3}`),
	)
	whole := rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{`"a":["x"]`, `"a":["y","z"]`, `"b":[]`, `"c":[""]`, `"d":null`, `"e":["\n"]`, `"f":"x"`, `"":["a b"]`, ``}), 0, 4),
		func(parts []string) []string {
			all := []string{"{"}
			for i, part := range parts {
				if i > 0 {
					all = append(all, ",")
				}
				all = append(all, part)
			}
			return append(all, "}")
		})
	rapid.Check(t, func(t *rapid.T) {
		tokens := rapid.OneOf(whole, rapid.SliceOfN(token, 0, 12)).Draw(t, "tokens")
		var text string
		for _, part := range tokens {
			text += part
		}
		sameHeader(t, text+rapid.SampledFrom([]string{"", "", " ", "x"}).Draw(t, "behind"))
	})
}

func sameHeader(t *rapid.T, text string) {
	t.Helper()
	var want map[string][]string
	refused := json.Unmarshal([]byte(text), &want)
	got, err := decodeHeader(text)
	if (err != nil) != (refused != nil) {
		t.Fatalf("%q: error %v, want %v", text, err, refused)
	}
	if refused != nil {
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%q (-want +got):\n%s", text, diff)
	}
}
