package seal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/verdict-stream/verdict/pkg/durable"
)

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
