package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	fileMode = 0o600
	// suffix follows the index of a segment's first entry, in 20 digits.
	suffix = ".journal"
	// spareName is a file that waits to be the next segment: one that was trimmed, or that was made
	// for it. Its space was written before, so that overwriting it changes no metadata.
	spareName = "spare"
)

// segment is one file of the journal.
type segment struct {
	base     uint64 // the index of its first entry
	path     string
	file     *os.File
	capacity int64
	reusable bool // whether it has the usual size, and nothing is behind its end but trimmed entries

	end   int64  // of its last durable entry
	marks []mark // one for each durable entry

	proven uint64 // the last entry that a record of the file says was durable; only after recovery
}

// mark is where an entry begins, and when it was received, in seconds.
type mark struct{ offset, at uint32 }

// next returns the index behind the last durable entry.
func (s *segment) next() uint64 { return s.base + uint64(len(s.marks)) }

// offset returns where the i-th entry begins, or the last one ends.
func (s *segment) offset(i int) int64 {
	if i == len(s.marks) {
		return s.end
	}
	return int64(s.marks[i].offset)
}

func segmentPath(dir string, base uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", base, suffix))
}

// segmentBase returns the first index of the segment with that name, false for any other file.
func segmentBase(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	base, err := strconv.ParseUint(digits, 10, 64)
	return base, ok && err == nil && len(digits) == 20
}

// createSegment makes a file, of the spare one where there is one, and replaces one of that name.
func createSegment(dir string, base uint64, capacity, usual int64) (*segment, error) {
	seg := &segment{base: base, path: segmentPath(dir, base), capacity: capacity, reusable: capacity == usual}
	flags := os.O_RDWR
	err := fs.ErrNotExist
	if seg.reusable {
		err = os.Rename(filepath.Join(dir, spareName), seg.path)
	}
	fresh := errors.Is(err, fs.ErrNotExist)
	if fresh {
		flags |= os.O_CREATE | os.O_TRUNC
	} else if err != nil {
		return nil, err
	}
	if seg.file, err = os.OpenFile(seg.path, flags, fileMode); err != nil {
		return nil, err
	}
	if fresh {
		if err := preallocate(seg.file, capacity); err != nil {
			return nil, errors.Join(fmt.Errorf("make room in %s: %w", seg.path, err), seg.remove())
		}
	}
	return seg, nil
}

// remove closes and removes the file.
func (s *segment) remove() error {
	return errors.Join(s.file.Close(), os.Remove(s.path))
}
