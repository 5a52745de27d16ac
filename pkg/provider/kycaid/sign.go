package kycaid

import (
	"crypto/sha512"
	"fmt"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// sign makes the callback that KYCAID would send. The body names its event itself. It returns
// an error for an event that is not listed.
func sign(event string, body []byte, secret string) (provider.Signed, error) {
	if token(event) == provider.EventOther {
		return provider.Signed{}, fmt.Errorf("sign: kycaid has no event %q", event)
	}
	return provider.Signed{
		Header: map[string]string{signatureHeader: provider.HexMAC(sha512.New, message(body), secret)},
		Body:   body,
	}, nil
}
