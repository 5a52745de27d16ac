package providertest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// damageRounds is how many damaged bodies are made of each sample. The native fuzz targets of
// the folders look for longer.
const damageRounds = 150

// fuzz damages the bytes of every sample in random ways, always the same ones, and checks what
// becomes of it as it is and, signed, as a webhook.
func (s *suite) fuzz(t *testing.T) {
	s.each(t, func(t *testing.T, sample sample, signed provider.Signed) {
		random := rand.New(rand.NewPCG(uint64(len(sample.name)), uint64(len(sample.body))))
		receipt := s.accepted(t, request(signed, secret), 0)
		for range damageRounds {
			other := s.samples[random.IntN(len(s.samples))].body
			s.outcome(t, "damaged", sample, damaged(random, sample.body, other))
			posted := signed
			posted.Body = damaged(random, signed.Body, other)
			s.damagedOnTheWay(t, posted, receipt)
		}
	})
}

// damagedOnTheWay checks that nothing but what was signed is accepted of a damaged webhook.
func (s *suite) damagedOnTheWay(t *testing.T, posted provider.Signed, signed provider.Receipt) {
	t.Helper()
	receipt, err := s.Verify(request(posted, secret))
	switch {
	case errors.Is(err, provider.ErrMissingSignature), errors.Is(err, provider.ErrBadSignature):
	case err != nil:
		t.Errorf("verify: %v", err)
	case receipt.Secret >= 0 && !bytes.Equal(receipt.Signed, signed.Signed):
		t.Error("a damaged webhook was accepted for something that nobody signed")
	default:
		s.validReceipt(t, receipt)
	}
}

// tokens are pieces of JSON and of other things that bodies hold.
var tokens = []string{
	"{", "}", "[", "]", ",", ":", `"`, `\`, `\u0000`, `\ud83d`, `null`, `true`, `-0`, `1e999`, `""`, `{}`, `[]`, "\x00", "\xff", "é", "\n", "/", ".",
}

// damaged returns a copy of the body with one to four things done to it.
func damaged(random *rand.Rand, body, other []byte) []byte {
	body = bytes.Clone(body)
	for range 1 + random.IntN(4) {
		if len(body) == 0 {
			return body
		}
		at := random.IntN(len(body))
		to := at + random.IntN(min(len(body)-at, 32)+1)
		switch random.IntN(6) {
		case 0:
			body[at] ^= 1 << random.IntN(8)
		case 1:
			body = slices.Delete(body, at, to)
		case 2:
			body = slices.Insert(body, at, []byte(tokens[random.IntN(len(tokens))])...)
		case 3:
			body = slices.Insert(body, at, bytes.Clone(body[at:to])...)
		case 4:
			from := random.IntN(len(other))
			body = slices.Replace(body, at, to, other[from:from+random.IntN(min(len(other)-from, 64)+1)]...)
		default:
			body = body[:at]
		}
	}
	return body
}
