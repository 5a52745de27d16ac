package seal_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/verdict-stream/verdict/pkg/seal"
)

var (
	master      = bytes.Repeat([]byte{7}, seal.MasterKeySize)
	otherMaster = bytes.Repeat([]byte{8}, seal.MasterKeySize)
	received    = time.Date(2026, 11, 21, 22, 17, 3, 0, time.UTC)
)

const bodyID = "idenfy:1f0c:0011223344556677"

func open(t testing.TB, dir string) *seal.Keyring {
	t.Helper()
	keyring, err := seal.Open(dir, master)
	if err != nil {
		t.Fatal(err)
	}
	return keyring
}

func mustSeal(t testing.TB, keyring *seal.Keyring, at time.Time, plain string) (keyID string, sealed []byte) {
	t.Helper()
	keyID, sealed, err := keyring.Seal("idenfy", at, bodyID, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return keyID, sealed
}

// slot is where the key stands in its directory: the key id without fingerprint.
func slot(keyID string) string { return keyID[:strings.LastIndexByte(keyID, '-')] }

func wantOpens(t testing.TB, keyring *seal.Keyring, keyID string, sealed []byte, want string) {
	t.Helper()
	plain, err := keyring.Open(keyID, bodyID, sealed)
	if err != nil {
		t.Fatal(err)
	}
	if string(plain) != want {
		t.Errorf("opened %q, want %q", plain, want)
	}
}

func wantError(t testing.TB, keyring *seal.Keyring, keyID string, sealed []byte, want error) {
	t.Helper()
	if _, err := keyring.Open(keyID, bodyID, sealed); !errors.Is(err, want) {
		t.Errorf("open %s: error %v, want %v", keyID, err, want)
	}
}

// files lists everything under dir but folders.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestSealIsUndoneByOpen(t *testing.T) {
	dir := t.TempDir()
	keyring := open(t, dir)
	for _, plain := range []string{"", "{}", strings.Repeat("x", 2<<20)} {
		keyID, sealed := mustSeal(t, keyring, received, plain)
		wantOpens(t, keyring, keyID, sealed, plain)
		wantOpens(t, open(t, dir), keyID, sealed, plain) // as after a restart
	}
}

func TestSealNeverRepeatsItself(t *testing.T) {
	keyring := open(t, t.TempDir())
	_, first := mustSeal(t, keyring, received, "{}")
	_, second := mustSeal(t, keyring, received, "{}")
	if bytes.Equal(first, second) {
		t.Error("the same plaintext was sealed to the same bytes twice")
	}
}

func TestSealUsesOneKeyPerProviderAndHour(t *testing.T) {
	dir := t.TempDir()
	keyring := open(t, dir)
	paris := time.FixedZone("", 3600)
	var keyIDs, slots []string
	for _, delivery := range []struct {
		provider string
		at       time.Time
	}{
		{"idenfy", received},
		{"idenfy", received.Add(42 * time.Minute)},
		{"idenfy", received.Add(43 * time.Minute)},
		{"idenfy", received.In(paris)},
		{"kycaid", received},
	} {
		keyID, _, err := keyring.Seal(delivery.provider, delivery.at, bodyID, nil)
		if err != nil {
			t.Fatal(err)
		}
		keyIDs = append(keyIDs, keyID)
		slots = append(slots, slot(keyID))
	}
	want := []string{
		"idenfy/2026-11-21T22", "idenfy/2026-11-21T22", "idenfy/2026-11-21T23", "idenfy/2026-11-21T22", "kycaid/2026-11-21T22",
	}
	if diff := cmp.Diff(want, slots); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if keyIDs[0] != keyIDs[1] || keyIDs[0] != keyIDs[3] {
		t.Errorf("one key has several ids: %v", keyIDs)
	}
	wantFiles := []string{"check", "idenfy/2026-11-21T22", "idenfy/2026-11-21T23", "kycaid/2026-11-21T22"}
	if diff := cmp.Diff(wantFiles, files(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// A sealed body that was changed in one bit, cut, or given another id or another
// key is corrupt, and the error does not show what was in it.
func TestOpenRefusesWhatWasChanged(t *testing.T) {
	keyring := open(t, t.TempDir())
	rapid.Check(t, func(t *rapid.T) {
		plain := []byte("Marked-" + rapid.StringMatching(`[a-z]{8,40}`).Draw(t, "plain"))
		keyID, sealed, err := keyring.Seal("idenfy", received, bodyID, plain)
		if err != nil {
			t.Fatal(err)
		}
		otherKeyID, _, err := keyring.Seal("idenfy", received.Add(time.Hour), bodyID, plain)
		if err != nil {
			t.Fatal(err)
		}
		id := bodyID
		switch rapid.SampledFrom([]string{"bit", "cut", "id", "key"}).Draw(t, "change") {
		case "bit":
			bit := rapid.IntRange(0, len(sealed)*8-1).Draw(t, "bit")
			sealed[bit/8] ^= 1 << (bit % 8)
		case "cut":
			sealed = sealed[:rapid.IntRange(0, len(sealed)-1).Draw(t, "length")]
		case "id":
			id = rapid.String().Filter(func(s string) bool { return s != bodyID }).Draw(t, "id")
		case "key":
			keyID = otherKeyID
		}
		_, err = keyring.Open(keyID, id, sealed)
		if !errors.Is(err, seal.ErrCorrupt) {
			t.Fatalf("error %v, want %v", err, seal.ErrCorrupt)
		}
		if strings.Contains(err.Error(), "Marked") {
			t.Fatalf("the error shows the plaintext: %v", err)
		}
	})
}

func TestOpenKeyringChecksTheMasterKey(t *testing.T) {
	dir := t.TempDir()
	keyID, sealed := mustSeal(t, open(t, dir), received, "{}")

	_, err := seal.Open(dir, otherMaster)
	if !errors.Is(err, seal.ErrMasterKey) {
		t.Errorf("with another master key: error %v", err)
	}
	for _, size := range []int{0, 31, 33} {
		if _, err := seal.Open(t.TempDir(), make([]byte, size)); err == nil {
			t.Errorf("a master key of %d bytes was accepted", size)
		}
	}
	wantOpens(t, open(t, dir), keyID, sealed, "{}") // nothing of it did any harm
}

func TestPseudonym(t *testing.T) {
	keyring := open(t, t.TempDir())
	other, err := seal.Open(t.TempDir(), otherMaster)
	if err != nil {
		t.Fatal(err)
	}
	const text = "someone@example.org"
	// The value is part of stored events: it must never change.
	const want = "h_b0ad373584758768c278aa417807453e"
	if got := keyring.Pseudonym(text); got != want {
		t.Errorf("pseudonym %s, want %s", got, want)
	}
	if got := open(t, t.TempDir()).Pseudonym(text); got != want {
		t.Errorf("in another directory: pseudonym %s, want %s", got, want)
	}
	if other.Pseudonym(text) == want || keyring.Pseudonym(text+" ") == want {
		t.Error("another master key or another text gives the same pseudonym")
	}
}
