package treezor

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/verdict-stream/verdict/pkg/provider"
)

var scheme = provider.Scheme{
	Field:     fieldSignature,
	Algorithm: provider.HMACSHA256,
	Encoding:  provider.Base64,
	Message:   "the value of object_payload alone: as it is, or as PHP's json_encode writes it",
	Messages: func(body []byte) [][]byte {
		e, err := openEnvelope(body)
		if err != nil || e.payload() == nil {
			return nil
		}
		return forms(e.payload())
	},
}

// forms are the forms of a payload that may be signed, in the order in which they are tried.
func forms(payload []byte) [][]byte { return [][]byte{payload, phpForm(payload)} }

// verify checks the signature over object_payload, with every secret, and names the event.
// The signature is inside of the body, so the envelope has to be opened before; what is in it
// is believed only after. A body that is no JSON object has no signature. It returns
// ErrMissingSignature and ErrBadSignature.
func verify(r provider.Request) (provider.Receipt, error) {
	e, ok := openUnverified(r.Body)
	if !ok {
		return provider.Receipt{}, provider.ErrMissingSignature
	}
	if e.confirmation() {
		return provider.Receipt{
			Event: provider.EventOther, Family: provider.FamilyConfirmation, Signed: r.Body, Secret: -1,
		}, nil
	}
	receipt := e.receipt()
	given, found := e.signature()
	if !found {
		if !strings.HasPrefix(e.name(), reviewFamily) {
			return provider.Receipt{}, provider.ErrMissingSignature
		}
		receipt.Family, receipt.Secret, receipt.Signed = provider.FamilyUnsigned, -1, r.Body
		if payload := e.payload(); payload != nil {
			receipt.Signed = phpForm(payload)
		}
		return receipt, nil
	}
	receipt.Signed, receipt.Secret = signedForm(given, e.payload(), r.Secrets)
	if receipt.Secret < 0 {
		return provider.Receipt{}, provider.ErrBadSignature
	}
	return receipt, nil
}

// signedForm returns the form of the payload that is signed, as received or as PHP writes it,
// and the position of the secret; -1 where none matches.
func signedForm(given string, payload []byte, secrets []string) ([]byte, int) {
	// The decoder of base64 skips line breaks, so the length is checked too.
	mac, err := base64.StdEncoding.Strict().DecodeString(given)
	if err != nil || len(given) != base64.StdEncoding.EncodedLen(sha256.Size) || payload == nil {
		return nil, -1
	}
	tried := forms(payload)
	for i, secret := range secrets {
		for _, form := range tried {
			if hmac.Equal(mac, signature(form, secret)) {
				return form, i
			}
		}
	}
	return nil, -1
}

func signature(form []byte, secret string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(form)
	return mac.Sum(nil)
}
