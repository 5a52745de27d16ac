package main

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// diagnosis looks for the reason why a signature is refused.
type diagnosis struct {
	known     *provider.Provider
	scheme    *provider.Scheme
	request   provider.Request
	header    http.Header // what came of the request's headers
	given     string      // what stands in the signature's place
	providers []provider.Provider
}

func newDiagnosis(v *verified, providers []provider.Provider) *diagnosis {
	return &diagnosis{v.known, &v.known.Scheme, v.request, v.header, v.known.Scheme.Given(v.request), providers}
}

// hints are sentences for the operator. They hold no secret and nothing of the body.
func (d *diagnosis) hints() []string {
	var hints []string
	if d.given == "" {
		hints = append(hints, fmt.Sprintf("the %s is missing", d.scheme.Place()))
	} else {
		hints = append(hints, d.form()...)
	}
	if hint := d.change(); hint != "" {
		return append(hints, hint)
	}
	if d.given != "" {
		if hint := d.otherScheme(); hint != "" {
			return append(hints, hint)
		}
	}
	if hint := d.otherProvider(); hint != "" {
		return append(hints, hint)
	}
	if d.given == "" {
		return append(hints, "a proxy that drops the signature, or no secret set at the provider?")
	}
	return append(hints, fmt.Sprintf("none of %d secrets fits, with none of the usual changes: is it the secret of this subscription and environment, and is this the body byte for byte?", len(d.request.Secrets)))
}

// form says what is wrong with the signature by itself.
func (d *diagnosis) form() []string {
	text, ok := strings.CutPrefix(d.given, d.scheme.Prefix)
	if !ok {
		return []string{fmt.Sprintf("the signature does not begin with %q", d.scheme.Prefix)}
	}
	sum, err := d.scheme.Encoding.Decode(text)
	if err != nil {
		return []string{fmt.Sprintf("the signature is not in %s", d.scheme.Encoding)}
	}
	if want := d.scheme.Algorithm.Size(); len(sum) != want {
		return []string{fmt.Sprintf("the signature has %d bytes, and %s makes %d", len(sum), d.scheme.Algorithm, want)}
	}
	return nil
}

// change looks for the smallest change of the body, the signature and the secrets with which
// the webhook would be accepted.
func (d *diagnosis) change() string {
	secrets := secretChanges(d.request.Secrets)
	best, fewest := "", 4
	for _, body := range bodyChanges(d.request.Body) {
		for _, given := range d.signatureChanges() {
			for _, secret := range secrets {
				said := slices.DeleteFunc([]string{body.says, given.says, secret.says}, func(s string) bool { return s == "" })
				if len(said) == 0 || len(said) >= fewest {
					continue
				}
				if d.accepts(body.value, given.value, secret.values) {
					best, fewest = "it would be accepted with "+strings.Join(said, " and "), len(said)
				}
			}
		}
	}
	return best
}

func (d *diagnosis) accepts(body []byte, given string, secrets []string) bool {
	r := d.request
	r.Body, r.Secrets = body, secrets
	if d.scheme.Header != "" {
		r.Header = func(name string) string {
			if strings.EqualFold(name, d.scheme.Header) {
				return given
			}
			return d.request.Header(name)
		}
	}
	receipt, err := d.known.Verify(r)
	return err == nil && receipt.Secret >= 0
}

// signatureChanges are what the signature may have been; itself comes first. One within the
// body is not changed.
func (d *diagnosis) signatureChanges() []textChange {
	changes := []textChange{{"", d.given}}
	if d.scheme.Header == "" {
		return changes
	}
	if d.given == "" {
		for _, name := range slices.Sorted(maps.Keys(d.header)) {
			changes = append(changes, textChange{"the header " + name + " under its right name", d.header.Get(name)})
		}
		return changes
	}
	add := func(says, value string) {
		if value != d.given {
			changes = append(changes, textChange{says, value})
		}
	}
	prefix := d.scheme.Prefix
	plain := strings.Trim(d.given, "\"' \t")
	add("the signature without what is around it", plain)
	text := strings.TrimPrefix(plain, prefix)
	add(fmt.Sprintf("%q before the signature", prefix), prefix+text)
	add("the signature in lower case", prefix+strings.ToLower(text))
	if _, rest, ok := strings.Cut(text, "="); ok {
		add("the signature without its prefix", prefix+rest)
	}
	if sum, err := hex.DecodeString(text); err == nil && d.scheme.Encoding != provider.LowerHex {
		add("the signature in "+string(d.scheme.Encoding)+" in place of hexadecimal", prefix+d.scheme.Encoding.Encode(sum))
	}
	if sum, err := base64.StdEncoding.DecodeString(text); err == nil && d.scheme.Encoding != provider.Base64 {
		add("the signature in "+string(d.scheme.Encoding)+" in place of base64", prefix+d.scheme.Encoding.Encode(sum))
	}
	return changes
}

// otherScheme tries every algorithm and encoding over the body and its base64 text.
func (d *diagnosis) otherScheme() string {
	messages := []struct {
		says  string
		bytes []byte
	}{
		{"the body as it is", d.request.Body},
		{"the base64 text of the body", []byte(base64.StdEncoding.EncodeToString(d.request.Body))},
	}
	for _, message := range d.scheme.Messages(d.request.Body) {
		messages = append(messages, struct {
			says  string
			bytes []byte
		}{"what the provider signs", message})
	}
	for _, algorithm := range []provider.Algorithm{provider.HMACSHA256, provider.HMACSHA512} {
		for _, encoding := range []provider.Encoding{provider.LowerHex, provider.Base64} {
			for _, message := range messages {
				for i, secret := range d.request.Secrets {
					s := provider.Scheme{Prefix: d.scheme.Prefix, Algorithm: algorithm, Encoding: encoding}
					if strings.TrimPrefix(d.given, s.Prefix) == strings.TrimPrefix(s.Signature(message.bytes, secret), s.Prefix) {
						return fmt.Sprintf("secret %d fits %s in %s over %s: that is another scheme than %s documents", i+1, algorithm, encoding, message.says, d.known.Name)
					}
				}
			}
		}
	}
	return ""
}

// otherProvider looks for the signature of another provider.
func (d *diagnosis) otherProvider() string {
	for i := range d.providers {
		other := &d.providers[i]
		if other.Name != d.known.Name && other.Scheme.Given(d.request) != "" {
			return fmt.Sprintf("there is a signature in the %s: is this a webhook of %s?", other.Scheme.Place(), other.Name)
		}
	}
	return ""
}
