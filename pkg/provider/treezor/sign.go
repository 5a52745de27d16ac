package treezor

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// errNoPayload is returned for a body without anything to sign.
var errNoPayload = errors.New("body has no object_payload")

// sign makes the webhook that Treezor would send: the envelope as it is, flat or nested, with
// the signature of its payload, written as PHP writes it. The body names its event itself.
// It returns an error for an event that is not listed and for a body without a payload.
func sign(event string, body []byte, secret string) (provider.Signed, error) {
	if token(event) == provider.EventOther {
		return provider.Signed{}, fmt.Errorf("sign: treezor has no event %q", event)
	}
	e, err := openEnvelope(body)
	if err != nil {
		return provider.Signed{}, fmt.Errorf("sign: %w", err)
	}
	if e.payload() == nil {
		return provider.Signed{}, fmt.Errorf("sign: %w", errNoPayload)
	}
	payload := phpForm(e.payload())
	signed, err := e.seal(payload, base64.StdEncoding.EncodeToString(signature(payload, secret)))
	if err != nil {
		return provider.Signed{}, fmt.Errorf("sign: %w", err)
	}
	return provider.Signed{Body: signed}, nil
}
