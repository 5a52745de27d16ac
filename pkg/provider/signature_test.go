package provider

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"hash"
	"strings"
	"testing"
)

// TestMatchHexMAC uses the second test case of RFC 4231.
func TestMatchHexMAC(t *testing.T) {
	const secret, message = "Jefe", "what do ya want for nothing?"
	for _, test := range []struct {
		newHash   func() hash.Hash
		signature string
	}{
		{sha256.New, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{sha512.New, "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
	} {
		if got := HexMAC(test.newHash, []byte(message), secret); got != test.signature {
			t.Errorf("signature %s, want %s", got, test.signature)
		}
		position, err := MatchHexMAC(test.newHash, []byte(message), test.signature, []string{"newer", secret, secret})
		if position != 1 || err != nil {
			t.Errorf("position %d, error %v", position, err)
		}
		for signature, want := range map[string]error{
			"":                                 ErrMissingSignature,
			strings.ToUpper(test.signature):    ErrBadSignature,
			test.signature[1:]:                 ErrBadSignature,
			test.signature[2:]:                 ErrBadSignature,
			test.signature + "00":              ErrBadSignature,
			test.signature + "\n":              ErrBadSignature,
			strings.Repeat("0", 2*sha256.Size): ErrBadSignature,
		} {
			if position, err := MatchHexMAC(test.newHash, []byte(message), signature, []string{secret}); position != -1 || !errors.Is(err, want) {
				t.Errorf("signature %q: position %d, error %v, want %v", signature, position, err, want)
			}
		}
		if _, err := MatchHexMAC(test.newHash, bytes.ToUpper([]byte(message)), test.signature, []string{secret}); !errors.Is(err, ErrBadSignature) {
			t.Errorf("another message: error %v", err)
		}
	}
}

func TestDeliveryID(t *testing.T) {
	for text, want := range map[string]string{
		"d09f0367-d80a_309c.1":   "d09f0367-d80a_309c.1",
		strings.Repeat("x", 128): strings.Repeat("x", 128),
		strings.Repeat("x", 129): "",
		"":                       "", "a b": "", "a\n": "", "a:b": "", "é": "", "a/b": "",
	} {
		if got := DeliveryID(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
