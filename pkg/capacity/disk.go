package capacity

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// ErrNoRoom means that a disk has less free space than its mark.
var ErrNoRoom = errors.New("no room on the disk")

// fresh is how long a look at a disk stands for those that follow.
const fresh = 100 * time.Millisecond

// Disk is the file system that a directory is on. It may be used by many goroutines.
type Disk struct {
	dir  string
	mark uint64

	mu    sync.Mutex
	at    time.Time
	total uint64
	free  uint64
	err   error
}

// NewDisk watches the disk of a directory. Below mark free bytes it has no room.
func NewDisk(dir string, mark uint64) *Disk { return &Disk{dir: dir, mark: mark} }

// Room returns nil while the disk has room. Errors: ErrNoRoom, or why the disk cannot be asked.
func (d *Disk) Room() error {
	_, free, err := d.look()
	if err != nil {
		return fmt.Errorf("look at the disk: %w", err)
	}
	if free < d.mark {
		return fmt.Errorf("%w of the data directory: %d bytes are free, the mark is %d", ErrNoRoom, free, d.mark)
	}
	return nil
}

// Levels is a Source. The limit leaves out what the mark keeps free.
func (d *Disk) Levels(context.Context) []Level {
	total, free, err := d.look()
	if err != nil {
		return nil
	}
	return []Level{{Kind: "disk", Name: "data", Used: total - free, Limit: total - min(d.mark, total)}}
}

// look returns how many bytes the disk has and how many of them are free for this user.
func (d *Disk) look() (total, free uint64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at.IsZero() || time.Since(d.at) >= fresh {
		var stat syscall.Statfs_t
		d.err = syscall.Statfs(d.dir, &stat)
		d.free = stat.Bavail * uint64(stat.Bsize)
		// What is reserved for the administrator is no part of it.
		d.total = (stat.Blocks-stat.Bfree)*uint64(stat.Bsize) + d.free
		d.at = time.Now()
	}
	return d.total, d.free, d.err
}
