package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
	}
	return string(content)
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, content := range []string{"the first, which is longer", "the second", ""} {
		if err := Replace(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got := read(t, path); got != content {
			t.Errorf("it reads %q, want %q", got, content)
		}
		// What a crash left of a longer text.
		if err := os.WriteFile(path+Unfinished, []byte("a longer text than any of them"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Replace(path, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if got := names(t, filepath.Dir(path)); len(got) != 1 || read(t, path) != "x" {
		t.Errorf("there are %v", got)
	}
}

// What cannot take the file's place leaves it as it was.
func TestReplaceFails(t *testing.T) {
	dir := t.TempDir()
	if err := Replace(filepath.Join(dir, "missing", "file"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a missing directory: %v", err)
	}
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(taken, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Replace(taken, []byte("x")); err == nil {
		t.Error("a file took the place of a directory")
	}
	if got := names(t, dir); len(got) != 1 || got[0] != "taken" {
		t.Errorf("there are %v", got)
	}
}

func TestCopy(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	for path, content := range map[string]string{from: "new", to: "an older and longer one"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Copy(from, to); err != nil || read(t, to) != "new" {
		t.Errorf("it reads %q, %v", read(t, to), err)
	}
	if err := Copy(filepath.Join(dir, "missing"), to); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a missing file: %v", err)
	}
	if read(t, to) != "new" {
		t.Error("a copy of a missing file changed the target")
	}
}

// Of all who make a file at once one wins, and nobody reads a part of it.
func TestCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	var won atomic.Int32
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			mine, err := Create(path, []byte(strings.Repeat(string(rune('a'+i)), 1000)))
			if err != nil {
				t.Error(err)
			}
			if mine {
				won.Add(1)
			}
			if got, err := os.ReadFile(path); err != nil || len(got) != 1000 || strings.Trim(string(got), string(got[:1])) != "" {
				t.Errorf("it reads %d bytes, %v", len(got), err)
			}
		})
	}
	all.Wait()
	if got := names(t, filepath.Dir(path)); won.Load() != 1 || len(got) != 1 {
		t.Errorf("%d have made it, there are %v", won.Load(), got)
	}
	before := read(t, path)
	if mine, err := Create(path, []byte("x")); mine || err != nil || read(t, path) != before {
		t.Errorf("a file that is there was made again: %v, %v", mine, err)
	}
	if _, err := Create(filepath.Join(filepath.Dir(path), "missing", "file"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a missing directory: %v", err)
	}
}

func TestMakeDir(t *testing.T) {
	top := t.TempDir()
	below := filepath.Join(top, "a", "b")
	if err := os.Chmod(top, 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := MakeDir(below); err != nil {
			t.Fatal(err)
		}
	}
	for dir, want := range map[string]fs.FileMode{top: 0o755, filepath.Dir(below): 0o700, below: 0o700} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want mode %v", dir, info, err, want)
		}
	}
	file := filepath.Join(below, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "c")} {
		if err := MakeDir(dir); err == nil || !strings.Contains(err.Error(), file+" is a file") {
			t.Errorf("where a file is: %v", err)
		}
	}
}
