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

// tokens are those of the events, by what their URLs end with.
var tokens = func() map[string]string {
	tokens := map[string]string{}
	for _, e := range events {
		tokens[e.Segment] = provider.Token(e.Name)
	}
	return tokens
}()

func eventToken(segment string, body []byte) string {
	// Nearly every result has `final`: then the status, which is large, need not be kept.
	callback, err := provider.ParseMembers(body, "final")
	if err == nil && len(callback) == 0 {
		callback, err = provider.ParseMembers(body, "status")
	}
	if err != nil {
		return provider.EventUndecodable
	}
	if !tellsOfVerification(callback) {
		return provider.EventOther
	}
	if token, ok := tokens[segment]; ok {
		return token
	}
	return tokens[legacySegment]
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
