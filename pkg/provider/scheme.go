package provider

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"maps"
	"slices"
)

// Scheme is how a provider signs, as data: for people who look for the reason of a refusal.
// Verify is what decides; the suite of the folders holds the scheme to it.
type Scheme struct {
	// Header holds the signature. Where it is empty, the member Field of the body holds it, or
	// of an object that is directly in the body.
	Header, Field string
	// Prefix stands before the signature.
	Prefix    string
	Algorithm Algorithm
	Encoding  Encoding
	// Message says what is signed, in words that go on behind «signed is …».
	Message string
	// Messages are the bytes that the algorithm is run over. Where senders differ there are
	// several, and any of them may be signed. There is none for a body without what is signed.
	Messages func(body []byte) [][]byte
}

// Algorithm makes a signature of a message and a secret.
type Algorithm string

// The algorithms.
const (
	HMACSHA256 Algorithm = "HMAC-SHA256"
	HMACSHA512 Algorithm = "HMAC-SHA512"
)

// Hash returns the algorithm's hash, nil for an algorithm that is not listed.
func (a Algorithm) Hash() func() hash.Hash {
	switch a {
	case HMACSHA256:
		return sha256.New
	case HMACSHA512:
		return sha512.New
	default:
		return nil
	}
}

// Size is the length of a signature in bytes.
func (a Algorithm) Size() int { return a.Hash()().Size() }

// Encoding is how the bytes of a signature are written.
type Encoding string

// The encodings.
const (
	LowerHex Encoding = "lower-case hexadecimal"
	Base64   Encoding = "base64"
)

// Encode writes a signature.
func (e Encoding) Encode(signature []byte) string {
	if e == Base64 {
		return base64.StdEncoding.EncodeToString(signature)
	}
	return hex.EncodeToString(signature)
}

var errSpelling = errors.New("not the one spelling of these bytes")

// Decode reads a signature, and nothing but what Encode writes.
func (e Encoding) Decode(text string) (signature []byte, err error) {
	if e == Base64 {
		signature, err = base64.StdEncoding.DecodeString(text)
	} else {
		signature, err = hex.DecodeString(text)
	}
	if err == nil && e.Encode(signature) != text {
		return nil, errSpelling
	}
	return signature, err
}

// Place says where the signature stands.
func (s *Scheme) Place() string {
	if s.Header != "" {
		return "header " + s.Header
	}
	return "field " + s.Field + " of the body"
}

// Signature is what stands in the signature's place for a message, prefix and all.
func (s *Scheme) Signature(message []byte, secret string) string {
	return s.Prefix + s.Encoding.Encode(mac(s.Algorithm.Hash(), message, secret))
}

// Given returns what stands in the signature's place of a request, empty where nothing does.
func (s *Scheme) Given(r Request) string {
	if s.Header != "" {
		return r.Header(s.Header)
	}
	body, err := ParseObject(r.Body)
	if err != nil {
		return ""
	}
	if given := body.Text(s.Field); given != "" {
		return given
	}
	for _, name := range slices.Sorted(maps.Keys(body)) {
		if given := body.Object(name).Text(s.Field); given != "" {
			return given
		}
	}
	return ""
}
