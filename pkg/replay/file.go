package replay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/durable"
	"github.com/verdict-stream/verdict/pkg/event"
)

const (
	// partSuffix is what the name of a file ends in until it is whole.
	partSuffix = ".part"
	// fileBuffer is how much is written at a time.
	fileBuffer = 256 << 10
	fileMode   = 0o600
	dirMode    = 0o700
)

// file is a sink of one line for each event, in the structured mode of CloudEvents.
type file struct {
	name string // of the run
	path string
	// makeDir says that the directory is ours to make.
	makeDir bool
	// begun and bytes are what the book knows: whether the part is ours, and how much of it counts.
	begun bool
	bytes int64
	// claim notes in the book that the part is ours, before it is made.
	claim func(ctx context.Context) error

	out    *os.File
	buffer *bufio.Writer
	line   []byte
}

func (f *file) open(ctx context.Context) error {
	if f.begun {
		return f.reopen()
	}
	if f.makeDir {
		if err := os.MkdirAll(filepath.Dir(f.path), dirMode); err != nil {
			return fmt.Errorf("make the directory of replays: %w", err)
		}
	}
	for _, name := range []string{f.path, f.path + partSuffix} {
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is there, and not of this run: move it away and resume, or cancel", name)
		}
	}
	if err := f.claim(ctx); err != nil {
		return err
	}
	return f.create(os.O_EXCL)
}

// reopen goes on with the part as far as it counts: what was written behind that is written again.
func (f *file) reopen() error {
	part, err := os.Stat(f.path + partSuffix)
	switch {
	case errors.Is(err, fs.ErrNotExist) && f.bytes == 0:
		return f.create(os.O_EXCL)
	case errors.Is(err, fs.ErrNotExist):
		return f.finished()
	case err != nil:
		return fmt.Errorf("go on with the file: %w", err)
	case part.Size() < f.bytes:
		return fmt.Errorf("%s%s has %d bytes of %d that were written: cancel this run and begin another", f.path, partSuffix, part.Size(), f.bytes)
	}
	return f.create(0)
}

// errFinished says that the file was whole before the run was noted as done.
var errFinished = errors.New("the file is whole")

// finished looks whether the part is gone because the file has its name.
func (f *file) finished() error {
	if whole, err := os.Stat(f.path); err == nil && whole.Size() == f.bytes {
		return errFinished
	}
	return fmt.Errorf("%s%s is not here: go on where this run was begun, or cancel it and begin another", f.path, partSuffix)
}

func (f *file) create(flags int) error {
	out, err := os.OpenFile(f.path+partSuffix, os.O_CREATE|os.O_WRONLY|flags, fileMode)
	if err != nil {
		return fmt.Errorf("write the file: %w", err)
	}
	if err = out.Truncate(f.bytes); err == nil {
		_, err = out.Seek(f.bytes, io.SeekStart)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the file: %w", err), out.Close())
	}
	f.out, f.buffer = out, bufio.NewWriterSize(out, fileBuffer)
	return nil
}

func (f *file) put(_ context.Context, m *bus.Stored) (err error) {
	if f.line, err = event.AppendStructured(f.line[:0], m.Header, m.Data, f.name); err != nil {
		return err
	}
	f.line = append(f.line, '\n')
	if _, err := f.buffer.Write(f.line); err != nil {
		return fmt.Errorf("write the file: %w", err)
	}
	f.bytes += int64(len(f.line))
	return nil
}

func (f *file) flush(context.Context) error {
	err := f.buffer.Flush()
	if err == nil {
		err = f.out.Sync()
	}
	if err != nil {
		return fmt.Errorf("write the file: %w", err)
	}
	return nil
}

// finish gives the file its name.
func (f *file) finish(context.Context) error {
	if _, err := os.Lstat(f.path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there, and not of this run: move it away and resume, or cancel", f.path)
	}
	if err := os.Rename(f.path+partSuffix, f.path); err != nil {
		return fmt.Errorf("name the file: %w", err)
	}
	if err := durable.Sync(filepath.Dir(f.path)); err != nil {
		return fmt.Errorf("name the file: %w", err)
	}
	return nil
}

func (f *file) close() error {
	if f.out == nil {
		return nil
	}
	return f.out.Close()
}

// removePart removes what a run has written that did not become whole.
func removePart(path string) error {
	if err := os.Remove(path + partSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the file: %w", err)
	}
	return nil
}
