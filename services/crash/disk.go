//go:build linux

package crash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// disk is where an installation keeps its data. It can be full: where this process may mount, it
// is a small file system that a file fills to the last byte; elsewhere the processes are told
// that their files may not become larger, which every write behind the limit fails with too.
type disk struct {
	dir     string
	mounted bool
}

// diskSize is far above what the data of one round needs.
const diskSize = 512 << 20

// newDisk makes an empty one at a path, of so many bytes where it can be mounted.
func newDisk(dir string, size int) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("disk: %w", err)
	}
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+strconv.Itoa(size))
	return &disk{dir: dir, mounted: err == nil}, nil
}

// kind tells how the disk becomes full.
func (d *disk) kind() string {
	if d.mounted {
		return "a file system of its own"
	}
	return "limits of the processes"
}

// close gives the disk back. It may be called more than once.
func (d *disk) close() error {
	if !d.mounted {
		return nil
	}
	if err := syscall.Unmount(d.dir, syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	d.mounted = false
	return nil
}

func (d *disk) filler() string { return filepath.Join(d.dir, "filler") }

// fill makes the disk full, half of what is free at a time: disks become full faster or slower,
// but not at once.
func (d *disk) fill(ctx context.Context, programs []*program) error {
	if !d.mounted {
		return limitFiles(programs, "4096:")
	}
	file, err := os.Create(d.filler())
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	defer file.Close()
	for ctx.Err() == nil {
		var st syscall.Statfs_t
		if err := syscall.Statfs(d.dir, &st); err != nil {
			return fmt.Errorf("fill the disk: %w", err)
		}
		free := int64(st.Bavail) * st.Bsize
		_, err := file.Write(make([]byte, max(free/2, leastFree)))
		switch {
		case errors.Is(err, syscall.ENOSPC):
			return nil // As much of it as there was room for is written.
		case err != nil:
			return fmt.Errorf("fill the disk: %w", err)
		}
		sleep(ctx, fillPause)
	}
	return nil
}

const (
	fillPause = 100 * time.Millisecond
	// leastFree is what is taken at once in the end.
	leastFree = 1 << 20
)

// free makes room again.
func (d *disk) free(programs []*program) error {
	if !d.mounted {
		return limitFiles(programs, "unlimited:")
	}
	if err := os.Remove(d.filler()); err != nil {
		return fmt.Errorf("free the disk: %w", err)
	}
	return nil
}

// limitFiles sets how large the files of processes may become.
func limitFiles(programs []*program, limit string) error {
	var errs []error
	for _, p := range programs {
		command := exec.Command("prlimit", "--pid", strconv.Itoa(p.cmd.Process.Pid), "--fsize="+limit)
		if said, err := command.CombinedOutput(); err != nil && p.running() {
			errs = append(errs, fmt.Errorf("limit the files of %s: %w: %s", p.role, err, said))
		}
	}
	return errors.Join(errs...)
}
