package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEntriesComeBack(t *testing.T) {
	for name, sizing := range map[string]sizing{
		"from the disk": small, "from memory": {segment: 1024, recent: 1 << 20}, "from both": {segment: 1024, recent: 600},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "made", "here")
			s := openSpool(t, dir, Limits{}, sizing)
			wantNumbers(t, s, 1)
			add(t, s, upTo(40)...)
			wantNumbers(t, s, 1, upTo(40)...)
			closeSpool(t, s)
			s = openSpool(t, dir, Limits{}, sizing)
			wantNumbers(t, s, 1, upTo(40)...)
			add(t, s, 41)
			wantNumbers(t, s, 1, upTo(41)...)
			if s.First() != 1 || s.Last() != 41 {
				t.Errorf("from %d to %d", s.First(), s.Last())
			}
		})
	}
}

func TestAnEntryOfNothing(t *testing.T) {
	s := openSpool(t, t.TempDir(), Limits{}, small)
	want := Entry{At: time.Unix(1, 2), Data: []byte{}}
	if err := s.Append(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Indexed{{Index: 1, Entry: want}}, readAll(t, s)); diff != "" {
		t.Error(diff)
	}
}

// TestLargeEntries are larger than a file, and than a write.
func TestLargeEntries(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, dir, Limits{}, small)
	add(t, s, 1)
	large := entry(2)
	large.Data = make([]byte, writeBytes+5)
	if err := s.Append(t.Context(), large); err != nil {
		t.Fatal(err)
	}
	add(t, s, 3)
	closeSpool(t, s)
	s = openSpool(t, dir, Limits{}, small)
	if diff := cmp.Diff([]Indexed{indexed(1, 1), {Index: 2, Entry: large}, indexed(3, 3)}, readAll(t, s)); diff != "" {
		t.Error("other entries came back")
	}
	large.Data = make([]byte, entryBytes)
	if err := s.Append(t.Context(), large); err == nil {
		t.Error("there is a bound, and it does not hold")
	}
}

func TestReadWithinBounds(t *testing.T) {
	s := openSpool(t, t.TempDir(), Limits{}, small)
	add(t, s, upTo(30)...)
	trim(t, s, 4)
	one, two, three := entry(5), entry(6), entry(7)
	for _, test := range []struct {
		from        uint64
		limit       int
		bytes       int64
		first, last uint64
	}{
		{0, 2, 1 << 20, 5, 6},
		{29, 10, 1 << 20, 29, 30},
		{5, 10, 0, 5, 5},
		{5, 10, one.size() + two.size(), 5, 6},
		{5, 10, one.size() + two.size() + three.size() - 1, 5, 6},
		{10, 15, 1 << 20, 10, 24}, // over several files
	} {
		got, err := s.Read(t.Context(), test.from, test.limit, test.bytes)
		if err != nil || len(got) == 0 || got[0].Index != test.first || got[len(got)-1].Index != test.last {
			t.Errorf("%+v: %d entries, %v", test, len(got), err)
		}
	}
	if got, err := s.Read(t.Context(), 31, 10, 1<<20); err != nil || len(got) > 0 {
		t.Errorf("behind the last: %d entries, %v", len(got), err)
	}
}

func TestTrimGivesTheDiskBack(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, dir, Limits{}, small)
	for round := range 5 {
		add(t, s, upTo(60)...)
		last := s.Last()
		trim(t, s, last)
		if got := s.Size(); got != (Size{}) {
			t.Fatalf("size %+v", got)
		}
		// The file that is written, and the spare one.
		if n := len(files(t, dir)); n != 1 {
			t.Errorf("round %d: %d files are left", round, n)
		}
		wantNumbers(t, s, last+1)
	}
	want := Position{Stream: "s", Sequence: 400, Index: 300}
	if got := s.Position(); got != want {
		t.Errorf("position %+v", got)
	}
	closeSpool(t, s)
	s = openSpool(t, dir, Limits{}, small)
	if got := s.Position(); got != want {
		t.Errorf("position after opening again %+v", got)
	}
	add(t, s, 1)
	wantNumbers(t, s, 301, 1)
	if err := s.Trim(Position{Index: 302}); err == nil {
		t.Error("what is not there yet was trimmed")
	}
	// Less than before trims nothing, and tells of the stream.
	if err := s.Trim(Position{Stream: "other", Index: 3}); err != nil || s.Position() != (Position{Stream: "other", Index: 300}) {
		t.Errorf("%v, position %+v", err, s.Position())
	}
	wantNumbers(t, s, 301, 1)
}

