package idenfy

import (
	"crypto/sha256"

	"github.com/verdict-stream/verdict/pkg/provider"
)

const signatureHeader = "Idenfy-Signature"

var scheme = provider.Scheme{
	Header:    signatureHeader,
	Algorithm: provider.HMACSHA256,
	Encoding:  provider.LowerHex,
	Message:   "the body as it is, a line feed at its end included",
	Messages:  func(body []byte) [][]byte { return [][]byte{body} },
}

// verify checks the signature of the raw body and names the event by the URL. It returns
// provider.ErrMissingSignature or provider.ErrBadSignature.
func verify(r provider.Request) (provider.Receipt, error) {
	secret, err := provider.MatchHexMAC(sha256.New, r.Body, r.Header(signatureHeader), r.Secrets)
	if err != nil {
		return provider.Receipt{}, err
	}
	return provider.Receipt{
		Event:  eventToken(r.Segment, r.Body),
		Family: provider.FamilyVerification,
		Signed: r.Body,
		Secret: secret,
	}, nil
}

func eventToken(segment string, body []byte) string {
	callback, err := provider.ParseMembers(body, "status", "final")
	if err != nil {
		return provider.EventUndecodable
	}
	if !tellsOfVerification(callback) {
		return provider.EventOther
	}
	for _, e := range events {
		if e.Segment == segment {
			return provider.Token(e.Name)
		}
	}
	return provider.Token(legacy)
}

// tellsOfVerification reports whether a body is the result of an id verification. Those of
// other subscriptions, as AML monitoring, document expiration and facial authentication, have
// no status or one that is text, and nothing of what else every result has.
func tellsOfVerification(callback provider.Object) bool {
	_, ok := callback["status"].(map[string]any)
	if !ok {
		_, ok = callback["final"]
	}
	return ok
}
