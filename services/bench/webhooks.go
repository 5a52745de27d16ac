package bench

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	mathrand "math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// numberDigits is the width of a webhook's number in its reference.
const numberDigits = 10

// webhooks makes webhooks of one provider without end, each a final decision about a
// verification of its own, correctly signed. They differ in a number alone, so that making one
// costs little: the signature of what stands before the number is computed once.
type webhooks struct {
	provider *provider.Provider
	kind     string
	// reference is that of every verification without its number.
	reference string
	secret    string
	event     string

	// head is a request up to its body; the signature in it begins at signature.
	head      []byte
	signature int
	// body holds the number at number, and nothing of what follows differs.
	body   []byte
	number int

	// inner and outer are the states of the hash before the number and before the inner sum.
	inner, outer []byte

	made atomic.Uint64
}

// newWebhooks takes the first scenario of the provider that is one webhook. The provider must
// sign the body as it is, with HMAC-SHA256 in hexadecimal, in a header.
func newWebhooks(p *provider.Provider, secret string) (*webhooks, error) {
	probe := []byte(`{"a":1}`)
	if s := p.Scheme; s.Header == "" || s.Algorithm != provider.HMACSHA256 || s.Encoding != provider.LowerHex ||
		len(s.Messages(probe)) != 1 || !bytes.Equal(s.Messages(probe)[0], probe) {
		return nil, fmt.Errorf("webhooks of %s cannot be made fast enough: choose a provider that signs the body with HMAC-SHA256 in a header", p.Name)
	}
	for _, scenario := range p.Scenarios {
		story := scenario.Make(mathrand.New(mathrand.NewPCG(1, 1)), time.Now())
		if len(story.Deliveries) == 1 && len(story.Want) == 1 && !story.Want[0].Sandbox {
			return newWebhooksOf(p, secret, story)
		}
	}
	return nil, fmt.Errorf("%s has no scenario of one webhook", p.Name)
}

func newWebhooksOf(p *provider.Provider, secret string, story provider.Story) (*webhooks, error) {
	var random [4]byte
	_, _ = rand.Read(random[:]) // Never fails: it ends the process instead.
	w := &webhooks{
		provider: p, kind: story.Want[0].Kind, reference: "bench-" + hex.EncodeToString(random[:]) + "-", secret: secret, event: story.Deliveries[0].Event,
	}
	before, after, err := around(story.Deliveries[0].Body, story.Want[0].Reference)
	if err != nil {
		return nil, err
	}
	before += w.reference
	w.body, w.number = []byte(before+strings.Repeat("0", numberDigits)+after), len(before)
	signed, err := p.Sign(w.event, w.body, secret)
	if err != nil {
		return nil, fmt.Errorf("sign as %s would: %w", p.Name, err)
	}
	if err := w.states(); err != nil {
		return nil, err
	}
	head := fmt.Sprintf("POST /webhooks/%s%s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s: %s",
		p.Name, signed.Path, len(w.body), http.CanonicalHeaderKey(p.Scheme.Header), p.Scheme.Prefix)
	w.signature = len(head)
	w.head = []byte(head + strings.Repeat("0", hex.EncodedLen(sha256.Size)) + "\r\n\r\n")
	return w, nil
}

// around returns a body in two parts with the reference between them, as far at its end as
// can be. Other members that hold the reference too, as links, are left out.
func around(body []byte, reference string) (before, after string, err error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	if _, err := decoder.Token(); err != nil {
		return "", "", fmt.Errorf("read the scenario's body: %w", err)
	}
	var kept []string
	name := ""
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return "", "", fmt.Errorf("read the scenario's body: %w", err)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return "", "", fmt.Errorf("read the scenario's body: %w", err)
		}
		switch {
		case string(value) == strconv.Quote(reference):
			name = fmt.Sprint(key)
		case !bytes.Contains(value, []byte(reference)):
			kept = append(kept, strconv.Quote(fmt.Sprint(key))+":"+string(value))
		}
	}
	if name == "" {
		return "", "", errors.New("the scenario's body has no member that is the reference")
	}
	kept = append(kept, strconv.Quote(name)+`:"`)
	return "{" + strings.Join(kept, ","), `"}`, nil
}

// states computes what the signatures of all webhooks begin with: HMAC is the hash of the key,
// in one of its two forms, and the message, and then of the key's other form and that hash.
func (w *webhooks) states() error {
	key := make([]byte, sha256.BlockSize)
	if len(w.secret) > len(key) {
		return errors.New("the secret is too long")
	}
	copy(key, w.secret)
	const innerPad, outerPad = 0x36, 0x5c
	state := func(pad byte, more []byte) ([]byte, error) {
		h := sha256.New()
		padded := make([]byte, len(key))
		for i := range key {
			padded[i] = key[i] ^ pad
		}
		h.Write(padded)
		h.Write(more)
		return h.(encoding.BinaryMarshaler).MarshalBinary()
	}
	var err error
	if w.inner, err = state(innerPad, w.body[:w.number]); err != nil {
		return fmt.Errorf("prepare signatures: %w", err)
	}
	if w.outer, err = state(outerPad, nil); err != nil {
		return fmt.Errorf("prepare signatures: %w", err)
	}
	return nil
}

// id is the verification that a webhook tells of.
func (w *webhooks) id(number uint64) string {
	return fmt.Sprintf("%s/%s/%s%0*d", w.provider.Name, w.kind, w.reference, numberDigits, number)
}

// numberOf returns the webhook that a verification of this run was made by.
func (w *webhooks) numberOf(id string) (uint64, bool) {
	_, digits, ours := strings.Cut(id, w.reference)
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, ours && err == nil
}

// writer makes webhooks in memory of its own. It is used by one goroutine.
type writer struct {
	*webhooks
	request []byte
	hash    hash.Hash
	sum     []byte
}

func (w *webhooks) newWriter() *writer {
	return &writer{webhooks: w, request: append(append([]byte(nil), w.head...), w.body...), hash: sha256.New()}
}

// next makes a request that was not made before. It stands until the next call.
func (w *writer) next() (number uint64, request []byte, err error) {
	number = w.made.Add(1)
	body := w.request[len(w.head):]
	for i, rest := w.number+numberDigits-1, number; i >= w.number; i-- {
		body[i] = byte('0' + rest%10)
		rest /= 10
	}
	state := w.hash.(encoding.BinaryUnmarshaler)
	if err := state.UnmarshalBinary(w.inner); err != nil {
		return 0, nil, fmt.Errorf("sign: %w", err)
	}
	w.hash.Write(body[w.number:])
	w.sum = w.hash.Sum(w.sum[:0])
	if err := state.UnmarshalBinary(w.outer); err != nil {
		return 0, nil, fmt.Errorf("sign: %w", err)
	}
	w.hash.Write(w.sum)
	w.sum = w.hash.Sum(w.sum[:0])
	hex.Encode(w.request[w.signature:], w.sum)
	return number, w.request, nil
}
