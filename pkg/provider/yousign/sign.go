package yousign

import (
	"crypto/sha256"
	"fmt"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// sign makes the webhook that Yousign would send. The event is what the body names; it
// returns an error for one that is not listed.
func sign(event string, body []byte, secret string) (provider.Signed, error) {
	if token(event) == provider.EventOther {
		return provider.Signed{}, fmt.Errorf("%s has no such event", name)
	}
	return provider.Signed{
		Header: map[string]string{signatureHeader: signaturePrefix + provider.HexMAC(sha256.New, body, secret)},
		Body:   body,
	}, nil
}
