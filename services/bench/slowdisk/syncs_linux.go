package slowdisk

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// SyncsByItself tells whether the process has a file open whose writes are on disk when they
// return: those are not held up.
func SyncsByItself(pid int) (bool, error) {
	infos, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		return false, fmt.Errorf("look at open files: %w", err)
	}
	for _, info := range infos {
		text, err := os.ReadFile(info)
		if err != nil {
			continue // It was closed meanwhile.
		}
		for line := range strings.Lines(string(text)) {
			value, ok := strings.CutPrefix(line, "flags:")
			if !ok {
				continue
			}
			flags, err := strconv.ParseInt(strings.TrimSpace(value), 8, 64)
			if err == nil && flags&unix.O_DSYNC != 0 {
				return true, nil
			}
		}
	}
	return false, nil
}
