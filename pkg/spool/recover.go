package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
)

// recover reads what is in the directory. Nothing is appended to a file that was there: the first
// Append begins a fresh one, so an end that was cut needs no repair.
func (s *Spool) recover() error {
	if err := removeSpares(s.dir); err != nil {
		return err
	}
	bases, err := segmentBases(s.dir)
	if err != nil {
		return err
	}
	if len(bases) > 0 && bases[0] > s.position.Index+1 {
		return s.missing(s.position.Index+1, bases[0]-1)
	}
	for i, base := range bases {
		seg := &segment{base: base, path: segmentPath(s.dir, base)}
		if seg.file, err = os.OpenFile(seg.path, os.O_RDWR, fileMode); err != nil {
			return err
		}
		s.segments = append(s.segments, seg)
		stop, last := uint64(math.MaxUint64), true
		if i+1 < len(bases) {
			stop, last = bases[i+1], false
		}
		if !last && stop <= s.position.Index+1 {
			continue // all of it is trimmed
		}
		if err := seg.scan(stop, last); err != nil {
			return err
		}
	}
	return s.recovered()
}

// recovered makes durable what was found and removes what is trimmed.
func (s *Spool) recovered() error {
	s.durable = s.position.Index
	if n := len(s.segments); n > 0 {
		last := s.segments[n-1]
		s.durable = max(s.durable, last.next()-1)
		if err := last.prove(); err != nil {
			return err
		}
	}
	// As with the entries: only what is written again is known to be written.
	if s.position != (Position{}) {
		if err := s.slots.write(s.position); err != nil {
			return err
		}
	}
	if err := errors.Join(s.folder.Sync(), s.slots.sync()); err != nil {
		return err
	}
	kept := s.segments[:0]
	for i, seg := range s.segments {
		// A file without an entry was begun and not used. The next one has its name.
		if seg.next() <= s.position.Index+1 || len(seg.marks) == 0 {
			if err := seg.remove(); err != nil {
				s.segments = append(kept, s.segments[i:]...)
				return err
			}
			continue
		}
		kept = append(kept, seg)
		from := 0
		if seg.base <= s.position.Index {
			from = int(s.position.Index + 1 - seg.base)
		}
		s.bytes += seg.end - seg.offset(from)
	}
	s.segments = kept
	s.recent.from(s.durable + 1)
	return nil
}

func segmentBases(dir string) ([]uint64, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var bases []uint64
	for _, file := range files {
		if base, ok := segmentBase(file.Name()); ok {
			bases = append(bases, base)
		}
	}
	slices.Sort(bases)
	return bases, nil
}

// scan finds the segment's entries. The next segment begins with the entry stop: all before it
// are durable, and what is found from there on was never appended. The end of the last segment
// is where no record can be read and none behind it proves that there was one.
func (s *segment) scan(stop uint64, last bool) error {
	content, err := os.ReadFile(s.path)
	if err != nil {
		return err
	}
	for s.next() < stop {
		r, size, ok := parse(content[s.end:])
		if !ok || r.index != s.next() {
			break
		}
		at, err := received(r.body)
		if err != nil {
			return s.damaged("entry %d was written by another version", r.index)
		}
		s.marks = append(s.marks, mark{offset: uint32(s.end), at: at})
		s.proven = max(s.proven, r.durable)
		s.end = min(s.end+size, int64(len(content)))
	}
	if !last && s.next() < stop || last && proves(content[s.end:], s.next()) {
		return s.damaged("entry %d cannot be read, at byte %d", s.next(), s.end)
	}
	return nil
}

// prove makes durable what no later record says was. A sync before may have failed, after which the
// system holds the bytes and takes them for written: only what is written again is.
func (s *segment) prove() error {
	from := s.offset(int(min(max(s.proven+1, s.base), s.next()) - s.base))
	content := make([]byte, s.end-from)
	if _, err := s.file.ReadAt(content, from); err != nil {
		return err
	}
	if _, err := s.file.WriteAt(content, from); err != nil {
		return err
	}
	return syncData(s.file)
}

// proves reports whether a record says that the entry was durable when it was written.
func proves(content []byte, index uint64) bool {
	most := index + uint64(len(content)) // no more records than bytes
	for ; len(content) >= headBytes; content = content[min(alignment, len(content)):] {
		// Most of it is no record: the checksum, which takes long, comes last.
		at, durable := binary.LittleEndian.Uint64(content[8:]), binary.LittleEndian.Uint64(content[16:])
		if durable < index || at <= durable || at > most {
			continue
		}
		if _, _, ok := parse(content); ok {
			return true
		}
	}
	return false
}

func (s *segment) damaged(format string, arguments ...any) error {
	return fmt.Errorf("%w: %s: %s; restore the file, or move its directory away to go on without what it holds",
		ErrDamaged, s.path, fmt.Sprintf(format, arguments...))
}

func (s *Spool) missing(from, through uint64) error {
	return fmt.Errorf("%w: %s: the file of the entries %d to %d is missing; restore it, or move the directory away to go on without what it holds",
		ErrDamaged, s.dir, from, through)
}
