package spool

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if run, ok := children[os.Getenv(childVariable)]; ok {
		run(os.Getenv(childDirVariable))
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// small makes every few entries a file, and keeps none of them in memory.
var small = sizing{segment: 1024}

func openSpool(t testing.TB, dir string, limits Limits, sizing sizing) *Spool {
	t.Helper()
	s, err := open(dir, limits, sizing)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func closeSpool(t testing.TB, s *Spool) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// entry returns the entry of a number, which is different from all others in each field.
func entry(n int) Entry {
	return Entry{
		Subject: fmt.Sprint("subject.", n),
		Key:     fmt.Sprint("key:", n),
		Header:  map[string][]string{"name": {fmt.Sprint(n), ""}, fmt.Sprint("name-", n): {"value"}},
		Data:    []byte(strings.Repeat(fmt.Sprint(n, ";"), 1+n%20)),
		At:      time.Unix(1_700_000_000, int64(n)),
	}
}

func indexed(index uint64, n int) Indexed { return Indexed{Index: index, Entry: entry(n)} }

// add appends the entries of the numbers, each with a sync of its own.
func add(t testing.TB, s *Spool, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		if err := s.Append(t.Context(), entry(n)); err != nil {
			t.Fatal(err)
		}
	}
}

// upTo returns the numbers from 1 on.
func upTo(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i + 1
	}
	return numbers
}

// wantNumbers checks that the spool holds the entries of the numbers and no others, the first of
// them with that index.
func wantNumbers(t testing.TB, s *Spool, first uint64, numbers ...int) {
	t.Helper()
	var want []Indexed
	for i, n := range numbers {
		want = append(want, indexed(first+uint64(i), n))
	}
	if diff := cmp.Diff(want, readAll(t, s)); diff != "" {
		t.Fatalf("entries (-want +got):\n%s", diff)
	}
}

func readAll(t testing.TB, s *Spool) []Indexed {
	t.Helper()
	var all []Indexed
	for from := s.First(); ; {
		entries, err := s.Read(context.Background(), from, 7, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 0 {
			return all
		}
		all = append(all, entries...)
		from = entries[len(entries)-1].Index + 1
	}
}

func trim(t testing.TB, s *Spool, through uint64) {
	t.Helper()
	if err := s.Trim(Position{Stream: "s", Sequence: through + 100, Index: through}); err != nil {
		t.Fatal(err)
	}
}

// files returns the paths of the segments.
func files(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// change changes the content of a file.
func change(t testing.TB, path string, by func(content []byte) []byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, by(content), fileMode); err != nil {
		t.Fatal(err)
	}
}
