package providertest

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// scheme checks that a webhook of the provider can be signed from the description alone.
func (s *suite) scheme(t *testing.T) {
	scheme := &s.Scheme
	if (scheme.Header == "") == (scheme.Field == "") {
		t.Error("the signature is in a header or in a field, and in one of them")
	}
	if scheme.Message == "" || strings.TrimSpace(scheme.Message) != scheme.Message {
		t.Error("no words say what is signed")
	}
	if !slices.Contains([]provider.Encoding{provider.LowerHex, provider.Base64}, scheme.Encoding) {
		t.Errorf("encoding %q is not listed", scheme.Encoding)
	}
	s.each(t, func(t *testing.T, _ sample, signed provider.Signed) {
		r := request(signed, secret)
		given := scheme.Given(r)
		if !slices.ContainsFunc(scheme.Messages(signed.Body), func(message []byte) bool {
			return scheme.Signature(message, secret) == given
		}) {
			t.Errorf("the %s has not the signature of one of the messages", scheme.Place())
		}
		if _, err := scheme.Encoding.Decode(strings.TrimPrefix(given, scheme.Prefix)); err != nil {
			t.Errorf("the signature is not written as the scheme says: %v", err)
		}
		s.messagesOfAnything(t, signed.Body)
	})
}

// messagesOfAnything checks that the messages of any body can be asked for.
func (s *suite) messagesOfAnything(t *testing.T, body []byte) {
	for _, damaged := range append(slices.Collect(maps.Values(unreadable)), body[:len(body)/2], append(bytes.Clone(body), 'x')) {
		before := bytes.Clone(damaged)
		s.Scheme.Messages(damaged)
		if !bytes.Equal(before, damaged) {
			t.Error("asking for the messages changed the body")
		}
	}
}
