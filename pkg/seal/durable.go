package seal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/verdict-stream/verdict/pkg/durable"
)

// createOnce makes the file with the content, durably and whole or not at all,
// and reports whether it was this call that made it. If the file is there already
// it stays as it is, and that is no error: of all who try at once, exactly one wins.
func createOnce(path string, content []byte) (mine bool, err error) {
	folder := filepath.Dir(path)
	temp, err := os.CreateTemp(folder, newPrefix+"*") // mode 0600
	if err != nil {
		return false, err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	_, err = temp.Write(content)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return false, err
	}
	// A rename would replace the file of somebody who was faster; a link does not.
	err = os.Link(temp.Name(), path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	return err == nil, durable.Sync(folder)
}

// erase overwrites the file and removes it, durably, and reports whether it was
// this call that removed it. That the file is already gone is no error. On storage
// that never writes in place, old blocks may survive; they hold the key only as
// the master key wrapped it.
func erase(path string) (mine bool, err error) {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	info, err := file.Stat()
	if err == nil {
		_, err = file.WriteAt(make([]byte, info.Size()), 0)
	}
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return false, err
	}
	err = os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, durable.Sync(filepath.Dir(path))
}

// makeDir makes the directory and the missing ones above it, durably, for their
// owner only. One that is there keeps its mode: it may be a mounted volume.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return errors.New("it is a file")
		}
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return durable.Sync(parent)
}
