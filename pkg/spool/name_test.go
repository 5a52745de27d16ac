package spool

import (
	"os"
	"path/filepath"
	"testing"
)

func TestASpoolKeepsItsName(t *testing.T) {
	name := func(dir string) string {
		s, err := Open(dir, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		return s.Name()
	}
	dir := t.TempDir()
	first := name(dir)
	if second := name(dir); second != first || !namePattern.MatchString(first) {
		t.Errorf("it is called %q, then %q", first, second)
	}
	if other := name(t.TempDir()); other == first {
		t.Errorf("another is called %q too", other)
	}
	if err := os.WriteFile(filepath.Join(dir, nameFile), []byte("12"), fileMode); err != nil {
		t.Fatal(err)
	}
	if third := name(dir); !namePattern.MatchString(third) {
		t.Errorf("after its name was damaged it is called %q", third)
	}
}
