package spool

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/verdict-stream/verdict/pkg/batch"
)

// writeBytes is how much is collected for one write, so that a group of large entries does not
// need as much memory again.
const writeBytes = 1 << 20

// tail is the end of the journal, where entries wait for their sync.
type tail struct {
	segment  *segment // nil where a fresh one must begin
	written  int64    // bytes of the segment that are written
	prepared bool     // whether a spare file was asked for meanwhile
	buffer   []byte   // what follows them
	entries  []Entry  // those that are not yet durable
	marks    []mark
}

// item is what waits for a commit: an entry, or a probe, of which nothing stays.
type item struct {
	Entry
	probe bool
}

// fits reports whether the segment takes a record of that size.
func (t *tail) fits(size int64) bool {
	return t.segment != nil && t.written+int64(len(t.buffer))+size <= t.segment.capacity
}

// Append returns nil once the entry is durable. Those that come while others are synced share the
// next sync; one that comes alone is written and synced on the caller's goroutine.
//
// It returns ErrFull at a limit, ErrUnavailable where the disk fails, ErrClosed, or the context's
// error. After ErrUnavailable and the context's error, the entry may be there or not.
func (s *Spool) Append(ctx context.Context, e Entry) error {
	if size := e.size(); size > entryBytes {
		return fmt.Errorf("append to the spool: %d bytes are more than an entry may have", size)
	}
	if _, err := s.group.Do(ctx, item{Entry: e}); err != nil {
		return fmt.Errorf("append to the spool: %w", err)
	}
	return nil
}

// Probe returns nil if an entry that came now would become durable: it waits in turn with those
// that are appended, and makes the position durable once more. Errors are those of Append.
func (s *Spool) Probe(ctx context.Context) error {
	if _, err := s.group.Do(ctx, item{probe: true}); err != nil {
		return fmt.Errorf("probe the spool: %w", err)
	}
	return nil
}

// probe wants committing.
func (s *Spool) probe() error {
	if s.tail.segment == nil {
		// The next entry needs a file.
		if err := s.begin(1); err != nil {
			return unavailable(err)
		}
	}
	s.trimming.Lock()
	defer s.trimming.Unlock()
	err := s.slots.write(s.Position())
	if err == nil {
		err = s.slots.sync()
	}
	return unavailable(err)
}

// commit appends entries with one sync, or with one for each segment that they go to.
func (s *Spool) commit(items []item) []batch.Result[struct{}] {
	s.committing.Lock()
	defer s.committing.Unlock()
	results := make([]batch.Result[struct{}], len(items))
	room, refusal := s.room()
	var open []int // the items that are not yet durable
	var failed error
	for i := range items {
		size := items[i].size()
		if refusal == nil && room <= 0 {
			refusal = fmt.Errorf("%w: it holds as many bytes as it may", ErrFull)
		}
		if refusal != nil {
			results[i].Err = refusal
			continue
		}
		if items[i].probe {
			results[i].Err = s.probe()
			continue
		}
		room -= size
		if failed == nil && !s.tail.fits(size) {
			if failed = s.settle(); failed == nil {
				open = open[:0]
				failed = s.begin(size)
			}
		}
		open = append(open, i)
		if failed == nil {
			failed = s.put(&items[i].Entry)
		}
	}
	if failed == nil {
		failed = s.settle()
	}
	if failed != nil {
		s.abandon()
		for _, i := range open {
			results[i].Err = fmt.Errorf("%w: %w", ErrUnavailable, failed)
		}
	}
	return results
}

// room returns how many bytes may be appended, or why none may. The last entry may go beyond.
func (s *Spool) room() (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, ErrClosed
	}
	if oldest := s.oldest(); s.limits.Age > 0 && !oldest.IsZero() && time.Since(oldest) > s.limits.Age {
		return 0, fmt.Errorf("%w: its oldest entry waits longer than %v", ErrFull, s.limits.Age)
	}
	if s.limits.Bytes > 0 {
		return s.limits.Bytes - s.bytes, nil
	}
	return math.MaxInt64, nil
}

// begin begins a fresh segment with at least that much room. Its name is durable before anything
// is written to it.
func (s *Spool) begin(size int64) error {
	s.tail.segment, s.tail.prepared = nil, false
	seg, err := createSegment(s.dir, s.durable+1, max(s.sizing.segment, size), s.sizing.segment)
	if err != nil {
		return err
	}
	if err := s.folder.Sync(); err != nil {
		return errors.Join(err, seg.remove())
	}
	s.tail.segment, s.tail.written = seg, 0
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = append(s.segments, seg)
	return nil
}

// put adds an entry behind the tail.
func (s *Spool) put(e *Entry) error {
	t := &s.tail
	t.marks = append(t.marks, mark{offset: uint32(t.written + int64(len(t.buffer))), at: seconds(e.At)})
	t.entries = append(t.entries, *e)
	t.buffer = appendRecord(t.buffer, e, s.durable+uint64(len(t.entries)), s.durable)
	if len(t.buffer) < writeBytes {
		return nil
	}
	return t.write()
}

func (t *tail) write() error {
	if _, err := t.segment.file.WriteAt(t.buffer, t.written); err != nil {
		return err
	}
	t.written += int64(len(t.buffer))
	t.buffer = t.buffer[:0]
	return nil
}

// settle makes durable what was put, and shows it to readers.
func (s *Spool) settle() error {
	t := &s.tail
	if len(t.entries) == 0 {
		return nil
	}
	if err := t.write(); err != nil {
		return err
	}
	if err := syncData(t.segment.file); err != nil {
		return err
	}
	if t.written > t.segment.capacity/2 && !t.prepared {
		// Where readers keep up, the segment before this one is the spare one by now.
		t.prepared = true
		s.prepareSpare()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += t.written - t.segment.end
	t.segment.end = t.written
	n := len(t.segment.marks)
	t.segment.marks = append(t.segment.marks, t.marks...)
	for i := range t.entries {
		s.durable++
		s.recent.add(Indexed{Index: s.durable, Entry: t.entries[i]}, t.segment.offset(n+i+1)-t.segment.offset(n+i))
	}
	s.wake()
	t.forget()
	return nil
}

// forget drops what was put.
func (t *tail) forget() {
	clear(t.entries)
	t.entries, t.marks, t.buffer = t.entries[:0], t.marks[:0], t.buffer[:0]
	if cap(t.buffer) > 2*writeBytes {
		t.buffer = nil
	}
}

// abandon leaves the segment as it is after an error: what the disk has of its end is unknown.
func (s *Spool) abandon() {
	seg := s.tail.segment
	s.tail.segment = nil
	s.tail.forget()
	if seg == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	seg.reusable = false
	if len(seg.marks) == 0 {
		// The next segment has the same name and replaces what cannot be removed now.
		s.segments = s.segments[:len(s.segments)-1]
		_ = seg.remove()
	}
}
