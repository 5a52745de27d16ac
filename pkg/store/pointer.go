package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// pointer says which file of SQLite is the read model. It changes by the renaming of a file, so that at any moment, a crash included, it is
// one or the other. Where there is none, the read model is in the file that it has been in from the start.
type pointer struct {
	File string `json:"file"`
	// Kept are the files of former read models, the oldest first.
	Kept []string `json:"kept,omitempty"`
}

// pointerFile is the name of the pointer in the data directory.
const pointerFile = "readmodel.current"

// readModelFile matches the names that files of read models have.
var readModelFile = regexp.MustCompile(`^readmodel(-[0-9]+)?\.db$`)

func readPointer(dir string) (pointer, error) {
	path := filepath.Join(dir, pointerFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return pointer{File: readModelSchema.file}, nil
	}
	if err != nil {
		return pointer{}, classifyFile(err)
	}
	var p pointer
	names := func() []string { return append([]string{p.File}, p.Kept...) }
	if err := json.Unmarshal(text, &p); err != nil || slices.ContainsFunc(names(), func(name string) bool { return !readModelFile.MatchString(name) }) {
		return pointer{}, fmt.Errorf("%s does not name the file of the read model: write {\"file\":\"NAME\"} into it, NAME being that of the right file beside it", path)
	}
	return p, nil
}

// write makes the pointer the one that holds, durably.
func (p pointer) write(dir string) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, pointerFile)
	if err := writeSynced(path+".new", append(text, '\n')); err != nil {
		return classifyFile(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return classifyFile(err)
	}
	return syncPath(dir)
}

func writeSynced(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Sync(), file.Close())
}

// syncPath makes a file, or the names in a directory, durable. Nothing may have the file open by SQLite.
func syncPath(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return classifyFile(err)
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return classifyFile(err)
	}
	return nil
}

// besideSQLite are what the names of the files end with that SQLite makes beside a database.
var besideSQLite = []string{"-wal", "-shm", "-journal"}

// removeSQLite removes a database that nobody has open.
func removeSQLite(path string) error {
	var failed []error
	for _, one := range append([]string{""}, besideSQLite...) {
		if err := os.Remove(path + one); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, classifyFile(err))
		}
	}
	return errors.Join(failed...)
}

// unfinished returns the files of read models that the pointer does not name.
func (p pointer) unfinished(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, classifyFile(err)
	}
	var names []string
	for _, entry := range entries {
		name := entry.Name()
		if name != p.File && !slices.Contains(p.Kept, name) && name != readModelSchema.file && readModelFile.MatchString(name) {
			names = append(names, name)
		}
	}
	return names, nil
}
