package spool

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	childVariable    = "SPOOL_TEST_CHILD"
	childDirVariable = "SPOOL_TEST_DIR"
)

// children are what a test runs in a process of its own.
var children = map[string]func(dir string){"append": appendForever, "limited": appendOverLimit}

func child(t *testing.T, name, dir string) *exec.Cmd {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), childVariable+"="+name, childDirVariable+"="+dir)
	command.Stderr = os.Stderr
	return command
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// crashing has many files, and a limit at which entries are refused.
var crashing = sizing{segment: 32 << 10, recent: 8 << 10}

// appendForever appends with many callers, and passes on. It writes each step to the standard
// output: "appended <n>" after it, "passed <index> <n>" before the trim.
func appendForever(dir string) {
	s, err := open(dir, Limits{Bytes: 1 << 20}, crashing)
	must(err)
	var output sync.Mutex
	note := func(format string, arguments ...any) {
		output.Lock()
		defer output.Unlock()
		_, err := fmt.Printf(format, arguments...)
		must(err)
	}
	const callers = 8
	first := int(s.Last()) + 1
	for caller := range callers {
		go func() {
			for n := first*callers + caller; ; n += callers {
				err := s.Append(context.Background(), entry(n))
				if errors.Is(err, ErrFull) {
					n -= callers
					continue
				}
				must(err)
				note("appended %d\n", n)
			}
		}()
	}
	for {
		must(s.Wait(context.Background(), s.Position().Index))
		entries, err := s.Read(context.Background(), 0, 20, 1<<20)
		must(err)
		for _, e := range entries {
			note("passed %d %s\n", e.Index, e.Key)
		}
		must(s.Trim(Position{Stream: "s", Index: entries[len(entries)-1].Index}))
	}
}

// TestKilled kills the process at random moments. Whatever was appended was passed on or is still
// there, each at one index, without a gap.
func TestKilled(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	ledger := map[string]bool{}    // the keys of what was appended
	places := map[uint64]string{}  // the keys by index
	indexes := map[string]uint64{} // and the other way round
	place := func(index uint64, key string) {
		if was, ok := places[index]; ok && was != key {
			t.Fatalf("entry %d is %s and was %s", index, key, was)
		}
		if was, ok := indexes[key]; ok && was != index {
			t.Fatalf("%s is entry %d and was %d", key, index, was)
		}
		places[index], indexes[key] = key, index
	}
	for range 12 {
		command := child(t, "append", dir)
		output, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		lines, left := bufio.NewScanner(output), 1+random.IntN(1500)
		for lines.Scan() {
			var index uint64
			var n int
			if _, err := fmt.Sscanf(lines.Text(), "appended %d", &n); err == nil {
				ledger[entry(n).Key] = true
			} else if _, err := fmt.Sscanf(lines.Text(), "passed %d key:%d", &index, &n); err == nil {
				place(index, entry(n).Key)
			}
			if left--; left == 0 {
				_ = command.Process.Kill() // what it wrote until it died is read to the end
			}
		}
		if err := command.Wait(); left > 0 || err == nil {
			t.Fatalf("it ended by itself: %v", err)
		}
		s := openSpool(t, dir, Limits{}, crashing)
		for _, e := range readAll(t, s) {
			place(e.Index, e.Key)
		}
		for index := range s.Last() {
			if places[index+1] == "" {
				t.Fatalf("entry %d is lost", index+1)
			}
		}
		for key := range ledger {
			if indexes[key] == 0 {
				t.Fatalf("%s was appended and is lost", key)
			}
		}
		closeSpool(t, s)
	}
	if len(ledger) < 12 {
		t.Errorf("only %d entries were appended", len(ledger))
	}
}

// TestNoRoom lets writes end in the middle, by a limit of the process.
func TestNoRoom(t *testing.T) {
	dir := t.TempDir()
	if err := child(t, "limited", dir).Run(); err != nil {
		t.Fatal(err)
	}
	s := openSpool(t, dir, Limits{}, crashing)
	wantNumbers(t, s, 1, append(upTo(20), 22, 23)...)
}

func appendOverLimit(dir string) {
	s, err := open(dir, Limits{}, sizing{segment: 32 << 10})
	must(err)
	s.preparing.Wait() // for the spare file, which is the first segment
	do := func(n int) error { return s.Append(context.Background(), entry(n)) }
	limit := func(bytes uint64) {
		var l syscall.Rlimit
		must(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &l))
		l.Cur = bytes
		must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l))
	}
	var was syscall.Rlimit
	must(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was))
	for n := range 20 {
		must(do(n + 1))
	}
	limit(uint64(s.Size().Bytes) + 50)
	// The first is torn, and for the second there is no room for a fresh file.
	for range 2 {
		if err := do(21); !errors.Is(err, ErrUnavailable) || !errors.Is(err, syscall.EFBIG) {
			must(errors.Join(errors.New("over the limit there is another error, or none"), err))
		}
	}
	limit(was.Cur)
	must(do(22))
	must(do(23))
	must(s.Close())
}

