package verification_test

import (
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/verification"
)

func TestPublishable(t *testing.T) {
	for reference, want := range map[string]bool{
		"3af0b5c9":               true,
		"client-1":               true,
		"order/7":                true,
		"h_00ff":                 true,
		"user@":                  true,
		"1234567":                true,
		strings.Repeat("x", 128): true,
		"":                       false,
		"anna@example.com":       false,
		"@anna":                  false,
		"+442079460000":          false,
		"0044 20 7946 0000":      false,
		"020-7946-0000":          false,
		"0207946000":             false,
		"Anna Q":                 false,
		"änna":                   false,
		"a\tb":                   false,
		strings.Repeat("x", 129): false,
	} {
		if got := verification.Publishable(reference); got != want {
			t.Errorf("%q is publishable: %t", reference, got)
		}
		hash := func(text string) string { return "h_" + strings.Repeat("0", len(text)%32) }
		told := verification.Pseudonymous(reference, hash)
		if kept := told == reference; kept != (want || reference == "") {
			t.Errorf("%q is told as %q", reference, told)
		}
		if again := verification.Pseudonymous(told, hash); again != told {
			t.Errorf("%q is told as %q, and that as %q", reference, told, again)
		}
	}
}
