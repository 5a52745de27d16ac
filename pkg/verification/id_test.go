package verification_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/verdict-stream/verdict/pkg/verification"
)

func TestEncodeReference(t *testing.T) {
	for reference, want := range map[string]string{
		"3af0b5c9-._~AZ":         "3af0b5c9-._~AZ",
		"applicant:a1":           "applicant%3Aa1",
		"a/b":                    "a%2Fb",
		"a b\r\n":                "a%20b%0D%0A",
		"100%":                   "100%25",
		"%41":                    "%2541",
		"é":                      "%C3%A9",
		"\xFF\x00":               "%FF%00",
		"*.>":                    "%2A.%3E",
		strings.Repeat("a", 128): strings.Repeat("a", 128),
		"...":                    "...",
		".":                      "cdb4ee2aea69cc6a83331bbe96dc2caa9a299d21329efb0336fc02a82e1839a8",
		"..":                     "5ec1f7e700f37c3d0b2981d04855fc34b94aaa15457b05ca571817442d228f81",
		// The SHA-256 of what is too long, also where only its encoding is.
		strings.Repeat("a", 129): "c12cb024a2e5551cca0e08fce8f1c5e314555cc3fef6329ee994a3db752166ae",
		strings.Repeat("/", 43):  "84fb696b241ae984e2a42b8c84e96c3f805c6db317f5d3238de1af1a821af694",
	} {
		if got := verification.EncodeReference(reference); got != want {
			t.Errorf("%q is encoded as %q, want %q", reference, got, want)
		}
	}
}

func TestParseID(t *testing.T) {
	for _, text := range []string{
		"", "acme", "acme/check", "acme/check/", "/check/r", "acme//r", "acme/check/r/s", "acme/check/a b", "acme/check/é",
		"acme/check/.", "acme/check/..", "acme/check/%", "acme/check/%4", "acme/check/a%4", "acme/check/%4g", "acme/check/%c3", "acme/check/a:b", "acme/check/a@1",
		"acme/check/" + strings.Repeat("a", 129),
	} {
		if id, err := verification.ParseID(text); err == nil {
			t.Errorf("%q is read as %+v", text, id)
		}
	}
}

func TestIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reference := string(rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "reference"))
		id := verification.NewID("acme", "check", reference)
		if len(id.Reference) > 128 {
			t.Fatalf("reference has %d bytes", len(id.Reference))
		}
		got, err := verification.ParseID(id.String())
		if err != nil {
			t.Fatal(err)
		}
		if got != id {
			t.Fatalf("%s is read as %s", id, got)
		}
	})
}

// An id is part of a path, and stays as it is where clients clean paths as RFC 3986 and browsers do.
func TestIDsSurviveInPaths(t *testing.T) {
	base, err := url.Parse("http://127.0.0.1/v1/")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		reference := rapid.OneOf(rapid.StringMatching(`[.%2eE/]{1,6}`), rapid.StringN(1, 20, -1)).Draw(t, "reference")
		id := verification.NewID("acme", "check", reference).String()
		resolved, err := base.Parse("verifications/" + id)
		if err != nil {
			t.Fatal(err)
		}
		browser := regexp.MustCompile(`(?i)/(\.|%2e){1,2}$`).ReplaceAllString(resolved.String(), "/")
		for _, got := range []string{resolved.String(), browser} {
			if want := base.String() + "verifications/" + id; got != want {
				t.Fatalf("%q has the id %s, which is asked for at %s", reference, id, got)
			}
		}
	})
}

// Different references have different ids.
func TestIDsDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one, other := rapid.StringN(1, 100, -1).Draw(t, "one"), rapid.StringN(1, 100, -1).Draw(t, "other")
		if same := verification.EncodeReference(one) == verification.EncodeReference(other); same != (one == other) {
			t.Fatalf("%q and %q have the same id: %t", one, other, same)
		}
	})
}
