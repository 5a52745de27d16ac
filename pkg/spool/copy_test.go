package spool

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// exported returns the numbers of the entries that a copy holds, in their order.
func exported(t *testing.T, dir string) []int {
	t.Helper()
	var copied bytes.Buffer
	waiting, err := Export(t.Context(), dir, &copied)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "spool")
	n, err := Import(t.Context(), to, &copied)
	if err != nil {
		t.Fatal(err)
	}
	if n != waiting.Entries || waiting.Oldest.IsZero() != (n == 0) {
		t.Errorf("%d entries of %+v", n, waiting)
	}
	s := openSpool(t, to, Limits{}, small)
	defer closeSpool(t, s)
	entries, err := s.Read(t.Context(), 1, int(n)+1, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	numbers := []int{}
	for _, e := range entries {
		number, err := strconv.Atoi(strings.TrimPrefix(e.Key, "key:"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(entry(number), e.Entry); diff != "" {
			t.Errorf("entry %d (-want +got):\n%s", number, diff)
		}
		numbers = append(numbers, number)
	}
	return numbers
}

func TestExport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	if got := exported(t, dir); len(got) > 0 {
		t.Errorf("a spool that is missing holds %v", got)
	}
	s := openSpool(t, dir, Limits{}, small)
	if got := exported(t, dir); len(got) > 0 {
		t.Errorf("an empty spool holds %v", got)
	}
	add(t, s, upTo(40)...)
	if diff := cmp.Diff(upTo(40), exported(t, dir)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if err := s.Trim(Position{Stream: "x", Sequence: 17, Index: 17}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(upTo(40)[17:], exported(t, dir)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// While entries are appended and trimmed, a copy has all that were appended before it began, but for those that were trimmed before it ended, and
// none is out of order.
func TestExportInUse(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, dir, Limits{}, small)
	ctx, cancel := context.WithCancel(t.Context())
	var user sync.WaitGroup
	user.Go(func() {
		for n := 1; ctx.Err() == nil; n++ {
			if s.Append(ctx, entry(n)) == nil && n%7 == 0 && n > 60 {
				_ = s.Trim(Position{Stream: "x", Index: uint64(n - 50)})
			}
		}
	})
	defer user.Wait()
	defer cancel()
	for range 40 {
		before := s.Last()
		got := exported(t, dir)
		first := s.First()
		for i := 1; i < len(got); i++ {
			if got[i] <= got[i-1] {
				t.Fatalf("entry %d behind %d", got[i], got[i-1])
			}
		}
		has := map[int]bool{}
		for _, n := range got {
			has[n] = true
		}
		for n := first; n <= before; n++ {
			if !has[int(n)] {
				t.Fatalf("entry %d is missing: %d to %d were there", n, first, before)
			}
		}
	}
}

func TestExportDamaged(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, dir, Limits{}, small)
	add(t, s, upTo(40)...)
	closeSpool(t, s)
	files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil || len(files) < 3 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, file := range []string{files[1], files[len(files)-1]} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		damaged := bytes.Clone(content)
		damaged[40] ^= 1
		if err := os.WriteFile(file, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Export(t.Context(), dir, &bytes.Buffer{}); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: got %v, want %v", file, err, ErrDamaged)
		}
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestImportRefuses(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, dir, Limits{}, small)
	add(t, s, 1)
	var copied bytes.Buffer
	if _, err := Export(t.Context(), dir, &copied); err != nil {
		t.Fatal(err)
	}
	closeSpool(t, s)
	if _, err := Import(t.Context(), dir, bytes.NewReader(copied.Bytes())); err == nil {
		t.Error("a spool that is not empty was overwritten")
	}
	for name, broken := range map[string][]byte{"cut": copied.Bytes()[:copied.Len()-2], "foreign": bytes.Repeat([]byte{255}, 99)} {
		if _, err := Import(t.Context(), filepath.Join(t.TempDir(), "new"), bytes.NewReader(broken)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
