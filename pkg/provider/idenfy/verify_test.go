package idenfy

import (
	"errors"
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// vector is a body whose signature was computed with OpenSSL:
//
//	openssl dgst -sha256 -hmac <secret> <file>
type vector struct{ name, secret, body, signature string }

var vectors = []vector{
	{
		"line feed at the end, a member twice, a slash, letters beyond ASCII", "idenfy-vector-key",
		`{"final":true,"scanRef":"vec/1","data":{"selectedCountry":"LT","orgLastName":"ŠVYTURĖ","selectedCountry":"LT"},"status":{"overall":"APPROVED"}}` + "\n",
		"eb011290f64b81e7d5b0ac9e6d44f8f60ceaa116c275e04db7e039226eb4c3d7",
	},
	{
		"a secret with letters beyond ASCII", "clé/ž 2",
		`{"scanRef":"vec-2","status":{"overall":"DENIED"},"final":false}`,
		"4223402256f40d163826e3b4190e9a796d6cab05e9c2c1803cfa7cb8d74e64d3",
	},
}

func TestVerifyVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			receipt, err := verify(posted("", v.signature, v.body, "another", v.secret))
			if err != nil || receipt.Secret != 1 || string(receipt.Signed) != v.body {
				t.Errorf("receipt %+v, error %v", receipt, err)
			}
			for _, body := range []string{v.body + "\n", " " + v.body, strings.TrimSpace(v.body) + " "} {
				if _, err := verify(posted("", v.signature, body, v.secret)); !errors.Is(err, provider.ErrBadSignature) {
					t.Errorf("a body with other blanks: error %v", err)
				}
			}
		})
	}
}

func TestEventToken(t *testing.T) {
	const result = `{"scanRef":"s","status":{"overall":"APPROVED"}}`
	for _, test := range []struct{ name, segment, body, want string }{
		{"auto finish", "auto-finish", result, "id_verification_auto_finish"},
		{"manual finish", "manual-finish", result, "id_verification_manual_finish"},
		{"canceled", "canceled", result, "id_verification_canceled"},
		{"expired", "expired", result, "id_verification_expired"},
		{"legacy", "id-verification", result, "id_verification"},
		{"bare URL", "", result, "id_verification"},
		{"unknown segment", "kyc.v1.>", result, "id_verification"},
		{"segment in another case", "Manual-Finish", result, "id_verification"},
		{"AML monitoring", "auto-finish", `{"monitoringId":"m","alertStatus":"ALERT","pepsStatus":"NO_FLAGS"}`, provider.EventOther},
		{"document expiration", "expired", `{"scanRef":"s","clientId":"c","expirationThreshold":"DOCUMENT_EXPIRED"}`, provider.EventOther},
		{"facial authentication", "", `{"id":"f","scanRef":"s","status":"SUCCESS","type":"AUTHENTICATION"}`, provider.EventOther},
		{"status of the last of two", "", `{"scanRef":"s","status":{"overall":"APPROVED"},"status":"SUCCESS"}`, provider.EventOther},
		{"no reference", "canceled", `{"status":{"overall":"APPROVED"}}`, "id_verification_canceled"},
		{"no JSON", "canceled", `scanRef=s`, provider.EventUndecodable},
	} {
		t.Run(test.name, func(t *testing.T) {
			signature, err := sign(legacy, []byte(test.body), "key")
			if err != nil {
				t.Fatal(err)
			}
			receipt, err := verify(posted(test.segment, signature.Header[signatureHeader], test.body, "key"))
			if err != nil || receipt.Event != test.want || receipt.DeliveryID != "" {
				t.Errorf("receipt %+v, error %v, want event %s", receipt, err, test.want)
			}
		})
	}
}

// TestOtherHeader checks that a signature counts in the documented header alone.
func TestOtherHeader(t *testing.T) {
	r := posted("", "", vectors[0].body, vectors[0].secret)
	r.Header = func(header string) string {
		if header == "X-Idenfy-Signature" || header == "Authorization" {
			return vectors[0].signature
		}
		return ""
	}
	if _, err := verify(r); !errors.Is(err, provider.ErrMissingSignature) {
		t.Errorf("error %v, want %v", err, provider.ErrMissingSignature)
	}
}

func posted(segment, signature, body string, secrets ...string) provider.Request {
	return provider.Request{
		Segment: segment,
		Header: func(header string) string {
			if header == signatureHeader {
				return signature
			}
			return ""
		},
		Body:    []byte(body),
		Secrets: secrets,
	}
}