// TestDiskErrors lets writes and syncs fail, in between and at the beginning of a file.
func TestDiskErrors(t *testing.T) {
	for name, path := range map[string]string{"of a write": "/dev/full", "of a sync": "/dev/null"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openSpool(t, dir, Limits{}, sizing{segment: 32 << 10})
			var appended []int
			for n := 1; n <= 30; n++ {
				if n%7 > 1 || n == 1 { // 7 and 8 fail one after the other, and so on
					add(t, s, n)
					appended = append(appended, n)
					continue
				}
				if s.tail.segment == nil {
					if err := s.begin(0); err != nil {
						t.Fatal(err)
					}
				}
				failAppend(t, s, path, n)
			}
			wantNumbers(t, s, 1, appended...)
			closeSpool(t, s)
			s = openSpool(t, dir, Limits{}, small)
			wantNumbers(t, s, 1, appended...)
		})
	}
}

// failAppend appends while the tail's file is another one, in which the append fails. What was to
// be written is then in the tail's file, as after a sync that failed.
func failAppend(t *testing.T, s *Spool, path string, n int) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	seg := s.tail.segment
	healthy := seg.file
	seg.file = file
	if err := s.Append(t.Context(), entry(n)); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("entry %d: %v", n, err)
	}
	if len(seg.marks) == 0 {
		// It is removed and closed.
		if err := healthy.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	seg.file = healthy
	e := entry(n)
	if _, err := healthy.WriteAt(appendRecord(nil, &e, s.durable+1, s.durable), seg.end); err != nil {
		t.Error(err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
}

// TestAFailedFileIsNotUsedAgain trims it: its end holds what must never be taken for an entry.
func TestAFailedFileIsNotUsedAgain(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, dir, Limits{}, sizing{segment: 32 << 10})
	s.preparing.Wait()
	add(t, s, 1) // to the spare file, that is no more
	failAppend(t, s, "/dev/full", 2)
	add(t, s, 3)
	trim(t, s, 2)
	if _, err := os.Stat(filepath.Join(dir, spareName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the spare file: %v", err)
	}
	add(t, s, 4)
	wantNumbers(t, s, 3, 4)
}

// TestOldEntriesInAUsedFile ends the new ones exactly where an old one begins.
func TestOldEntriesInAUsedFile(t *testing.T) {
	dir := t.TempDir()
	e := Entry{Key: "key", Data: []byte{}, At: time.Unix(1, 0)}
	size := e.size()
	s := openSpool(t, dir, Limits{}, sizing{segment: 10 * size})
	s.preparing.Wait()
	for n := range 23 { // two files of ten, the first of which is used again for the last three
		if err := s.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if n == 15 {
			trim(t, s, 12)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, spareName)); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the spare file was not used: %v", err)
	}
	closeSpool(t, s)
	s = openSpool(t, dir, Limits{}, small)
	if s.Last() != 23 || s.Size() != (Size{Entries: 11, Bytes: 11 * size, Oldest: e.At}) {
		t.Errorf("%d entries, %+v", s.Last(), s.Size())
	}
}

// TestAFileThatWasBegunAndNotUsed is what a crash leaves between the making of a file and its first
// entry. The next one has its name: it must not go when the old one does.
func TestAFileThatWasBegunAndNotUsed(t *testing.T) {
	for name, spoil := range map[string]func(s *Spool) error{
		"empty": func(*Spool) error { return nil },
		"torn": func(s *Spool) error {
			e := entry(4)
			record := appendRecord(nil, &e, s.durable+1, s.durable)
			_, err := s.tail.segment.file.WriteAt(record[:len(record)/2], 0)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openSpool(t, dir, Limits{}, small)
			add(t, s, upTo(3)...)
			s.committing.Lock()
			err := s.begin(1000)
			if err == nil {
				err = spoil(s)
			}
			s.committing.Unlock()
			must(err)
			must(s.Close())

			s = openSpool(t, dir, Limits{}, small)
			add(t, s, 4, 5)
			trim(t, s, 3)
			add(t, s, 6)
			must(s.Close())
			s = openSpool(t, dir, Limits{}, small)
			wantNumbers(t, s, 4, 4, 5, 6)
		})
	}
}
