// Package spool keeps what was accepted on the local disk until somebody has passed it on.
//
// It is a journal: entries are appended at the end, in groups that share one sync of the disk,
// read from the front in the same order, and trimmed from there.
//
//	Append ──▶ │ 41 │ 42 │ 43 │ 44 │ ◀── each one durable before its Append returns
//	             ▲
//	             └── Read, then Trim
//
// Its invariants:
//
//   - An entry whose Append returned nil survives a kill and a power cut, and stays where it is in
//     the order until it is trimmed.
//   - An entry whose Append returned an error was either refused (ErrFull, ErrClosed) and is
//     nowhere, or nothing is known of it: it may be found after a crash. Until then it is not read.
//   - Indexes begin at 1, have no gaps, and are never used twice for entries that were appended.
//   - After an error of the disk, nothing is written to the file that had it any more: the next
//     Append begins a fresh one. Nobody has to restart anything.
//   - What a crash left half-written at the end is cut. Damage to anything that a later append
//     proves to have been durable is ErrDamaged, never a shorter journal.
//
// It knows nothing of what the entries mean and logs nothing.
package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/verdict-stream/verdict/pkg/batch"
)

var (
	// ErrFull means that a limit is reached. It ends when entries are trimmed.
	ErrFull = errors.New("the spool is full")
	// ErrUnavailable means that the disk failed, or has no room. It ends when the disk is well.
	ErrUnavailable = errors.New("the disk of the spool is unavailable")
	// ErrDamaged means that durable entries cannot be read any more.
	ErrDamaged = errors.New("the spool is damaged")
	// ErrClosed means that Close was called.
	ErrClosed = errors.New("the spool is closed")
)

const (
	// segmentBytes is the size of a file. Each costs two syncs, one when it begins and one when
	// it is given back, and an empty spool uses up to two of them.
	segmentBytes = 32 << 20
	// recentBytes bounds the entries that are kept in memory for a reader that keeps up.
	recentBytes = 32 << 20
	// groupEntries bounds what shares one sync, and so how long the first of a group waits.
	groupEntries = 1024
)

// Limits are the marks from which on the spool refuses entries, large or small. Zero is no limit.
type Limits struct {
	Bytes int64         // of all entries, as they are on the disk
	Age   time.Duration // of the oldest entry
}

// Size is how much the spool holds.
type Size struct {
	Entries uint64
	Bytes   int64
	Oldest  time.Time // when the oldest was received, in whole seconds; zero where there is none
}

// Spool is an open journal. It may be used by many goroutines.
type Spool struct {
	dir    string
	name   string
	limits Limits
	sizing sizing
	lock   *os.File
	folder *os.File
	slots  *slots
	group  *batch.Group[item, struct{}]

	// committing is held while entries are written. It guards tail.
	committing sync.Mutex
	tail       tail
	// trimming is held while a position is recorded and files are given back.
	trimming sync.Mutex
	// making is set while a spare file is being made, which preparing waits for.
	making    atomic.Bool
	preparing sync.WaitGroup
	// files is held by readers of the files, and by those who close or rename what may be read.
	files sync.RWMutex

	mu       sync.Mutex // guards what follows; is taken last
	segments []*segment // the oldest first
	durable  uint64     // the index of the last entry
	position Position
	bytes    int64
	recent   recent
	grown    chan struct{} // closed when durable grows; nil where nobody waits
	closed   bool
}

// sizing is how large things are; tests make them small.
type sizing struct {
	segment, recent int64
}

// Open opens the journal in a directory, which it makes if it is missing, and which no other
// process can open until Close. What a crash left half-written is cut. It returns ErrDamaged
// where durable entries are missing.
func Open(dir string, limits Limits) (*Spool, error) {
	return open(dir, limits, sizing{segment: segmentBytes, recent: recentBytes})
}

func open(dir string, limits Limits, sizing sizing) (_ *Spool, err error) {
	s := &Spool{dir: dir, limits: limits, sizing: sizing}
	s.recent.limit = sizing.recent
	s.group = batch.New(groupEntries, s.commit)
	defer func() {
		if err != nil {
			s.release()
			err = fmt.Errorf("open the spool: %w", err)
		}
	}()
	if s.lock, err = lockDir(dir); err != nil {
		return nil, err
	}
	if s.folder, err = os.Open(dir); err != nil {
		return nil, err
	}
	if s.name, err = openName(dir); err != nil {
		return nil, err
	}
	if s.slots, s.position, err = openSlots(dir); err != nil {
		return nil, err
	}
	if err := s.recover(); err != nil {
		return nil, err
	}
	s.prepareSpare()
	return s, nil
}

// First returns the index of the oldest entry, which is that of the next one where there is none.
func (s *Spool) First() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.position.Index + 1
}

// Last returns the index of the newest entry, 0 where there never was one.
func (s *Spool) Last() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.durable
}

// Size tells how much waits in the spool.
func (s *Spool) Size() Size {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Size{Entries: s.durable - s.position.Index, Bytes: s.bytes, Oldest: s.oldest()}
}

// oldest wants mu.
func (s *Spool) oldest() time.Time {
	if s.durable == s.position.Index {
		return time.Time{}
	}
	seg, i := s.find(s.position.Index + 1)
	return time.Unix(int64(seg.marks[i].at), 0)
}

// find returns the segment of an entry that is there, and its place in it. It wants mu.
func (s *Spool) find(index uint64) (*segment, int) {
	for i := len(s.segments) - 1; i >= 0; i-- {
		if seg := s.segments[i]; seg.base <= index {
			return seg, int(index - seg.base)
		}
	}
	panic(fmt.Sprintf("no segment holds entry %d", index))
}

// Wait returns nil as soon as there is an entry behind the index, ErrClosed when the spool is
// closed, or the context's error.
func (s *Spool) Wait(ctx context.Context, after uint64) error {
	for {
		s.mu.Lock()
		if s.closed || s.durable > after {
			closed := s.closed
			s.mu.Unlock()
			if closed {
				return ErrClosed
			}
			return nil
		}
		if s.grown == nil {
			s.grown = make(chan struct{})
		}
		grown := s.grown
		s.mu.Unlock()
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wake wants mu.
func (s *Spool) wake() {
	if s.grown != nil {
		close(s.grown)
		s.grown = nil
	}
}

// Close waits for what is being written, refuses everything after it, and gives the directory
// free. It may be called more than once.
func (s *Spool) Close() error {
	s.committing.Lock()
	defer s.committing.Unlock()
	s.trimming.Lock()
	defer s.trimming.Unlock()
	s.files.Lock()
	defer s.files.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.wake()
	s.mu.Unlock()
	s.preparing.Wait()
	s.mu.Lock()
	err := s.slots.sync()
	s.release()
	if err != nil {
		return fmt.Errorf("close the spool: %w: %w", ErrUnavailable, err)
	}
	return nil
}

// release closes all files. Everything that matters was synced: an error of it means nothing.
func (s *Spool) release() {
	for _, seg := range s.segments {
		_ = seg.file.Close()
	}
	if s.slots != nil {
		_ = s.slots.file.Close()
	}
	for _, file := range []*os.File{s.folder, s.lock} {
		if file != nil {
			_ = file.Close()
		}
	}
}
