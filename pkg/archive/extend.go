package archive

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/durable"
	"github.com/verdict-stream/verdict/pkg/store"
)

// fileBytes is the size from which on the next event goes to a new file.
const fileBytes = 128 << 20

// errEnough ends a read at the position that was asked for.
var errEnough = errors.New("enough")

// Source hands every message of the stream from a position on to fn, in order, as bus.Read does.
type Source func(ctx context.Context, from uint64, fn func(bus.Stored) error) error

// Extend takes over the events up to a position, and writes the latest events anew. What it has written before it ended, however it ended, the next call need
// not write again. Everything is on disk and was read back when it returns nil. Progress gets the number of events that are in the files.
func (a *Archive) Extend(ctx context.Context, through uint64, read Source, progress func(events uint64)) error {
	if err := a.extendEvents(ctx, through, read, fileBytes, progress); err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	if a.manifest.Latest == nil || a.manifest.Through < through {
		if err := a.writeLatest(ctx, through); err != nil {
			return fmt.Errorf("write the latest events: %w", err)
		}
	}
	return nil
}

func (a *Archive) extendEvents(ctx context.Context, through uint64, read Source, limit int64, progress func(uint64)) error {
	if a.next() > through {
		return nil
	}
	var count uint64
	var out *writer
	finish := func() error {
		if out == nil {
			return nil
		}
		f, err := out.finish(ctx, a, fmt.Sprintf("events-%020d-%020d.ndjson", out.file.First, out.file.Last))
		out = nil
		if err != nil {
			return err
		}
		a.manifest.Events = append(a.manifest.Events, f)
		return a.save()
	}
	defer func() {
		if out != nil {
			out.abandon()
		}
	}()
	err := read(ctx, a.next(), func(m bus.Stored) (err error) {
		if m.Seq > through {
			return errEnough
		}
		line, _, err := newLine(m)
		if err != nil {
			return err
		}
		if out == nil {
			if out, err = a.begin("events" + partSuffix); err != nil {
				return err
			}
		}
		if err := out.add(line, m.Seq, m.Time); err != nil {
			return err
		}
		count++
		progress(count)
		if out.file.Bytes >= limit {
			return finish()
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	return finish()
}

// writeLatest writes the last event up to a position of every verification, from the latest ones that are known and the events behind them. Which
// event is a verification's last is noted in a temporary database beside the files.
func (a *Archive) writeLatest(ctx context.Context, through uint64) (err error) {
	notes, err := store.OpenScratch(a.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, notes.Close()) }()
	known := a.manifest.Latest
	since := uint64(0)
	if known != nil {
		since = known.Last
	}
	// All that the new file is made of, in the order of the stream.
	all := func(fn func(*Entry) error) error {
		if err := a.Latest(ctx, fn); err != nil {
			return err
		}
		err := a.Events(ctx, max(a.manifest.Through, since)+1, func(e *Entry) error {
			if e.Sequence > through {
				return errEnough // a longer run that was not finished has left more
			}
			return fn(e)
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		return err
	}
	chunk := make([]store.Known, 0, latestChunk)
	err = all(func(e *Entry) error {
		chunk = append(chunk, store.Known{Key: e.Data.ID, Version: e.Data.Version, Sequence: e.Sequence})
		if len(chunk) < latestChunk {
			return nil
		}
		err := notes.Put(ctx, chunk)
		chunk = chunk[:0]
		return err
	})
	if err == nil {
		err = notes.Put(ctx, chunk)
	}
	if err != nil {
		return err
	}
	out, err := a.begin("latest" + partSuffix)
	if err != nil {
		return err
	}
	defer func() {
		if out != nil {
			out.abandon()
		}
	}()
	// Both are in the order of the stream.
	next, stop := notes.Sequences(ctx)
	defer stop()
	want, more, err := next()
	if err != nil {
		return err
	}
	err = all(func(e *Entry) error {
		if !more || e.Sequence != want {
			return nil
		}
		if err := out.add(append(e.Line[:len(e.Line):len(e.Line)], '\n'), e.Sequence, e.StoredAt); err != nil {
			return err
		}
		var err error
		want, more, err = next()
		return err
	})
	if err != nil {
		return err
	}
	f, err := out.finish(ctx, a, fmt.Sprintf("latest-%020d.ndjson", through))
	out = nil
	if err != nil {
		return err
	}
	a.manifest.Latest, a.manifest.Through = &f, through
	if err := a.save(); err != nil {
		return err
	}
	if known != nil && known.Name != f.Name {
		return os.Remove(filepath.Join(a.dir, known.Name))
	}
	return nil
}

// latestChunk bounds what is noted in one transaction.
const latestChunk = 5000

// writer is a file that is being written.
type writer struct {
	file File
	to   *os.File
	out  *bufio.Writer
	sum  hash.Hash
}

func (a *Archive) begin(name string) (*writer, error) {
	to, err := os.OpenFile(filepath.Join(a.dir, name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fileMode)
	if err != nil {
		return nil, err
	}
	w := &writer{to: to, sum: sha256.New()}
	w.out = bufio.NewWriterSize(io.MultiWriter(to, w.sum), readBuffer)
	return w, nil
}

func (w *writer) add(line []byte, seq uint64, at time.Time) error {
	if w.file.Events == 0 {
		w.file.First, w.file.From = seq, at.UTC()
	}
	w.file.Last, w.file.To = seq, at.UTC()
	w.file.Events++
	w.file.Bytes += int64(len(line))
	_, err := w.out.Write(line)
	return err
}

// finish makes the file durable, reads it back and gives it its name.
func (w *writer) finish(ctx context.Context, a *Archive, name string) (File, error) {
	if err := errors.Join(w.out.Flush(), w.to.Sync(), w.to.Close()); err != nil {
		return File{}, errors.Join(err, os.Remove(w.to.Name()))
	}
	w.file.SHA256 = hex.EncodeToString(w.sum.Sum(nil))
	w.file.Name = filepath.Base(w.to.Name())
	if err := a.verify(ctx, &w.file); err != nil {
		return File{}, err
	}
	w.file.Name = name
	if err := os.Rename(w.to.Name(), filepath.Join(a.dir, name)); err != nil {
		return File{}, err
	}
	return w.file, durable.Sync(a.dir)
}

// abandon closes and removes the file.
func (w *writer) abandon() {
	_ = w.to.Close()
	_ = os.Remove(w.to.Name())
}
