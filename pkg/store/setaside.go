package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// errNoFile is a defect of the caller: a server keeps its files itself.
var errNoFile = errors.New("only a file of SQLite can be set aside")

// SetAside renames the files of a provider's state, which is ErrDamaged, so that OpenLifecycle begins with an empty one that can be made
// anew from the streams. Nothing is removed. It returns the new name of the database file. Errors: ErrLeased while anybody has the state
// open, this program included; ErrUnavailable.
func SetAside(at Location, provider string) (string, error) {
	aside, err := setAside(at, lifecycleSchema(provider), time.Now())
	return aside, wrap("set the state of "+provider+" aside", err)
}

func setAside(at Location, s schema, now time.Time) (string, error) {
	if at.URL != "" {
		return "", errNoFile
	}
	path, err := filepath.Abs(filepath.Join(at.Dir, s.file))
	if err != nil {
		return "", err
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return "", err
	}
	defer lock.release()
	suffix := fmt.Sprintf(".damaged-%d", now.Unix())
	if err := os.Rename(path, path+suffix); err != nil {
		return "", classifyFile(err)
	}
	// The database goes first: of one that is empty, SQLite removes a log that a crash left here, and of the damaged one it would
	// miss the log.
	for _, beside := range []string{path + "-wal", path + "-shm"} {
		if err := os.Rename(beside, beside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", classifyFile(err)
		}
	}
	return path + suffix, nil
}
