package providertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// each runs a check of a signature on every sample, signed with the first secret.
func (s *suite) each(t *testing.T, check func(*testing.T, sample, provider.Signed)) {
	for _, sample := range s.samples {
		t.Run(sample.name, func(t *testing.T) {
			check(t, sample, s.signed(t, sample.event.Name, sample.body, secret))
		})
	}
}

func (s *suite) validSignature(t *testing.T) {
	s.each(t, func(t *testing.T, _ sample, signed provider.Signed) { s.accepted(t, request(signed, secret), 0) })
	signed := s.signed(t, s.Example.Event, s.Example.Body, secret)
	if receipt := s.accepted(t, request(signed, secret), 0); receipt.Event != s.Token(s.Example.Event) {
		t.Errorf("the example is a webhook of %s, want %s", receipt.Event, s.Token(s.Example.Event))
	}
}

func (s *suite) secondSecret(t *testing.T) {
	s.each(t, func(t *testing.T, _ sample, signed provider.Signed) {
		s.accepted(t, request(signed, foreignSecret, secret), 1)
		s.accepted(t, request(signed, foreignSecret, olderSecret, secret), 2)
	})
}

func (s *suite) wrongSecret(t *testing.T) {
	s.each(t, func(t *testing.T, _ sample, signed provider.Signed) {
		s.refused(t, request(signed, foreignSecret), provider.ErrBadSignature)
		s.refused(t, request(signed, secret+"0"), provider.ErrBadSignature)
	})
}

func (s *suite) flippedByte(t *testing.T) {
	s.each(t, func(t *testing.T, _ sample, signed provider.Signed) {
		s.changedBody(t, signed, s.accepted(t, request(signed, secret), 0))
	})
}

func (s *suite) spoiltHeader(t *testing.T) {
	s.each(t, func(t *testing.T, _ sample, signed provider.Signed) { s.changedHeader(t, signed) })
}

func (s *suite) missingSignature(t *testing.T) {
	s.each(t, func(t *testing.T, sample sample, signed provider.Signed) {
		s.unsigned(t, signed, s.signed(t, sample.event.Name, sample.body, foreignSecret))
	})
}

func (s *suite) accepted(t *testing.T, r provider.Request, position int) provider.Receipt {
	t.Helper()
	receipt, err := s.Verify(r)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	if receipt.Secret != position {
		t.Errorf("secret at position %d matched, want %d", receipt.Secret, position)
	}
	if len(receipt.Signed) == 0 {
		t.Error("the receipt does not say what is signed")
	}
	return receipt
}

func (s *suite) refused(t *testing.T, r provider.Request, want error) {
	t.Helper()
	if receipt, err := s.Verify(r); !errors.Is(err, want) {
		t.Errorf("verify: %v, %v, want %v", receipt.Event, err, want)
	}
}

// changedBody changes every byte of the body, one at a time. A change of what is signed is
// refused. Elsewhere the receipt must go on saying the same about what is signed, or that
// there is no signature.
func (s *suite) changedBody(t *testing.T, signed provider.Signed, receipt provider.Receipt) {
	from := bytes.Index(signed.Body, receipt.Signed)
	if from < 0 {
		t.Fatal("the body that Sign makes does not contain what it signs")
	}
	for i := range signed.Body {
		changed := signed
		changed.Body = bytes.Clone(signed.Body)
		changed.Body[i] ^= 1
		got, err := s.Verify(request(changed, secret))
		switch {
		case errors.Is(err, provider.ErrBadSignature) || errors.Is(err, provider.ErrMissingSignature):
		case from <= i && i < from+len(receipt.Signed):
			t.Fatalf("byte %d is signed, and its change was not refused: %v", i, err)
		case err != nil || got.Secret >= 0 && !bytes.Equal(got.Signed, receipt.Signed):
			t.Fatalf("byte %d changed: error %v, and a receipt for something else", i, err)
		}
	}
}

// changedHeader spoils the header of the signature in every way; nothing to check for a
// provider that signs within the body.
func (s *suite) changedHeader(t *testing.T, signed provider.Signed) {
	for name, value := range signed.Header {
		spoilt := []string{
			strings.ToUpper(value), value + value, value + " ", " " + value, value + "0", value + "00",
			"sha256=", "=", "0", strings.Repeat("g", len(value)), strings.Repeat("é", len(value)/2), "\x00",
		}
		for i := 1; i < len(value); i++ {
			spoilt = append(spoilt, value[:i], value[i:], value[:i]+string(value[i]^1)+value[i+1:], value[:i]+strings.ToUpper(value[i:]))
		}
		for _, text := range spoilt {
			if text == value {
				continue
			}
			changed := signed
			changed.Header = maps.Clone(signed.Header)
			changed.Header[name] = text
			s.refused(t, request(changed, secret), provider.ErrBadSignature)
		}
	}
}

// unsigned takes the signature away: the headers, or the members of the body that differ
// between two signings.
func (s *suite) unsigned(t *testing.T, signed, other provider.Signed) {
	bare := provider.Signed{Path: signed.Path, Body: signed.Body}
	if len(signed.Header) == 0 {
		bare.Body = withoutDifference(t, signed.Body, other.Body)
	}
	receipt, err := s.Verify(request(bare, secret))
	if s.Unsigned && err == nil && receipt.Family == provider.FamilyUnsigned && receipt.Secret == -1 {
		return
	}
	if !errors.Is(err, provider.ErrMissingSignature) {
		t.Errorf("verify without a signature: %v, want %v", err, provider.ErrMissingSignature)
	}
}

func withoutDifference(t *testing.T, a, b []byte) []byte {
	t.Helper()
	left, right := parsed(t, a), parsed(t, b)
	if drop(left, right) == 0 {
		t.Fatal("two secrets make the same body")
	}
	return encoded(t, left)
}

// drop deletes the members in which two objects differ, and returns their number.
func drop(left, right map[string]any) int {
	dropped := 0
	for name, value := range left {
		inner, ok := value.(map[string]any)
		same, both := right[name].(map[string]any)
		switch {
		case ok && both:
			dropped += drop(inner, same)
		case !reflect.DeepEqual(value, right[name]):
			delete(left, name)
			dropped++
		}
	}
	return dropped
}

func parsed(t *testing.T, body []byte) map[string]any {
	t.Helper()
	object, err := provider.ParseObject(body)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return object
}

func encoded(t *testing.T, value any) []byte {
	t.Helper()
	body, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
