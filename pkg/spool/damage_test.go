package spool

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestTornEnd ends the file at every byte of the last entry, with nothing, zeros or old bytes
// behind it.
func TestTornEnd(t *testing.T) {
	const entries = 4
	for name, behind := range map[string]func(n int) []byte{
		"cut":   func(int) []byte { return nil },
		"zeros": func(n int) []byte { return make([]byte, n) },
		"other": func(n int) []byte { return slices.Repeat([]byte{0xa5}, n) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openSpool(t, dir, Limits{}, sizing{segment: 8 << 10})
			add(t, s, upTo(entries)...)
			path, begin := files(t, dir)[0], s.segments[0].offset(entries-1)
			last := entry(entries)
			end := begin + headBytes + int64(last.bodySize())
			closeSpool(t, s)
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for at := begin; at <= end; at++ {
				content := slices.Concat(whole[:at], behind(len(whole)-int(at)))
				if err := os.WriteFile(path, content, fileMode); err != nil {
					t.Fatal(err)
				}
				s := openSpool(t, dir, Limits{}, small)
				want := upTo(entries)
				if at < end {
					want = want[:entries-1]
				}
				wantNumbers(t, s, 1, want...)
				add(t, s, 7)
				closeSpool(t, s)
				s = openSpool(t, dir, Limits{}, small)
				wantNumbers(t, s, 1, append(want, 7)...)
				closeSpool(t, s)
				for _, path := range files(t, dir)[1:] {
					if err := os.Remove(path); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

// TestDamage changes each byte of the file, one at a time, but for those of the last entry and
// of paddings, which no checksum covers.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, dir, Limits{}, sizing{segment: 8 << 10})
	add(t, s, upTo(4)...)
	seg := s.segments[0]
	path := files(t, dir)[0]
	closeSpool(t, s)
	for i := range 3 {
		e := entry(i + 1)
		for at := range int64(headBytes + e.bodySize()) {
			flip := func(content []byte) []byte { content[seg.offset(i)+at] ^= 0x41; return content }
			change(t, path, flip)
			if _, err := open(dir, Limits{}, small); !errors.Is(err, ErrDamaged) {
				t.Fatalf("byte %d of entry %d: %v", at, i+1, err)
			}
			change(t, path, flip)
		}
	}
	wantNumbers(t, openSpool(t, dir, Limits{}, small), 1, upTo(4)...)
}

// TestDamageOfAnOlderFile finds it at the end of a file too, and where the file is missing.
func TestDamageOfAnOlderFile(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"missing": os.Remove,
		"empty":   func(path string) error { return os.Truncate(path, 0) },
		"shorter": func(path string) error { return os.Truncate(path, 700) },
	} {
		for i := range 3 {
			dir := t.TempDir()
			s := openSpool(t, dir, Limits{}, small)
			add(t, s, upTo(40)...)
			closeSpool(t, s)
			if err := damage(files(t, dir)[i]); err != nil {
				t.Fatal(err)
			}
			if _, err := open(dir, Limits{}, small); !errors.Is(err, ErrDamaged) {
				t.Errorf("file %d is %s: %v", i, name, err)
			}
		}
	}
}

func TestDamageWhileOpen(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, dir, Limits{}, small)
	add(t, s, upTo(3)...)
	change(t, files(t, dir)[0], func(content []byte) []byte {
		content[s.segments[0].offset(1)+headBytes+12] ^= 1
		return content
	})
	if _, err := s.Read(t.Context(), 1, 10, 1<<20); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
}

// TestPosition loses one slot, which gives the position before, and both, which is noticed.
func TestPosition(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, dir, Limits{}, sizing{segment: 32 << 10})
	add(t, s, upTo(5)...)
	trim(t, s, 2)
	trim(t, s, 3)
	closeSpool(t, s)
	tear := func(slot int) {
		change(t, filepath.Join(dir, positionName), func(content []byte) []byte { content[slot*slotBytes+8] ^= 1; return content })
	}
	tear(0) // the second write went there
	s = openSpool(t, dir, Limits{}, small)
	wantNumbers(t, s, 3, 3, 4, 5)
	closeSpool(t, s)
	tear(0) // which was written anew
	tear(1)
	if _, err := open(dir, Limits{}, small); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
}
