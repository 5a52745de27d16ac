package spool

import (
	"context"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestAgainstAList does the same to the spool and to a list.
func TestAgainstAList(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		sizes := sizing{segment: rapid.Int64Range(500, 8000).Draw(rt, "segment"), recent: rapid.Int64Range(0, 4000).Draw(rt, "recent")}
		reopen := func() *Spool {
			s, err := open(dir, Limits{}, sizes)
			if err != nil {
				rt.Fatal(err)
			}
			return s
		}
		s := reopen()
		defer func() { _ = s.Close() }()
		var list []Indexed // what is not trimmed
		var position Position
		n := 0
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				// As one group, without the order of callers.
				entries := make([]item, rapid.IntRange(1, 15).Draw(rt, "entries"))
				for i := range entries {
					n++
					entries[i].Entry = entry(n)
					list = append(list, indexed(uint64(n), n))
				}
				for _, r := range s.commit(entries) {
					if r.Err != nil {
						rt.Fatal(r.Err)
					}
				}
			},
			"trim": func(rt *rapid.T) {
				count := rapid.IntRange(0, len(list)).Draw(rt, "count")
				position = Position{Stream: rapid.StringN(0, 9, 40).Draw(rt, "stream"), Sequence: rapid.Uint64().Draw(rt, "sequence"), Index: position.Index + uint64(count)}
				if err := s.Trim(position); err != nil {
					rt.Fatal(err)
				}
				list = list[count:]
			},
			"begin a file and crash": func(*rapid.T) {
				s.committing.Lock()
				must(s.begin(1))
				s.committing.Unlock()
				must(s.Close())
				s = reopen()
			},
			"open again": func(rt *rapid.T) {
				if err := s.Close(); err != nil {
					rt.Fatal(err)
				}
				s = reopen()
			},
			"read": func(rt *rapid.T) {
				from := rapid.IntRange(0, len(list)).Draw(rt, "from")
				got, err := s.Read(context.Background(), position.Index+1+uint64(from), len(list)+1, 1<<30)
				if err != nil {
					rt.Fatal(err)
				}
				if diff := cmp.Diff(append([]Indexed(nil), list[from:]...), got); diff != "" {
					rt.Fatalf("entries (-want +got):\n%s", diff)
				}
			},
			"": func(rt *rapid.T) {
				want := Size{Entries: uint64(len(list))}
				for i := range list {
					want.Bytes += list[i].size()
				}
				got := s.Size()
				got.Oldest = want.Oldest
				if got != want || s.Last() != uint64(n) || s.Position() != position {
					rt.Fatalf("%+v to %d at %+v, want %+v to %d at %+v", got, s.Last(), s.Position(), want, n, position)
				}
			},
		})
	})
}
