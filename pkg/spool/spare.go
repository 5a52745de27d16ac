package spool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// unfinishedName is a spare file that is being written.
	unfinishedName = spareName + ".unfinished"
	// zeroBytes is how much of it is written with one sync, so that those who append wait for
	// little of it.
	zeroBytes = 1 << 20
)

// prepareSpare makes a spare file apart from those who append, unless one is there or being made.
// The first write to space that was only taken from the disk changes metadata, which each sync then
// has to record: on a disk that others sync too that takes several times as long. The spare file
// is written before it is needed.
func (s *Spool) prepareSpare() {
	if s.making.Swap(true) {
		return
	}
	s.preparing.Go(func() {
		defer s.making.Store(false)
		if _, err := os.Stat(filepath.Join(s.dir, spareName)); errors.Is(err, fs.ErrNotExist) {
			_ = s.writeSpare() // Without it the next segment takes its space when it begins.
		}
	})
}

// writeSpare is never called twice at a time: nothing is written to a spare file that has its name.
func (s *Spool) writeSpare() (err error) {
	path := filepath.Join(s.dir, unfinishedName)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err == nil {
			err = os.Rename(path, filepath.Join(s.dir, spareName))
		}
		if err != nil {
			_ = os.Remove(path)
		}
	}()
	if err := preallocate(file, s.sizing.segment); err != nil {
		return err
	}
	zeros := make([]byte, min(zeroBytes, s.sizing.segment))
	for at := int64(0); at < s.sizing.segment; {
		if s.ended() {
			return ErrClosed
		}
		n, err := file.WriteAt(zeros[:min(int64(len(zeros)), s.sizing.segment-at)], at)
		if err != nil {
			return err
		}
		if err := syncData(file); err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

func (s *Spool) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// removeSpares removes what a process before has left of spare files.
func removeSpares(dir string) error {
	for _, name := range []string{spareName, unfinishedName} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
