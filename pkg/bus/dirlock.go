package bus

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// dirLock keeps two servers from writing the same files. The operating system drops it when the process ends, however it ends.
type dirLock struct{ file *os.File }

func lockDir(dir string) (*dirLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the streams: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "verdict.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the directory of the streams: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another process uses the streams in %s; stop it, or choose another data directory", dir)
		}
		return nil, fmt.Errorf("lock the directory of the streams: %w", err)
	}
	return &dirLock{file: file}, nil
}

// release may be called more than once.
func (l *dirLock) release() {
	// Closing drops the lock; a second close only reports that it was closed.
	_ = l.file.Close()
}
