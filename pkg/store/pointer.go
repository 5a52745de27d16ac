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

	"github.com/verdict-stream/verdict/pkg/durable"
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
	if err := durable.Replace(filepath.Join(dir, pointerFile), append(text, '\n')); err != nil {
		return classifyFile(err)
	}
	return nil
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
