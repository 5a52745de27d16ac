package store

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// fileLock keeps a second process from writing the same database file. The operating system drops it when the process
// ends, however it ends.
type fileLock struct{ file *os.File }

// lockFile takes the lock or returns ErrLeased at once.
func lockFile(path string) (*fileLock, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return nil, classifyFile(err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w, which holds %s: stop it, or choose another data directory", ErrLeased, path)
		}
		return nil, fmt.Errorf("lock %s: %w", path, classifyFile(err))
	}
	return &fileLock{file: file}, nil
}

// release may be called on a lock that was never taken, and more than once.
func (l *fileLock) release() {
	if l != nil {
		_ = l.file.Close() // a second close only reports that it was closed
	}
}
