package seal_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/seal"
)

func TestOnlyTheOwnerMayReadTheDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "keys")
	mustSeal(t, open(t, dir), received, "{}")
	for path, want := range map[string]os.FileMode{
		"":                     os.ModeDir | 0o700,
		"check":                0o600,
		"idenfy":               os.ModeDir | 0o700,
		"idenfy/2026-11-21T22": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("mode of %q is %v, want %v", path, info.Mode(), want)
		}
	}
}

// A directory of something else is not taken over, and keys without their check
// file are not given to whatever master key comes along.
func TestOpenKeyringRefusesAForeignDirectory(t *testing.T) {
	for name, prepare := range map[string]func(dir string) error{
		"something else": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "passwd"), nil, 0o600)
		},
		"no check file": func(dir string) error {
			mustSeal(t, open(t, dir), received, "{}")
			return os.Remove(filepath.Join(dir, "check"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := prepare(dir); err != nil {
				t.Fatal(err)
			}
			before := files(t, dir)
			if _, err := seal.Open(dir, master); err == nil {
				t.Error("it was opened")
			}
			if diff := cmp.Diff(before, files(t, dir)); diff != "" {
				t.Errorf("files (-before +after):\n%s", diff)
			}
		})
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Open(file, master); err == nil {
		t.Error("a file was opened as a directory")
	}
}

