package seal_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/verdict-stream/verdict/pkg/seal"
)

var update = flag.Bool("update", false, "write the data of this version into testdata")

// sample is what another version, or another process, may have written. The key
// directory stands beside it.
type sample struct {
	KeyID   string `json:"key_id"`
	Sealed  []byte `json:"sealed"`
	Wrapped []byte `json:"wrapped"`
	Claims  []byte `json:"claims"`
}

// Data on disk outlives the program: keys and sealed bytes of format v1 must
// open for good. With -update the test writes them anew, which is right only
// for a format that nobody has data in yet.
func TestFormatV1(t *testing.T) {
	const folder, keys, file = "testdata/v1", "testdata/v1/directory", "testdata/v1/sample.json"
	if *update {
		writeSample(t, folder, keys, file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var written sample
	if err := json.Unmarshal(text, &written); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "keys")
	if err := os.CopyFS(dir, os.DirFS(keys)); err != nil {
		t.Fatal(err)
	}

	keyring := open(t, dir)
	wantOpens(t, keyring, written.KeyID, written.Sealed, `{"sealed":"v1"}`)
	plain, err := keyring.OpenWith(written.Wrapped, owner, written.Claims)
	if err != nil || string(plain) != "claims v1" {
		t.Errorf("opened %q, error %v", plain, err)
	}
}

func writeSample(t *testing.T, folder, keys, file string) {
	t.Helper()
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	keyring, err := seal.Open(keys, master)
	if err != nil {
		t.Fatal(err)
	}
	var made sample
	made.KeyID, made.Sealed = mustSeal(t, keyring, received, `{"sealed":"v1"}`)
	if made.Wrapped, err = keyring.NewKey(owner); err != nil {
		t.Fatal(err)
	}
	if made.Claims, err = keyring.SealWith(made.Wrapped, owner, []byte("claims v1")); err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(made, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}
