package crash

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/verdict-stream/verdict/pkg/durable"
)

// The databases of an installation, with what lies beside them.
const (
	lifecycleFiles = "lifecycle-*.db*"
	readModelFiles = "readmodel.db*"
)

// copyFiles makes those files of a directory that match equal to those of another one. No
// process may use either.
func copyFiles(from, to, pattern string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("copy %s: %w", pattern, err)
	}
	old, err := filepath.Glob(filepath.Join(to, pattern))
	if err != nil {
		return fmt.Errorf("copy %s: %w", pattern, err)
	}
	for _, file := range old {
		err = errors.Join(err, os.Remove(file))
	}
	files, globErr := filepath.Glob(filepath.Join(from, pattern))
	err = errors.Join(err, globErr)
	for _, file := range files {
		err = errors.Join(err, durable.Copy(file, filepath.Join(to, filepath.Base(file))))
	}
	if err == nil && len(files) == 0 {
		err = errors.New("there is none")
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", pattern, err)
	}
	return nil
}
