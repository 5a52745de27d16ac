package idenfy

import (
	"crypto/sha256"
	"fmt"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// sign makes the callback that iDenfy would send to the URL of the event. It returns an error
// for an event that is not listed.
func sign(event string, body []byte, secret string) (provider.Signed, error) {
	for _, e := range events {
		if e.Name == event {
			return provider.Signed{
				Path:   "/" + e.Segment,
				Header: map[string]string{signatureHeader: provider.HexMAC(sha256.New, body, secret)},
				Body:   body,
			}, nil
		}
	}
	return provider.Signed{}, fmt.Errorf("%s has no such event", name)
}
