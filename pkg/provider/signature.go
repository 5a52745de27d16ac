package provider

import (
	"crypto/hmac"
	"encoding/hex"
	"hash"
	"regexp"
	"strings"
)

// MatchHexMAC returns the position of the first secret under which the signature, an HMAC in
// lower-case hexadecimal, fits the message. It returns ErrMissingSignature for the empty text
// and ErrBadSignature for one that is malformed or fits no secret.
func MatchHexMAC(newHash func() hash.Hash, message []byte, signature string, secrets []string) (int, error) {
	if signature == "" {
		return -1, ErrMissingSignature
	}
	sum, err := hex.DecodeString(signature)
	if err != nil || strings.ToLower(signature) != signature {
		return -1, ErrBadSignature
	}
	for i, secret := range secrets {
		if hmac.Equal(sum, mac(newHash, message, secret)) {
			return i, nil
		}
	}
	return -1, ErrBadSignature
}

// HexMAC is the HMAC of the message in lower-case hexadecimal.
func HexMAC(newHash func() hash.Hash, message []byte, secret string) string {
	return hex.EncodeToString(mac(newHash, message, secret))
}

func mac(newHash func() hash.Hash, message []byte, secret string) []byte {
	h := hmac.New(newHash, []byte(secret))
	h.Write(message)
	return h.Sum(nil)
}

var deliveryID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// DeliveryID returns the provider's id of a delivery where it may be a part of an event's id,
// else the empty text.
func DeliveryID(text string) string {
	if deliveryID.MatchString(text) {
		return text
	}
	return ""
}