func TestFull(t *testing.T) {
	t.Run("of bytes", func(t *testing.T) {
		s := openSpool(t, t.TempDir(), Limits{Bytes: 3000}, small)
		n := 0
		var err error
		for err == nil {
			n++
			err = s.Append(t.Context(), entry(n))
		}
		if !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
		if size := s.Size(); size.Bytes < 3000 || size.Bytes > 3000+1000 || size.Entries != uint64(n-1) {
			t.Errorf("%+v after %d", size, n)
		}
		wantNumbers(t, s, 1, upTo(n-1)...)
		trim(t, s, 3)
		add(t, s, n)
		wantNumbers(t, s, 4, upTo(n)[3:]...)
	})
	t.Run("of age", func(t *testing.T) {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			s := openSpool(t, dir, Limits{Age: time.Hour}, small)
			now := func() Entry { return Entry{At: time.Now()} }
			begin := time.Now()
			for _, pause := range []time.Duration{0, 30 * time.Minute, 29 * time.Minute} {
				time.Sleep(pause)
				if err := s.Append(t.Context(), now()); err != nil {
					t.Fatal(err)
				}
			}
			if got := s.Size().Oldest; !got.Equal(begin) {
				t.Errorf("the oldest is of %v, want %v", got, begin)
			}
			time.Sleep(2 * time.Minute)
			if err := s.Append(t.Context(), now()); !errors.Is(err, ErrFull) {
				t.Errorf("an entry waits too long: %v", err)
			}
			trim(t, s, 1)
			if err := s.Append(t.Context(), now()); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestOnlyOneHasTheDirectory(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, dir, Limits{}, small)
	if _, err := open(dir, Limits{}, small); err == nil {
		t.Fatal("two have it")
	}
	add(t, s, 1)
	for _, path := range append(files(t, dir), filepath.Join(dir, positionName)) {
		if info, err := os.Stat(path); err != nil || info.Mode() != fileMode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	closeSpool(t, s)
	openSpool(t, dir, Limits{}, small)
}

func TestClosed(t *testing.T) {
	s := openSpool(t, t.TempDir(), Limits{}, small)
	add(t, s, 1)
	waiting := make(chan error)
	go func() { waiting <- s.Wait(context.Background(), 1) }()
	closeSpool(t, s)
	closeSpool(t, s)
	_, read := s.Read(t.Context(), 1, 1, 1)
	for what, err := range map[string]error{
		"append": s.Append(t.Context(), entry(1)), "trim": s.Trim(Position{Index: 1}), "read": read, "wait": <-waiting,
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestWait(t *testing.T) {
	s := openSpool(t, t.TempDir(), Limits{}, small)
	add(t, s, 1)
	if err := s.Wait(t.Context(), 0); err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Wait(ended, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("nothing is there: %v", err)
	}
	waiting := make(chan error)
	go func() { waiting <- s.Wait(t.Context(), 1) }()
	add(t, s, 2)
	if err := <-waiting; err != nil {
		t.Error(err)
	}
}

// TestManyAtOnce has many append while one reads and trims.
func TestManyAtOnce(t *testing.T) {
	const callers, each = 16, 60
	s := openSpool(t, t.TempDir(), Limits{}, sizing{segment: 4096, recent: 2000})
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for i := range each {
				if err := s.Append(t.Context(), entry(caller*each+i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := uint64(1)
	seen := map[int]int{} // how many of each caller
	for next <= callers*each {
		if err := s.Wait(t.Context(), next-1); err != nil {
			t.Fatal(err)
		}
		got, err := s.Read(t.Context(), next, 50, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range got {
			var n int
			if _, err := fmt.Sscanf(e.Key, "key:%d", &n); err != nil {
				t.Fatal(err)
			}
			caller := n / each
			if want := indexed(next, caller*each+seen[caller]); !cmp.Equal(want, e) {
				t.Fatalf("entry %d is %s, want %s", e.Index, e.Key, want.Key)
			}
			seen[caller]++
			next++
		}
		trim(t, s, next-1)
	}
	all.Wait()
}

// TestProbe tells what an append would meet, and appends nothing.
func TestProbe(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, dir, Limits{Bytes: 1}, small)
	if err := s.Probe(t.Context()); err != nil || s.Size().Entries != 0 || s.Last() != 0 {
		t.Errorf("probe: %v, %+v", err, s.Size())
	}
	add(t, s, 1)
	if err := s.Probe(t.Context()); !errors.Is(err, ErrFull) {
		t.Errorf("probe of a full spool: %v", err)
	}
	trim(t, s, 1)
	if err := s.Probe(t.Context()); err != nil || s.Position().Index != 1 {
		t.Errorf("probe: %v, position %+v", err, s.Position())
	}
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	position := s.slots.file
	s.slots.file = full
	if err := s.Probe(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("probe of a disk that takes nothing: %v", err)
	}
	s.slots.file = position
	if err := full.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Probe(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("probe of a closed spool: %v", err)
	}
}
