package spool

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestSpareIsWritten makes the next segment before it is needed, of space that was written, and
// makes another while that one is filled, unless readers give one back.
func TestSpareIsWritten(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, spareName)
	s := openSpool(t, dir, Limits{}, small)
	for range 3 {
		s.preparing.Wait()
		content, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(content, make([]byte, small.segment)) {
			t.Fatalf("a spare file of %d bytes, not all of them zero, or none: %v", len(content), err)
		}
		begun := len(files(t, dir))
		for n := 1; len(files(t, dir)) == begun; n++ {
			add(t, s, n)
		}
		s.preparing.Wait()
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("the spare file was not used: %v", err)
		}
		for last := files(t, dir)[begun]; ; {
			add(t, s, 1)
			s.preparing.Wait()
			if _, err := os.Stat(path); err == nil {
				break
			}
			if all := files(t, dir); all[len(all)-1] != last {
				t.Fatal("the segment is full, and there is no spare one")
			}
		}
	}
}

// TestSpareOfAnotherProcess begins without what a process before has left unfinished.
func TestSpareOfAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	closeSpool(t, openSpool(t, dir, Limits{}, small))
	for _, name := range []string{spareName, unfinishedName} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), fileMode); err != nil {
			t.Fatal(err)
		}
	}
	s := openSpool(t, dir, Limits{}, small)
	s.preparing.Wait()
	if about, err := os.Stat(filepath.Join(dir, spareName)); err != nil || about.Size() != small.segment {
		t.Errorf("the spare file: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, unfinishedName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unfinished file: %v", err)
	}
	add(t, s, upTo(30)...)
	wantNumbers(t, s, 1, upTo(30)...)
}
