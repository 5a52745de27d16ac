package kycaid

import (
	"crypto/sha512"
	"encoding/base64"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// signatureHeader holds the signature (KYCAID, callback integrity verification).
const signatureHeader = "x-data-integrity"

var scheme = provider.Scheme{
	Header:    signatureHeader,
	Algorithm: provider.HMACSHA512,
	Encoding:  provider.LowerHex,
	Message:   "the base64 text of the body, in the standard alphabet with padding",
	Messages:  func(body []byte) [][]byte { return [][]byte{message(body)} },
}

// verify checks the signature over the raw body with every token, newest first, and names the
// callback. Only a body whose signature is good is parsed. It returns ErrMissingSignature and
// ErrBadSignature.
func verify(r provider.Request) (provider.Receipt, error) {
	secret, err := provider.MatchHexMAC(sha512.New, message(r.Body), r.Header(signatureHeader), r.Secrets)
	if err != nil {
		return provider.Receipt{}, err
	}
	receipt := provider.Receipt{
		Event: provider.EventUndecodable, Family: provider.FamilyVerification,
		Signed: r.Body, Secret: secret,
	}
	if body, err := provider.ParseMembers(r.Body, "type", "request_id"); err == nil {
		if name := body.Text("type"); name != "" {
			receipt.Event = token(name)
		}
		receipt.DeliveryID = provider.DeliveryID(body.Text("request_id"))
	}
	return receipt, nil
}

// message is what KYCAID signs: the base64 text of the body, in the standard alphabet with
// padding, and not the body itself.
func message(body []byte) []byte {
	return []byte(base64.StdEncoding.EncodeToString(body))
}
