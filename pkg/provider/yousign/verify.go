package yousign

import (
	"crypto/sha256"
	"strings"

	"github.com/verdict-stream/verdict/pkg/provider"
)

const (
	signatureHeader = "X-Yousign-Signature-256"
	signaturePrefix = "sha256="
)

var scheme = provider.Scheme{
	Header:    signatureHeader,
	Prefix:    signaturePrefix,
	Algorithm: provider.HMACSHA256,
	Encoding:  provider.LowerHex,
	Message:   "the body as it is",
	Messages:  func(body []byte) [][]byte { return [][]byte{body} },
}

// verify checks the signature of the raw body and names the event as the body does. It
// returns provider.ErrMissingSignature or provider.ErrBadSignature: one who sets no secret in
// Yousign's console gets webhooks without the header, and they are refused.
func verify(r provider.Request) (provider.Receipt, error) {
	header := r.Header(signatureHeader)
	if header == "" {
		return provider.Receipt{}, provider.ErrMissingSignature
	}
	signature, ok := strings.CutPrefix(header, signaturePrefix)
	if !ok || signature == "" {
		return provider.Receipt{}, provider.ErrBadSignature
	}
	secret, err := provider.MatchHexMAC(sha256.New, r.Body, signature, r.Secrets)
	if err != nil {
		return provider.Receipt{}, err
	}
	receipt := provider.Receipt{
		Event:  provider.EventUndecodable,
		Family: provider.FamilyVerification,
		Signed: r.Body,
		Secret: secret,
	}
	if body, err := provider.ParseMembers(r.Body, "metadata", "event_id", "event_name"); err == nil {
		fields := envelope(body)
		if event := fields.Text("event_name"); event != "" {
			receipt.Event, receipt.Family = token(event), family(event)
		}
		receipt.DeliveryID = provider.DeliveryID(fields.Text("event_id"))
	}
	return receipt, nil
}
