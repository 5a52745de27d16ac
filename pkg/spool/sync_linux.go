package spool

import (
	"errors"
	"os"
	"syscall"
)

// syncData makes the content of a file durable, and of its metadata what finding it takes.
func syncData(file *os.File) error {
	for {
		err := syscall.Fdatasync(int(file.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

// preallocate takes the space of a file from the disk at once: what is written to it later does
// not fail for want of space, and a sync has no new size to record. Where the file system cannot,
// the file grows as it is written.
func preallocate(file *os.File, size int64) error {
	for {
		err := syscall.Fallocate(int(file.Fd()), 0, 0, size)
		if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
			return nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fallocate", err)
		}
	}
}
