package main

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// redacted is what every rendering of a secret that is set shows.
const redacted = "[redacted]"

// Secret is a text that shows itself only through Reveal. Printing it with
// any verb of fmt, marshalling it to JSON or YAML and logging it give a
// placeholder instead; an empty secret renders as nothing, so that a reader
// can tell whether it is set.
//
// The text stands behind a pointer because fmt cannot call methods on the
// unexported fields of a struct that is printed: there it shows an address.
type Secret struct {
	text *string
}

// NewSecret returns the secret that reveals text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the secret text, empty if the secret is not set.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsSet tells whether there is a secret at all.
func (s Secret) IsSet() bool { return s.text != nil }

// Equal compares two secrets in a time that does not depend on where they
// differ.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns the placeholder, or nothing where the secret is not set.
func (s Secret) String() string {
	if !s.IsSet() {
		return ""
	}
	return redacted
}

// Format writes the placeholder whatever the verb and its flags.
func (s Secret) Format(state fmt.State, _ rune) {
	_, _ = io.WriteString(state, s.String())
}

// MarshalText returns the placeholder, for JSON, YAML and their like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue returns the placeholder for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
