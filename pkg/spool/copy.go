package spool

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Waiting is what a copy holds.
type Waiting struct {
	Entries uint64    `json:"entries"`
	Bytes   int64     `json:"bytes"`
	Oldest  time.Time `json:"oldest,omitzero"` // zero where there is none
}

const (
	// copyPasses is how often files that are being given back while they are read are read again.
	copyPasses = 5
	copyPause  = 50 * time.Millisecond
)

// errMoved means that entries were given back while they were read, or are damaged.
var errMoved = errors.New("entries are missing")

// Export copies all entries that wait in the journal of a directory, which another process may be using: every entry that was appended before the call
// is in the copy, or was trimmed before Export returned. It changes nothing there. A directory that is missing holds none. It returns ErrDamaged where entries
// cannot be read. The copy is for Import.
func Export(ctx context.Context, dir string, to io.Writer) (Waiting, error) {
	var w Waiting
	c := &copying{dir: dir, take: func(r record, size int64) error {
		at, err := received(r.body)
		if err != nil {
			return err
		}
		if w.Entries == 0 {
			w.Oldest = time.Unix(int64(at), 0).UTC()
		}
		w.Entries++
		w.Bytes += size
		if _, err := to.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(r.body)))); err != nil {
			return err
		}
		_, err = to.Write(r.body)
		return err
	}}
	if err := c.run(ctx); err != nil {
		return Waiting{}, fmt.Errorf("copy the spool: %w", err)
	}
	return w, nil
}

// copying is one Export.
type copying struct {
	dir  string
	take func(r record, size int64) error
	next uint64 // the index of the next entry that is wanted
}

func (c *copying) run(ctx context.Context) error {
	for pass := 1; ; pass++ {
		err := c.pass()
		if !errors.Is(err, errMoved) {
			return err
		}
		if pass == copyPasses {
			return fmt.Errorf("%w: %s: entry %d cannot be read", ErrDamaged, c.dir, c.next)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(copyPause):
		}
	}
}

// pass goes through the files once. What is missing must have been trimmed since: files are given back only then.
func (c *copying) pass() error {
	if err := c.trimmed(); err != nil {
		return err
	}
	bases, err := segmentBases(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, base := range bases {
		content, err := os.ReadFile(segmentPath(c.dir, base))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := c.segment(content, base); err != nil {
			return err
		}
	}
	return nil
}

// segment copies the entries of one file, as far as they are what its name says.
func (c *copying) segment(content []byte, index uint64) error {
	for {
		r, size, ok := parse(content)
		if !ok && index >= c.next && proves(content, index) {
			return errMoved
		}
		if !ok || r.index != index {
			return nil
		}
		if r.index > c.next {
			if err := c.trimmed(); err != nil {
				return err
			}
			if r.index > c.next {
				return errMoved
			}
		}
		if r.index == c.next {
			if err := c.take(r, size); err != nil {
				return err
			}
			c.next++
		}
		index++
		content = content[min(size, int64(len(content))):]
	}
}

// trimmed leaves out what has been passed on.
func (c *copying) trimmed() error {
	file, err := os.Open(filepath.Join(c.dir, positionName))
	if errors.Is(err, fs.ErrNotExist) {
		c.next = max(c.next, 1)
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	content := make([]byte, 2*slotBytes)
	if n, err := file.ReadAt(content, 0); n < len(content) && !errors.Is(err, io.EOF) {
		return err
	}
	index := uint64(0)
	for i := range 2 {
		if p, _, ok := decodeSlot(content[i*slotBytes:]); ok {
			index = max(index, p.Index)
		}
	}
	c.next = max(c.next, index+1)
	return nil
}

// Import makes a journal of a copy in an empty or missing directory. A crash on the way leaves one that has to be removed before it is done again.
func Import(ctx context.Context, dir string, from io.Reader) (n uint64, err error) {
	bases, err := segmentBases(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("restore the spool: %w", err)
	}
	if len(bases) > 0 {
		return 0, fmt.Errorf("restore the spool: %s is not empty", dir)
	}
	s, err := Open(dir, Limits{})
	if err != nil {
		return 0, fmt.Errorf("restore the spool: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	in := bufio.NewReader(from)
	for {
		items, err := readItems(in)
		if err != nil {
			return n, fmt.Errorf("restore the spool: %w", err)
		}
		if len(items) == 0 {
			return n, nil
		}
		if err := ctx.Err(); err != nil {
			return n, fmt.Errorf("restore the spool: %w", err)
		}
		for _, result := range s.commit(items) {
			if result.Err != nil {
				return n, fmt.Errorf("restore the spool: %w", result.Err)
			}
		}
		n += uint64(len(items))
	}
}

// readItems reads what becomes durable together.
func readItems(from *bufio.Reader) (items []item, err error) {
	bytes := 0
	for len(items) < groupEntries && bytes < recentBytes {
		var head [4]byte
		if _, err := io.ReadFull(from, head[:]); errors.Is(err, io.EOF) {
			return items, nil
		} else if err != nil {
			return nil, err
		}
		length := binary.LittleEndian.Uint32(head[:])
		if length > entryBytes {
			return nil, errRecord
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(from, body); err != nil {
			return nil, err
		}
		e, err := decode(body)
		if err != nil {
			return nil, err
		}
		items = append(items, item{Entry: e})
		bytes += len(body)
	}
	return items, nil
}
