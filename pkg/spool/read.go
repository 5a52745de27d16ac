package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Indexed is an entry and its place in the order.
type Indexed struct {
	Index uint64
	Entry
}

// Read returns entries in their order, from an index on, or from the oldest one if that comes
// later: as many as there are, at most limit, and after the first none with which they would be
// larger than maxBytes on the disk. It waits for nobody: where there is none it returns none.
//
// Entries that were appended lately come from memory. It returns ErrDamaged where the disk gives
// back something else than what was written to it, ErrUnavailable where it gives back nothing,
// and ErrClosed.
func (s *Spool) Read(ctx context.Context, from uint64, limit int, maxBytes int64) ([]Indexed, error) {
	s.files.RLock()
	defer s.files.RUnlock()
	var entries []Indexed
	for len(entries) < limit {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := len(entries)
		chunk, err := s.plan(max(from, s.First()), limit-n, &maxBytes, n == 0, &entries)
		if err != nil {
			return nil, fmt.Errorf("read the spool: %w", err)
		}
		if chunk.count > 0 {
			if entries, err = chunk.read(entries); err != nil {
				return nil, fmt.Errorf("read the spool: %w", err)
			}
		}
		if len(entries) == n {
			break
		}
		from = entries[len(entries)-1].Index + 1
	}
	return entries, nil
}

// chunk is a part of one file.
type chunk struct {
	segment  *segment
	index    uint64
	from, to int64
	count    int
}

// plan adds what memory holds of the entries, or returns which part of which file to read next,
// which is nothing where the entries or the bytes are at their end.
func (s *Spool) plan(from uint64, limit int, room *int64, first bool, to *[]Indexed) (chunk, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return chunk{}, ErrClosed
	}
	if from > s.durable {
		return chunk{}, nil
	}
	seg, i := s.find(from)
	c := chunk{segment: seg, index: from, from: seg.offset(i), to: seg.offset(i)}
	for ; c.count < limit && i < len(seg.marks); i++ {
		size := seg.offset(i+1) - seg.offset(i)
		if size > *room && !(first && c.count == 0) {
			break
		}
		*room -= size
		c.to += size
		c.count++
	}
	if kept := s.recent.slice(from, c.count); kept != nil {
		*to = append(*to, kept...)
		c.count = 0
	}
	return c, nil
}

// read adds the entries of the part.
func (c chunk) read(to []Indexed) ([]Indexed, error) {
	content := make([]byte, c.to-c.from)
	n, err := c.segment.file.ReadAt(content, c.from)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, unavailable(err)
	}
	content = content[:n]
	at := c.from
	for i := range uint64(c.count) {
		r, size, ok := parse(content)
		if !ok || r.index != c.index+i {
			return nil, c.segment.damaged("entry %d cannot be read, at byte %d", c.index+i, at)
		}
		e, err := decode(r.body)
		if err != nil {
			return nil, c.segment.damaged("entry %d cannot be read, at byte %d", c.index+i, at)
		}
		to = append(to, Indexed{Index: r.index, Entry: e})
		content, at = content[min(size, int64(len(content))):], at+size
	}
	return to, nil
}

// recent holds the newest entries, without a gap.
type recent struct {
	limit   int64
	bytes   int64
	first   uint64 // the index of the first of them, or of the next one
	entries []Indexed
	sizes   []int64 // what each of them takes on the disk
}

// from empties it and says which entry comes next.
func (r *recent) from(next uint64) { *r = recent{limit: r.limit, first: next} }

// add adds the next entry, and drops the oldest ones for it.
func (r *recent) add(e Indexed, size int64) {
	r.entries = append(r.entries, e)
	r.sizes = append(r.sizes, size)
	r.bytes += size
	for r.bytes > r.limit {
		r.drop()
	}
}

func (r *recent) drop() {
	r.bytes -= r.sizes[0]
	r.entries[0] = Indexed{}
	r.entries, r.sizes = r.entries[1:], r.sizes[1:]
	r.first++
}

// trim drops all up to an entry.
func (r *recent) trim(through uint64) {
	for len(r.entries) > 0 && r.first <= through {
		r.drop()
	}
}

// slice returns entries, or nil where it does not hold all of them.
func (r *recent) slice(from uint64, count int) []Indexed {
	if count == 0 || from < r.first {
		return nil
	}
	i := int(from - r.first)
	return r.entries[i : i+count]
}
