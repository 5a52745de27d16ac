package claims_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/claims"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/seal"
)

const id = "acme/interview/4711"

func TestOpensForItsVerificationAlone(t *testing.T) {
	keys, err := seal.Open(t.TempDir(), bytes.Repeat([]byte{7}, seal.MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	want := &provider.Claims{
		GivenName: new("Ada"), Nationalities: []string{"GB"},
		Document: &provider.Document{Number: new("X1234567")},
	}
	key, sealed, err := claims.Seal(keys, id, false, want)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("Ada")) {
		t.Error("the sealed claims are readable")
	}
	got, err := claims.Open(keys, id, false, key, sealed)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("opened (-want +got):\n%s", diff)
	}

	otherKey, otherSealed, err := claims.Seal(keys, id, false, want)
	if err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() (*provider.Claims, error){
		"another verification": func() (*provider.Claims, error) { return claims.Open(keys, id+"2", false, key, sealed) },
		"the sandbox":          func() (*provider.Claims, error) { return claims.Open(keys, id, true, key, sealed) },
		"another key":          func() (*provider.Claims, error) { return claims.Open(keys, id, false, otherKey, sealed) },
		"other claims":         func() (*provider.Claims, error) { return claims.Open(keys, id, false, key, otherSealed) },
		"no key":               func() (*provider.Claims, error) { return claims.Open(keys, id, false, nil, sealed) },
	} {
		if _, err := open(); !errors.Is(err, seal.ErrCorrupt) {
			t.Errorf("opened for %s: error %v, want %v", name, err, seal.ErrCorrupt)
		}
	}
}
