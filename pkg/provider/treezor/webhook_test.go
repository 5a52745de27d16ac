package treezor

import (
	"encoding/base64"
	"errors"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

const testSecret = "treezor-secret-1"

// webhookBody is a flat webhook without a signature; members begin with a comma.
func webhookBody(name, payload, members string) string {
	return `{"webhook":"` + name + `","object_payload":` + payload + members + `}`
}

// signedAs is the member with the signature of the form that the sender made.
func signedAs(form string) string {
	return `,"object_payload_signature":"` + base64.StdEncoding.EncodeToString(signature([]byte(form), testSecret)) + `"`
}

func posted(body string, secrets ...string) provider.Request {
	if len(secrets) == 0 {
		secrets = []string{testSecret}
	}
	return provider.Request{Header: func(string) string { return "" }, Body: []byte(body), Secrets: secrets}
}

// decodeAll decodes a webhook under the token of its name.
func decodeAll(t *testing.T, name, payload, members string) []provider.Element {
	t.Helper()
	decoded, err := decode(provider.Delivery{Event: provider.Token(name), Body: []byte(webhookBody(name, payload, members))})
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	return decoded.Elements
}

// decodeOne decodes a webhook that tells of one verification.
func decodeOne(t *testing.T, name, payload, members string) provider.Element {
	t.Helper()
	elements := decodeAll(t, name, payload, members)
	if len(elements) != 1 {
		t.Fatalf("%d elements, want 1", len(elements))
	}
	return elements[0]
}

// refusal is a body that is not decoded, with the cause; none where it is not handled.
type refusal struct {
	name, event, body, cause string
}

func (r refusal) check(t *testing.T) {
	t.Helper()
	decoded, err := decode(provider.Delivery{Event: r.event, Body: []byte(r.body)})
	var undecodable *provider.DecodeError
	switch {
	case len(decoded.Elements) > 0:
		t.Error("elements came with the error")
	case r.cause == "" && !errors.Is(err, provider.ErrUnhandled):
		t.Errorf("decode: %v, want %v", err, provider.ErrUnhandled)
	case r.cause != "" && (!errors.As(err, &undecodable) || undecodable.Cause != r.cause):
		t.Errorf("decode: %v, want %s", err, r.cause)
	}
}

// meant is a table test's row: what a payload says.
type meant struct {
	name, event, payload string
	says                 string
	unknown              []string
}

func (m meant) check(t *testing.T, k *verification.Kind) provider.Element {
	t.Helper()
	e := decodeOne(t, m.event, m.payload, `,"object_id":"77"`)
	if e.Kind != k.Name || e.Signal.Says != m.says {
		t.Errorf("%s says %q, want %s and %q", e.Kind, e.Signal.Says, k.Name, m.says)
	}
	if len(e.Unknown) != len(m.unknown) || len(m.unknown) > 0 && e.Unknown[0] != m.unknown[0] {
		t.Errorf("unknown fields %v, want %v", e.Unknown, m.unknown)
	}
	return e
}
