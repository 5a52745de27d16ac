package archive

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// readBuffer is what is read of a file at a time.
const readBuffer = 1 << 20

// Events hands every event from a position on to fn, in the order of the stream. An error of fn ends it and is returned as it is. A file that is not what
// the manifest says is ErrDamaged, which may be found out behind its last event.
func (a *Archive) Events(ctx context.Context, from uint64, fn func(*Entry) error) error {
	for i := range a.manifest.Events {
		f := &a.manifest.Events[i]
		if f.Last < from {
			continue
		}
		err := a.lines(ctx, f, func(line []byte) error {
			e, err := parse(line)
			if err != nil || e.Sequence < from {
				return err
			}
			return fn(&e)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Latest hands the last event up to Through of every verification to fn, in the order of the stream, as Events does.
func (a *Archive) Latest(ctx context.Context, fn func(*Entry) error) error {
	if a.manifest.Latest == nil {
		return nil
	}
	return a.lines(ctx, a.manifest.Latest, func(line []byte) error {
		e, err := parse(line)
		if err != nil {
			return err
		}
		return fn(&e)
	})
}

// Verify reads every file back and compares it with the manifest.
func (a *Archive) Verify(ctx context.Context) error {
	files := a.manifest.Events
	if a.manifest.Latest != nil {
		files = append(files[:len(files):len(files)], *a.manifest.Latest)
	}
	for i := range files {
		if err := a.verify(ctx, &files[i]); err != nil {
			return err
		}
	}
	return nil
}

// verify reads one file back: its bytes, the number of its events, and their order.
func (a *Archive) verify(ctx context.Context, f *File) error {
	var count, last uint64
	return a.lines(ctx, f, func(line []byte) error {
		seq, err := sequenceOf(line)
		count++
		switch {
		case err != nil:
		case seq <= last:
			err = fmt.Errorf("%w: %s: event %d stands behind event %d", ErrDamaged, f.Name, seq, last)
		case count == 1 && seq != f.First:
			err = fmt.Errorf("%w: %s begins with event %d, want %d", ErrDamaged, f.Name, seq, f.First)
		case count == f.Events && seq != f.Last:
			err = fmt.Errorf("%w: %s ends with event %d, want %d", ErrDamaged, f.Name, seq, f.Last)
		case count > f.Events:
			err = fmt.Errorf("%w: %s has more than %d events", ErrDamaged, f.Name, f.Events)
		}
		last = seq
		return err
	})
}

// lines hands every line of a file to fn, without its end, and compares the file with its checksum then.
func (a *Archive) lines(ctx context.Context, f *File, fn func(line []byte) error) error {
	file, err := os.Open(filepath.Join(a.dir, f.Name))
	if err != nil {
		return fmt.Errorf("read archive: %w", err)
	}
	defer file.Close()
	sum := sha256.New()
	from := bufio.NewReaderSize(io.TeeReader(file, sum), readBuffer)
	var long []byte
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		part, err := from.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = append(long, part...)
			continue
		}
		if errors.Is(err, io.EOF) {
			if len(part)+len(long) > 0 {
				return fmt.Errorf("read archive: %w: %s is cut off", ErrDamaged, f.Name)
			}
			break
		}
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		line := part
		if len(long) > 0 {
			line = append(long, part...)
		}
		if err := fn(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return err
		}
		long = long[:0]
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.SHA256 {
		return fmt.Errorf("read archive: %w: %s is not what was written; put back the file from a copy", ErrDamaged, f.Name)
	}
	return nil
}

func sequenceOf(line []byte) (uint64, error) {
	var h head
	if err := json.Unmarshal(line, &h); err != nil {
		return 0, fmt.Errorf("%w: a line cannot be read", ErrDamaged)
	}
	seq, err := strconv.ParseUint(h.Sequence, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: a line has no position", ErrDamaged)
	}
	return seq, nil
}
