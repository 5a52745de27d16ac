package provider

import (
	"net/http"
	"testing"
)

const (
	hexSHA256    = "6e9ef29b75fffc5b7abae527d58fdadb2fe42e7219011976917343065f58ed4a"
	base64SHA256 = "bp7ym3X//Ft6uuUn1Y/a2y/kLnIZARl2kXNDBl9Y7Uo="
	hexSHA512    = "e477384d7ca229dd1426e64b63ebf2d36ebd6d7e669a6735424e72ea6c01d3f8b56eb39c36d8232f5427999b8d1a3f9cd1128fc69f4d75b434216810fa367e98"
)

// The signatures were computed with OpenSSL: openssl dgst -sha256 -hmac key, and -sha512.
func TestSchemeSignature(t *testing.T) {
	for _, c := range []struct {
		scheme Scheme
		want   string
	}{
		{Scheme{Algorithm: HMACSHA256, Encoding: LowerHex}, hexSHA256},
		{Scheme{Algorithm: HMACSHA256, Encoding: LowerHex, Prefix: "v1="}, "v1=" + hexSHA256},
		{Scheme{Algorithm: HMACSHA256, Encoding: Base64}, base64SHA256},
		{Scheme{Algorithm: HMACSHA512, Encoding: LowerHex}, hexSHA512},
	} {
		if got := c.scheme.Signature([]byte("message"), "key"); got != c.want {
			t.Errorf("%+v signs %s, want %s", c.scheme, got, c.want)
		}
	}
}

func TestSchemeGiven(t *testing.T) {
	header := http.Header{}
	header.Set("x-sum", "in the header")
	for _, c := range []struct {
		scheme      Scheme
		body, place string
		want        string
	}{
		{Scheme{Header: "X-Sum"}, `{"sum":"in the body"}`, "header X-Sum", "in the header"},
		{Scheme{Header: "X-Other"}, `{}`, "header X-Other", ""},
		{Scheme{Field: "sum"}, `{"sum":"in the body","a":{"sum":"within"}}`, "field sum of the body", "in the body"},
		{Scheme{Field: "sum"}, `{"b":{"sum":"within"},"a":1}`, "field sum of the body", "within"},
		{Scheme{Field: "sum"}, `{"a":{"b":{"sum":"too deep"}}}`, "field sum of the body", ""},
		{Scheme{Field: "sum"}, `not JSON`, "field sum of the body", ""},
	} {
		if got := c.scheme.Given(Request{Header: header.Get, Body: []byte(c.body)}); got != c.want {
			t.Errorf("%s of %s is %q, want %q", c.scheme.Place(), c.body, got, c.want)
		}
		if got := c.scheme.Place(); got != c.place {
			t.Errorf("the place is the %s, want %s", got, c.place)
		}
	}
}

func TestEncodingDecodes(t *testing.T) {
	for _, c := range []struct {
		encoding Encoding
		text     string
		good     bool
	}{
		{LowerHex, "00ff", true},
		{LowerHex, "00FF", false},
		{LowerHex, "0", false},
		{LowerHex, "zz", false},
		{Base64, "AP8=", true},
		{Base64, "AP8", false},
		{Base64, "AP9=", false},
		{Base64, "A-8=", false},
		{Base64, "AP8=\n", false},
	} {
		sum, err := c.encoding.Decode(c.text)
		if (err == nil) != c.good {
			t.Errorf("%s %q: %v", c.encoding, c.text, err)
		}
		if err == nil && c.encoding.Encode(sum) != c.text {
			t.Errorf("%s %q is written as %q", c.encoding, c.text, c.encoding.Encode(sum))
		}
	}
	if Algorithm("MD5").Hash() != nil {
		t.Error("an algorithm that is not listed has a hash")
	}
	if HMACSHA256.Size() != 32 || HMACSHA512.Size() != 64 {
		t.Error("the sizes of signatures are wrong")
	}
}
