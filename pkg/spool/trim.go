package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Position returns what the last Trim recorded, also where that was before a crash. After a power
// cut it may be an earlier one, by less than what one file holds: its entries come again.
func (s *Spool) Position() Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.position
}

// Trim records the position and forgets all entries up to its index. Only when a whole file of
// them is given back is the disk synced. An index before the first entry trims nothing; one
// behind the last is an error. It returns ErrUnavailable where the disk fails, after which
// the position is that of before or the new one, and calling it again is right.
func (s *Spool) Trim(to Position) error {
	s.trimming.Lock()
	defer s.trimming.Unlock()
	if err := s.trim(to); err != nil {
		return fmt.Errorf("trim the spool: %w", err)
	}
	return nil
}

func (s *Spool) trim(to Position) error {
	s.mu.Lock()
	closed, durable := s.closed, s.durable
	to.Index = max(to.Index, s.position.Index)
	s.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if to.Index > durable {
		return fmt.Errorf("there is no entry %d yet, the last is %d", to.Index, durable)
	}
	if err := s.slots.write(to); err != nil {
		return unavailable(err)
	}
	s.mu.Lock()
	s.forget(to)
	// The last one may be the tail, which is being written.
	empty := 0
	for empty+1 < len(s.segments) && s.segments[empty].next() <= to.Index+1 {
		empty++
	}
	s.mu.Unlock()
	if empty == 0 {
		return nil
	}
	// The files must not be gone before the position is durable, or they would seem lost.
	if err := s.slots.sync(); err != nil {
		return unavailable(err)
	}
	return unavailable(s.giveBack(empty))
}

// forget wants mu.
func (s *Spool) forget(to Position) {
	for index := s.position.Index + 1; index <= to.Index; {
		seg, i := s.find(index)
		next := min(seg.next(), to.Index+1)
		s.bytes -= seg.offset(i+int(next-index)) - seg.offset(i)
		index = next
	}
	s.recent.trim(to.Index)
	s.position = to
}

// giveBack removes the first segments. One of them becomes the spare file.
func (s *Spool) giveBack(n int) error {
	s.files.Lock()
	defer s.files.Unlock()
	s.mu.Lock()
	given := append([]*segment(nil), s.segments[:n]...)
	s.segments = append([]*segment(nil), s.segments[n:]...)
	s.mu.Unlock()
	var errs []error
	for _, seg := range given {
		if !seg.reusable {
			errs = append(errs, seg.remove())
			continue
		}
		// A spare that is there already is replaced, and its space is free.
		errs = append(errs, seg.file.Close(), os.Rename(seg.path, filepath.Join(s.dir, spareName)))
	}
	return errors.Join(errs...)
}

func unavailable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
