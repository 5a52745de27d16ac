package seal_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/seal"
)

func TestDestroyExpired(t *testing.T) {
	dir := t.TempDir()
	keyring := open(t, dir)
	const retention = 168 * time.Hour
	hour := received.Truncate(time.Hour)
	olderID, older := mustSeal(t, keyring, hour.Add(-time.Hour), "older")
	keyID, sealed := mustSeal(t, keyring, hour, "sealed")
	nextID, next := mustSeal(t, keyring, hour.Add(time.Hour), "next")
	otherID, other, err := keyring.Seal("kycaid", hour, bodyID, []byte("other"))
	if err != nil {
		t.Fatal(err)
	}

	for _, step := range []struct {
		now  time.Time
		want []string
	}{
		{hour.Add(retention - time.Hour - 1), nil},
		{hour.Add(retention), []string{"idenfy/2026-11-21T21", "idenfy/2026-11-21T22"}},
		{hour.Add(retention), nil},
		{hour.Add(retention + time.Hour - 1), nil},
	} {
		destroyed, err := keyring.DestroyExpired("idenfy", retention, step.now)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, destroyed); diff != "" {
			t.Errorf("destroyed at %v (-want +got):\n%s", step.now, diff)
		}
	}

	for _, keyring := range []*seal.Keyring{keyring, open(t, dir)} {
		wantError(t, keyring, olderID, older, seal.ErrKeyDestroyed)
		wantError(t, keyring, keyID, sealed, seal.ErrKeyDestroyed)
		wantOpens(t, keyring, nextID, next, "next")
		wantOpens(t, keyring, otherID, other, "other")
	}
	if diff := cmp.Diff([]string{"check", slot(nextID), slot(otherID)}, files(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestDestroyExpiredOverwrites(t *testing.T) {
	dir := t.TempDir()
	keyring := open(t, dir)
	keyID, _ := mustSeal(t, keyring, received, "{}")
	file, err := os.Open(filepath.Join(dir, slot(keyID)))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := keyring.DestroyExpired("idenfy", seal.MinRetention, received.Add(seal.MinRetention)); err != nil {
		t.Fatal(err)
	}
	// The open file still shows the blocks that have no name any more.
	content, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(content) == 0 || !bytes.Equal(content, make([]byte, len(content))) {
		t.Errorf("the file still holds %x", content)
	}
}

func TestDestroyExpiredGoesOn(t *testing.T) {
	dir := t.TempDir()
	keyring := open(t, dir)
	now := received.Add(24 * time.Hour)

	if destroyed, err := keyring.DestroyExpired("idenfy", seal.MinRetention, now); err != nil || destroyed != nil {
		t.Errorf("a provider without keys: destroyed %v, error %v", destroyed, err)
	}
	if _, err := keyring.DestroyExpired("idenfy", seal.MinRetention-1, now); err == nil {
		t.Error("accepted a retention that ends within the hour")
	}

	// One key cannot be destroyed, since a folder stands in the way; foreign files
	// are left alone; a destruction that was interrupted is finished, however
	// young the key.
	interrupted, sealed := mustSeal(t, keyring, now, "{}")
	stuck, _ := mustSeal(t, keyring, received.Add(-time.Hour), "{}")
	keyID, _ := mustSeal(t, keyring, received, "{}")
	if err := os.Mkdir(filepath.Join(dir, "idenfy", ".dying-"+filepath.Base(slot(stuck))), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README", "2026-11-21T20.bak"} {
		if err := os.WriteFile(filepath.Join(dir, "idenfy", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err := os.Rename(filepath.Join(dir, slot(interrupted)), filepath.Join(dir, "idenfy", ".dying-"+filepath.Base(slot(interrupted))))
	if err != nil {
		t.Fatal(err)
	}

	destroyed, err := keyring.DestroyExpired("idenfy", seal.MinRetention, now)
	if err == nil || !strings.Contains(err.Error(), slot(stuck)) {
		t.Errorf("error %v, want one that names %s", err, slot(stuck))
	}
	if diff := cmp.Diff([]string{slot(keyID), slot(interrupted)}, destroyed); diff != "" {
		t.Errorf("destroyed (-want +got):\n%s", diff)
	}
	wantError(t, open(t, dir), interrupted, sealed, seal.ErrKeyDestroyed)
	if diff := cmp.Diff([]string{"check", "idenfy/2026-11-21T20.bak", slot(stuck), "idenfy/README"}, files(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestDestroyExpiredRace(t *testing.T) {
	const keyrings, hours = 6, 24
	dir := t.TempDir()
	writer := open(t, dir)
	for hour := range hours {
		mustSeal(t, writer, received.Add(time.Duration(hour)*time.Hour), "{}")
	}
	var destroyers [keyrings]*seal.Keyring
	for i := range destroyers {
		destroyers[i] = open(t, dir)
	}
	var (
		wait  sync.WaitGroup
		mu    sync.Mutex
		count = map[string]int{}
	)
	for _, keyring := range destroyers {
		wait.Go(func() {
			destroyed, err := keyring.DestroyExpired("idenfy", seal.MinRetention, received.Add(hours*time.Hour))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, keyID := range destroyed {
				count[keyID]++
			}
		})
	}
	wait.Wait()
	if len(count) != hours {
		t.Errorf("%d keys destroyed, want %d", len(count), hours)
	}
	for keyID, times := range count {
		if times != 1 {
			t.Errorf("%s was destroyed by %d", keyID, times)
		}
	}
}

// A process that has a key in memory stops using it within a minute after
// another process destroyed it.
func TestDestroyedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		receiver, reader, destroyer := open(t, dir), open(t, dir), open(t, dir)
		keyID, sealed := mustSeal(t, receiver, received, "{}")
		wantOpens(t, reader, keyID, sealed, "{}")
		if _, err := destroyer.DestroyExpired("idenfy", seal.MinRetention, received.Add(seal.MinRetention)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // the bubble's clock
		wantError(t, reader, keyID, sealed, seal.ErrKeyDestroyed)
		wantError(t, receiver, keyID, sealed, seal.ErrKeyDestroyed)
	})
}

// A key in use needs no disk; once a minute it is looked for.
func TestKeyInUseIsNotReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "keys")
		keyring := open(t, dir)
		keyID, sealed := mustSeal(t, keyring, received, "{}")
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute - time.Nanosecond)
		mustSeal(t, keyring, received, "{}")
		wantOpens(t, keyring, keyID, sealed, "{}")
		time.Sleep(time.Nanosecond)
		if _, _, err := keyring.Seal("idenfy", received, bodyID, nil); err == nil {
			t.Error("sealed with a key that is gone")
		}
		if _, err := keyring.Open(keyID, bodyID, sealed); err == nil {
			t.Error("opened with a key that is gone")
		}
	})
}