// Processes that start at once agree on one master key: those with it open the
// directory, all others are told.
func TestOpenKeyringRace(t *testing.T) {
	const each = 8
	dir := filepath.Join(t.TempDir(), "keys")
	masters := [][]byte{master, otherMaster}
	errs := make([]error, 2*each)
	var wait sync.WaitGroup
	var fresh atomic.Int32
	for i := range errs {
		wait.Go(func() {
			keyring, err := seal.Open(dir, masters[i%2])
			if errs[i] = err; err == nil && keyring.Fresh() {
				fresh.Add(1)
			}
		})
	}
	wait.Wait()
	if fresh.Load() != 1 {
		t.Errorf("%d found the directory fresh, want one", fresh.Load())
	}
	for i, err := range errs {
		if (err == nil) != (errs[i%2] == nil) {
			t.Errorf("two with one master key: error %v and error %v", err, errs[i%2])
		}
	}
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("want one master key to win, got errors %v and %v", errs[0], errs[1])
	}
	if diff := cmp.Diff([]string{"check"}, files(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// Of several processes that need a new key at once, one makes it and all use it.
func TestSealRace(t *testing.T) {
	const keyrings, callers, hours = 4, 4, 5
	dir := t.TempDir()
	reader := open(t, dir)
	var (
		wait   sync.WaitGroup
		keyIDs sync.Map
	)
	for range keyrings {
		keyring := open(t, dir)
		for range callers {
			wait.Go(func() {
				for hour := range hours {
					keyID, sealed, err := keyring.Seal("idenfy", received.Add(time.Duration(hour)*time.Hour), bodyID, []byte("{}"))
					if err != nil {
						t.Error(err)
						return
					}
					keyIDs.Store(keyID, nil)
					if _, err := reader.Open(keyID, bodyID, sealed); err != nil {
						t.Errorf("sealed by one, opened by another: %v", err)
					}
				}
			})
		}
	}
	wait.Wait()
	count := 0
	keyIDs.Range(func(_, _ any) bool { count++; return true })
	if count != hours {
		t.Errorf("%d keys were used, want %d", count, hours)
	}
	want := []string{
		"check", "idenfy/2026-11-21T22", "idenfy/2026-11-21T23",
		"idenfy/2026-11-22T00", "idenfy/2026-11-22T01", "idenfy/2026-11-22T02",
	}
	if diff := cmp.Diff(want, files(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// A key file that was damaged is neither used nor silently replaced: what was
// sealed with it in this hour would be lost without a word.
func TestDamagedKeyFile(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"truncated": func(key []byte) []byte { return key[:len(key)-1] },
		"empty":     func([]byte) []byte { return nil },
		"changed":   func(key []byte) []byte { key[20] ^= 1; return key },
		"longer":    func(key []byte) []byte { return append(key, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			keyID, sealed := mustSeal(t, open(t, dir), received, "{}")
			path := filepath.Join(dir, slot(keyID))
			key, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			key = damage(key)
			if err := os.WriteFile(path, key, 0o600); err != nil {
				t.Fatal(err)
			}

			keyring := open(t, dir)
			wantError(t, keyring, keyID, sealed, seal.ErrCorrupt)
			if _, _, err := keyring.Seal("idenfy", received, bodyID, nil); !errors.Is(err, seal.ErrCorrupt) {
				t.Errorf("seal: error %v, want %v", err, seal.ErrCorrupt)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, key) {
				t.Errorf("the key file was replaced (error %v)", err)
			}
		})
	}
}

// The file of one key under the name of another is no key.
func TestKeyFileUnderAnotherName(t *testing.T) {
	dir := t.TempDir()
	keyID, sealed := mustSeal(t, open(t, dir), received, "{}")
	const other = "idenfy/2026-11-21T23"
	err := os.Rename(filepath.Join(dir, slot(keyID)), filepath.Join(dir, other))
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, open(t, dir), strings.Replace(keyID, slot(keyID), other, 1), sealed, seal.ErrCorrupt)
}

// A key that cannot be read is not a destroyed one: whoever opens may try again.
func TestUnreadableKey(t *testing.T) {
	dir := t.TempDir()
	keyring := open(t, dir)
	if err := os.MkdirAll(filepath.Join(dir, "idenfy", "2026-11-21T22"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := keyring.Open("idenfy/2026-11-21T22-01234567", bodyID, nil)
	if err == nil || errors.Is(err, seal.ErrKeyDestroyed) || errors.Is(err, seal.ErrCorrupt) {
		t.Errorf("error %v, want one that is neither destroyed nor corrupt", err)
	}
}

// A volume that went away leaves an empty directory. That must not look as if
// all keys were destroyed, and no key may be made beside the volume.
func TestLostVolume(t *testing.T) {
	dir := t.TempDir()
	keyring := open(t, dir)
	keyID, sealed := mustSeal(t, open(t, dir), received, "{}")
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.Open(keyID, bodyID, sealed); err == nil || errors.Is(err, seal.ErrKeyDestroyed) {
		t.Errorf("open: error %v, want one that is not %v", err, seal.ErrKeyDestroyed)
	}
	if _, _, err := keyring.Seal("idenfy", received, bodyID, nil); err == nil {
		t.Error("sealed with a key that is not on the volume")
	}
	if _, err := keyring.DestroyExpired("idenfy", seal.MinRetention, received); err == nil {
		t.Error("the volume's absence went unnoticed when keys were to be destroyed")
	}
	if got := files(t, dir); len(got) > 0 {
		t.Errorf("files beside the volume: %v", got)
	}

	if err := errors.Join(os.Remove(dir), os.Rename(dir+".away", dir)); err != nil {
		t.Fatal(err)
	}
	wantOpens(t, keyring, keyID, sealed, "{}")
}

// A lost key directory that was made anew has other keys under the same provider
// and hour. What the lost ones sealed is not corrupt: their keys are missing, and
// once the directory is back it opens.
func TestAnotherKeyOfTheSameHour(t *testing.T) {
	dir := t.TempDir()
	keyring := open(t, dir)
	keyID, sealed := mustSeal(t, keyring, received, "lost")
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	wantError(t, again, keyID, sealed, seal.ErrKeyDestroyed) // nothing is in its place yet
	newID, newSealed := mustSeal(t, again, received, "new")
	if slot(newID) != slot(keyID) || newID == keyID {
		t.Fatalf("key ids %s and %s, want two of one hour", keyID, newID)
	}
	for name, k := range map[string]*seal.Keyring{"cached": again, "read": open(t, dir)} {
		wantError(t, k, keyID, sealed, seal.ErrKeyDestroyed)
		wantError(t, k, newID, sealed, seal.ErrCorrupt)
		wantOpens(t, k, newID, newSealed, "new")
		if t.Failed() {
			t.Fatal(name)
		}
	}
	// One that still has the lost key in memory sees the new one at once.
	wantOpens(t, keyring, newID, newSealed, "new")

	if err := errors.Join(os.Rename(dir, dir+".new"), os.Rename(dir+".away", dir)); err != nil {
		t.Fatal(err)
	}
	wantOpens(t, again, keyID, sealed, "lost")
	wantOpens(t, open(t, dir), keyID, sealed, "lost")
}

func TestFresh(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	for i, want := range []bool{true, false} {
		if got := open(t, dir).Fresh(); got != want {
			t.Errorf("open %d: fresh %t, want %t", i+1, got, want)
		}
	}
	// A volume that is not mounted leaves an empty directory.
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	keyring := open(t, dir)
	mustSeal(t, keyring, received, "{}")
	if !keyring.Fresh() {
		t.Error("an empty directory was not fresh")
	}
	if open(t, dir).Fresh() {
		t.Error("a directory with a key was fresh")
	}
}

func TestAbandon(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	first := open(t, dir)
	if err := first.Abandon(); err != nil {
		t.Fatal(err)
	}
	second := open(t, dir)
	if !second.Fresh() {
		t.Error("an abandoned directory is not fresh")
	}
	third := open(t, dir)
	if err := third.Abandon(); err != nil {
		t.Fatal(err)
	}
	if open(t, dir).Fresh() {
		t.Error("a directory was abandoned by one that has not made it")
	}
}

func TestLeftoversOfACrash(t *testing.T) {
	dir := t.TempDir()
	keyID, sealed := mustSeal(t, open(t, dir), received, "{}")
	dying, _ := mustSeal(t, open(t, dir), received.Add(-time.Hour), "{}")
	path := func(name string) string { return filepath.Join(dir, name) }
	old := time.Now().Add(-2 * time.Hour)
	err := errors.Join(
		// Stopped before a new file had its name, long ago and just now.
		os.WriteFile(path(".new-1"), []byte("half"), 0o600),
		os.Chtimes(path(".new-1"), old, old),
		os.WriteFile(path("idenfy/.new-2"), []byte("half"), 0o600),
		os.Chtimes(path("idenfy/.new-2"), old, old),
		os.WriteFile(path("idenfy/.new-3"), []byte("half"), 0o600),
		// Stopped after a new key had its name: one file with two names.
		os.Link(path(slot(keyID)), path("idenfy/.new-4")),
		os.Chtimes(path("idenfy/.new-4"), old, old),
		// Stopped while a key was destroyed.
		os.Rename(path(slot(dying)), path("idenfy/.dying-2026-11-21T21")),
	)
	if err != nil {
		t.Fatal(err)
	}

	keyring := open(t, dir)

	if diff := cmp.Diff([]string{"check", "idenfy/.new-3", slot(keyID)}, files(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	wantOpens(t, keyring, keyID, sealed, "{}")
}

// What an attacker writes into a key id leads nowhere else.
func TestKeyIDsStayInTheDirectory(t *testing.T) {
	parent := t.TempDir()
	outside := open(t, filepath.Join(parent, "outside"))
	keyID, sealed := mustSeal(t, outside, received, "{}")
	inside := filepath.Join(parent, "inside")
	keyring := open(t, inside)
	const print = "-01234567"
	for _, evil := range []string{
		"", "/", "idenfy", "idenfy/", "idenfy/check", "check", "./check",
		"../outside/" + keyID, "idenfy/../../outside/" + keyID, filepath.Join(parent, "outside", keyID),
		"../2026-11-21T22" + print, "./2026-11-21T22" + print, "idenfy/../2026-11-21T22" + print, "idenfy//2026-11-21T22" + print,
		`..\outside/2026-11-21T22` + print, "idenfy/2026-11-21T22/" + print, "idenfy/2026-11-21T22\x00" + print,
		"idenfy\n/2026-11-21T22" + print, "Idenfy/2026-11-21T22" + print, ".dying/2026-11-21T22" + print,
		"idenfy/.dying-2026-11-21T22" + print, "idenfy/2026-11-21T24" + print, "idenfy/2026-02-30T22" + print,
		"idenfy/2026-11-21T2" + print, "idenfy/+026-11-21T22" + print, "idenfy/2026-11-21t22" + print,
		strings.Repeat("a", 33) + "/2026-11-21T22" + print, "idenfy/" + print, "idenfy" + print, "idenfy/2026-11-21" + print,
		slot(keyID), slot(keyID) + "-", keyID + "\n", keyID + "\x00", keyID + "/", keyID + print, keyID + "0", keyID[:len(keyID)-1],
		slot(keyID) + "-0123456", slot(keyID) + "-0123456g", slot(keyID) + "-ABCDEF01", slot(keyID) + "-+1234567", slot(keyID) + "/../a",
	} {
		wantError(t, keyring, evil, sealed, seal.ErrCorrupt)
		if _, err := seal.KeyHour(evil); err == nil {
			t.Errorf("%q was read as the id of a key", evil)
		}
	}
	for _, evil := range []string{"", ".", "..", "../outside", "a/b", "/", "A", "idenfy\x00", strings.Repeat("a", 33)} {
		if _, _, err := keyring.Seal(evil, received, bodyID, nil); err == nil {
			t.Errorf("sealed for the provider %q", evil)
		}
		if _, err := keyring.DestroyExpired(evil, seal.MinRetention, received.AddDate(1, 0, 0)); err == nil {
			t.Errorf("destroyed keys of the provider %q", evil)
		}
	}
	if _, _, err := keyring.Seal("idenfy", time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC), bodyID, nil); err == nil {
		t.Error("sealed with a key that has no id")
	}
	if diff := cmp.Diff([]string{"check"}, files(t, inside)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	wantOpens(t, outside, keyID, sealed, "{}")
}

func TestKeyHour(t *testing.T) {
	keyID, _ := mustSeal(t, open(t, t.TempDir()), received, "{}")
	hour, err := seal.KeyHour(keyID)
	if want := received.Truncate(time.Hour); err != nil || !hour.Equal(want) {
		t.Errorf("hour %v, error %v, want %v", hour, err, want)
	}
}
