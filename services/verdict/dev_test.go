package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/seal"
)

func TestPrepareDevMakesFilesOnce(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	first, err := PrepareDev(data, []string{"acme"})
	if err != nil {
		t.Fatal(err)
	}
	second, err := PrepareDev(data, []string{"acme", "globex"})
	if err != nil {
		t.Fatal(err)
	}
	if !first.MasterKey.Equal(second.MasterKey) || !first.AdminToken.Equal(second.AdminToken) || !first.Secrets["acme"].Equal(second.Secrets["acme"]) {
		t.Error("secrets were made again")
	}
	if len(first.MasterKey.Reveal()) != masterKeySize {
		t.Errorf("the master key has %d bytes", len(first.MasterKey.Reveal()))
	}
	if second.Secrets["globex"].Equal(second.Secrets["acme"]) || !second.Secrets["globex"].IsSet() {
		t.Error("providers share a secret")
	}
	if found, err := DevSecret(data, "globex"); err != nil || !found.Equal(second.Secrets["globex"]) {
		t.Errorf("DevSecret does not find what was made: %v", err)
	}
	if _, err := DevSecret(data, "initech"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("DevSecret of a provider without one: %v", err)
	}

	modes := map[string]fs.FileMode{}
	err = filepath.WalkDir(filepath.Join(data, "dev"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		modes[entry.Name()] = info.Mode().Perm()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]fs.FileMode{"dev": 0o700, "master-key": 0o600, "admin-token": 0o600, "secret-acme": 0o600, "secret-globex": 0o600}
	if diff := cmp.Diff(want, modes); diff != "" {
		t.Errorf("files and modes (-want +got):\n%s", diff)
	}
}

// Whoever looks makes no key directory of an empty one: its volume may be missing, which the services must find out.
func TestToLookMakesNoKeys(t *testing.T) {
	data := t.TempDir()
	_, err := PrepareDev(data, nil)
	must(t, err)
	c := Config{DataDir: data, KeyDir: filepath.Join(data, "keys")}
	if _, err := c.openKeys(); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "name it with --key-dir") {
		t.Errorf("where there is none: %v", err)
	}
	must(t, os.Mkdir(c.KeyDir, 0o700))
	if _, err := c.openKeys(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("where it is empty: %v", err)
	}
	if entries, err := os.ReadDir(c.KeyDir); err != nil || len(entries) > 0 {
		t.Errorf("it made %v, %v", entries, err)
	}
	made, err := seal.Open(c.KeyDir, []byte(c.MasterKey.Reveal()))
	must(t, err)
	if keys, err := c.openKeys(); err != nil || keys == nil || keys.Fresh() || !made.Fresh() {
		t.Errorf("where there is one: %v", err)
	}
	// The master key of a trial is not that of what was made of it.
	later := Config{DataDir: data, KeyDir: filepath.Join(data, "production")}
	_, err = seal.Open(later.KeyDir, bytes.Repeat([]byte{1}, masterKeySize))
	must(t, err)
	if keys, err := later.openKeys(); err != nil || keys != nil || later.MasterKey.IsSet() {
		t.Errorf("with another master key: %v", err)
	}
	// What is damaged is told of, whichever master key it is opened with.
	must(t, os.Remove(filepath.Join(later.KeyDir, "check")))
	must(t, os.Mkdir(filepath.Join(later.KeyDir, "check"), 0o700))
	if keys, err := later.openKeys(); err == nil {
		t.Errorf("where it cannot be read: %v", keys)
	}
}

func TestPrepareDevTogether(t *testing.T) {
	data := t.TempDir()
	made := make([]*DevSecrets, 8)
	var all sync.WaitGroup
	for i := range made {
		all.Go(func() {
			var err error
			if made[i], err = PrepareDev(data, []string{"acme"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, other := range made {
		if diff := cmp.Diff(made[0], other); diff != "" {
			t.Error("two that started together have different secrets")
		}
	}
}

func TestPrepareDevReportsBrokenFiles(t *testing.T) {
	for name, content := range map[string]string{devMasterKey: "not a key", devAdminToken: "\n"} {
		data := t.TempDir()
		if _, err := PrepareDev(data, nil); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(data, "dev", name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := PrepareDev(data, nil)
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v does not name the file", name, err)
		}
	}
}

func TestUseDevFillsInWhatIsMissing(t *testing.T) {
	c := load(testProviders, sources{env: environment(map[string]string{
		"VERDICT_DATA_DIR": t.TempDir(), "VERDICT_SECRET_ACME": "own", "VERDICT_ADMIN_TOKEN": "token",
	})})
	if err := c.UseDev(); err != nil {
		t.Fatal(err)
	}
	if got := c.Provider("acme").Secrets[0].Reveal(); got != "own" {
		t.Error("a secret that is set was replaced")
	}
	if c.AdminToken.Reveal() != "token" || !c.MasterKey.IsSet() || !c.Provider("globex").Served() {
		t.Error("not exactly the missing ones were filled in")
	}
	if err := c.Validate(RoleAll); err != nil {
		t.Error(err)
	}
}
