package replay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/verdict-stream/verdict/pkg/bus"
)

// TargetStream is the target that is a stream of its own.
const TargetStream = "subject"

const filePrefix = "file:"

// sink is where a run sends events. It is used by one goroutine.
type sink interface {
	// open finds what is there of the run already, or makes what it needs.
	open(ctx context.Context) error
	// put sends the next event, or keeps it until flush.
	put(ctx context.Context, m *bus.Stored) error
	// flush returns once everything that was put is where it stays.
	flush(ctx context.Context) error
	// finish does what is left to do when everything is flushed, and close what is left in any case.
	finish(ctx context.Context) error
	close() error
}

// fileName is what a target of the API may name: a file in the directory that is set aside for them.
var fileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// settleTarget returns a target as the book keeps it: with the full path of a file.
func (d *Desk) settleTarget(target string) (string, error) {
	path, isFile := strings.CutPrefix(target, filePrefix)
	switch {
	case target == "" || target == TargetStream:
		return TargetStream, nil
	case isFile:
		full, err := d.settlePath(path)
		return filePrefix + full, err
	case strings.HasPrefix(target, "http://"), strings.HasPrefix(target, "https://"):
		return target, checkURL(target)
	default:
		return "", fmt.Errorf("%w: the target %q is none of %s, file:PATH, http://… and https://…", ErrRequest, target, TargetStream)
	}
}

// settlePath returns the full path of a file, which must be one that this process may use.
func (d *Desk) settlePath(path string) (string, error) {
	if d.Dir != "" {
		if !fileName.MatchString(path) {
			return "", fmt.Errorf("%w: a file is named by letters, digits, dots, hyphens and underscores alone; it lies in the directory of replays", ErrRequest)
		}
		return filepath.Join(d.Dir, path), nil
	}
	if path == "" {
		return "", fmt.Errorf("%w: file: names no file", ErrRequest)
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return full, nil
}

func checkURL(target string) error {
	parsed, err := url.Parse(target)
	switch {
	case err != nil || parsed.Host == "":
		return fmt.Errorf("%w: the target is not a URL", ErrRequest) // The error would repeat what may be a secret.
	case parsed.User != nil:
		return fmt.Errorf("%w: the book would keep the password in the URL: give it with a file, as a header or a bearer token", ErrRequest)
	case parsed.RawQuery != "" || parsed.Fragment != "":
		return fmt.Errorf("%w: the book would keep the query of the URL, which often is a secret: give that with a file, as a header or a bearer token", ErrRequest)
	}
	return nil
}

// writable is the mode that access(2) calls W_OK.
const writable = 0x2

// checkFile returns why a new file cannot be written, as far as that can be known without trying.
func (d *Desk) checkFile(path string) error {
	for _, name := range []string{path, path + partSuffix} {
		if _, err := os.Lstat(name); err == nil {
			return fmt.Errorf("%w: %s exists: remove it, or name another file", ErrRequest, name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %w", ErrRequest, err)
		}
	}
	if d.Dir != "" {
		return nil // The directory is made when it is needed.
	}
	if err := syscall.Access(filepath.Dir(path), writable); err != nil {
		return fmt.Errorf("%w: the directory %s cannot be written to: %w", ErrRequest, filepath.Dir(path), err)
	}
	return nil
}
