package seal_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/verdict-stream/verdict/pkg/seal"
)

const owner = "idenfy/id_verification/3af0b5c9"

func TestOwnerKeys(t *testing.T) {
	dir := t.TempDir()
	keyring := open(t, dir)
	wrapped, err := keyring.NewKey(owner)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := keyring.SealWith(wrapped, owner, []byte("claims"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("claims")) {
		t.Error("the sealed bytes show the plaintext")
	}
	plain, err := open(t, dir).OpenWith(wrapped, owner, sealed)
	if err != nil || string(plain) != "claims" {
		t.Errorf("opened %q, error %v", plain, err)
	}
}

func TestOwnerKeysAreForOneOwner(t *testing.T) {
	keyring := open(t, t.TempDir())
	stranger, err := seal.Open(t.TempDir(), otherMaster)
	if err != nil {
		t.Fatal(err)
	}
	key := func() []byte {
		wrapped, err := keyring.NewKey(owner)
		if err != nil {
			t.Fatal(err)
		}
		return wrapped
	}
	wrapped, second := key(), key()
	sealed, err := keyring.SealWith(wrapped, owner, []byte("claims"))
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for name, attempt := range map[string]struct {
		keyring *seal.Keyring
		wrapped []byte
		owner   string
		sealed  []byte
	}{
		"a new key of the same owner": {keyring, second, owner, sealed},
		"another owner":               {keyring, wrapped, owner + "0", sealed},
		"another master key":          {stranger, wrapped, owner, sealed},
		"no key":                      {keyring, nil, owner, sealed},
		"half a key":                  {keyring, wrapped[:30], owner, sealed},
		"changed bytes":               {keyring, wrapped, owner, changed},
		"no bytes":                    {keyring, wrapped, owner, nil},
	} {
		if _, err := attempt.keyring.OpenWith(attempt.wrapped, attempt.owner, attempt.sealed); !errors.Is(err, seal.ErrCorrupt) {
			t.Errorf("%s: error %v, want %v", name, err, seal.ErrCorrupt)
		}
	}
	if _, err := keyring.SealWith(wrapped, owner+"0", nil); !errors.Is(err, seal.ErrCorrupt) {
		t.Errorf("sealed with the key of another owner: error %v, want %v", err, seal.ErrCorrupt)
	}
}
