// Package archive keeps events of KYC_VERIFICATIONS in files, so that the stream can be trimmed.
//
//	manifest.json                     what there is, with checksums; the only file whose content counts by itself
//	events-<first>-<last>.ndjson      every event, one line each, in the order of the stream
//	latest-<through>.ndjson           the last event up to there of every verification, in the order of the stream
//
// A line is a CloudEvent in its structured JSON form with the extensions `sequence`, its position in the stream, and `storedat`, when it was
// stored there. Numbers in names have 20 digits.
//
// Its invariants:
//
//   - What the manifest names is on disk, whole, and was read back once; files that it does not name mean nothing. A crash at any moment leaves the
//     manifest of before or of after.
//   - The event files have every event of the stream from the manifest's first position to its last, without a gap.
//   - Latest files follow from event files: whoever has those of all positions up to the stream's first one loses nothing by the trim.
package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/verdict-stream/verdict/pkg/durable"
)

// ErrNone means that there is no archive in the directory.
var ErrNone = errors.New("there is no archive")

// ErrDamaged means that a file is not what the manifest says.
var ErrDamaged = errors.New("the archive is damaged")

const (
	manifestName = "manifest.json"
	// format is that of the files. A reader refuses a later one.
	format = 1

	dirMode, fileMode = 0o700, 0o600
)

// File is one file of an archive.
type File struct {
	Name   string    `json:"name"`
	Bytes  int64     `json:"bytes"`
	SHA256 string    `json:"sha256"`
	Events uint64    `json:"events"`
	First  uint64    `json:"first"` // position of the first event
	Last   uint64    `json:"last"`
	From   time.Time `json:"from"` // when the first and the last event were stored
	To     time.Time `json:"to"`
}

// Manifest says what an archive holds.
type Manifest struct {
	Format   int    `json:"format"`
	Instance string `json:"instance"`
	Stream   string `json:"stream"`
	// Identity is that of the stream: another one of that name has another.
	Identity string `json:"identity"`
	// First is the first position that the archive holds.
	First uint64 `json:"first"`
	// Through is the last position that it holds whole: all events up to there, and the latest ones.
	Through uint64 `json:"through"`
	// Trimmed is the position up to which the stream was asked to forget them.
	Trimmed   uint64    `json:"trimmed"`
	UpdatedAt time.Time `json:"updated_at"`
	Events    []File    `json:"events"`
	Latest    *File     `json:"latest,omitempty"`
}

// Archive is an archive in a directory. One process at a time may extend it.
type Archive struct {
	dir      string
	manifest Manifest
	lock     *os.File // of the directory, held by who extends it
}

// ErrBusy means that another process extends the archive.
var ErrBusy = errors.New("another process writes the archive")

// Open opens an archive for reading. It returns ErrNone where there is none.
func Open(dir string) (*Archive, error) {
	content, err := os.ReadFile(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open archive %s: %w", dir, ErrNone)
	}
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	a := &Archive{dir: dir}
	if err := json.Unmarshal(content, &a.manifest); err != nil {
		return nil, fmt.Errorf("open archive %s: %w: %s cannot be read", dir, ErrDamaged, manifestName)
	}
	if a.manifest.Format > format {
		return nil, fmt.Errorf("open archive %s: it was written by a newer version of this program", dir)
	}
	return a, nil
}

// Manifest returns what the archive holds.
func (a *Archive) Manifest() Manifest { return a.manifest }

// Dir is where the archive is.
func (a *Archive) Dir() string { return a.dir }

// OpenOrCreate opens the archive of a stream for extending, and begins one in an empty or missing directory. The archive of another stream or instance is
// refused, and so is a directory with something else in it. While another process has it open so, it returns ErrBusy. Close it.
func OpenOrCreate(dir string, stream, identity, instance string, first uint64) (*Archive, error) {
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	a, err := openOrCreate(dir, stream, identity, instance, first)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	a.lock = lock
	return a, nil
}

// lockDir makes the directory where it is missing, and keeps others from extending what is in it.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("make the archive: %w", err)
	}
	lock, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w in %s: wait for its end", ErrBusy, dir)
		}
		return nil, fmt.Errorf("lock archive: %w", err)
	}
	return lock, nil
}

// Close lets others extend the archive.
func (a *Archive) Close() error {
	if a.lock == nil {
		return nil
	}
	return a.lock.Close()
}

func openOrCreate(dir string, stream, identity, instance string, first uint64) (*Archive, error) {
	a, err := Open(dir)
	switch {
	case errors.Is(err, ErrNone):
		a, err = create(dir, Manifest{Format: format, Instance: instance, Stream: stream, Identity: identity, First: first})
	case err == nil && (a.manifest.Stream != stream || a.manifest.Identity != identity || a.manifest.Instance != instance):
		err = fmt.Errorf("the archive in %s is of another stream, made at %s, of instance %q: choose another directory", dir, a.manifest.Identity, a.manifest.Instance)
	case err == nil && first > a.next():
		err = fmt.Errorf("the archive in %s ends at %d and the stream begins at %d: the events between are in neither; choose another directory", dir, a.next()-1, first)
	}
	if err != nil {
		return nil, err
	}
	return a, a.tidy()
}

func create(dir string, m Manifest) (*Archive, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("make the archive: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() != manifestName+partSuffix {
			return nil, fmt.Errorf("make the archive: %s is neither empty nor an archive: choose another directory", dir)
		}
	}
	a := &Archive{dir: dir, manifest: m}
	return a, a.save()
}

// next is the position behind the last event file.
func (a *Archive) next() uint64 {
	if n := len(a.manifest.Events); n > 0 {
		return a.manifest.Events[n-1].Last + 1
	}
	return a.manifest.First
}

// partSuffix ends the names of files that are being written.
const partSuffix = durable.Unfinished

// tidy removes what a crash left behind: files of the archive's names that its manifest does not have.
func (a *Archive) tidy() error {
	named := map[string]bool{manifestName: true}
	for _, f := range a.manifest.Events {
		named[f.Name] = true
	}
	if a.manifest.Latest != nil {
		named[a.manifest.Latest.Name] = true
	}
	entries, err := os.ReadDir(a.dir)
	if err != nil {
		return fmt.Errorf("open archive: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		ours := strings.HasPrefix(name, "events-") || strings.HasPrefix(name, "latest-") || strings.HasSuffix(name, partSuffix)
		if !ours || named[name] {
			continue
		}
		if err := os.Remove(filepath.Join(a.dir, name)); err != nil {
			return fmt.Errorf("open archive: %w", err)
		}
	}
	return nil
}

// save replaces the manifest.
func (a *Archive) save() error {
	a.manifest.UpdatedAt = time.Now().UTC()
	content, err := json.MarshalIndent(&a.manifest, "", "  ")
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	if err := durable.Replace(filepath.Join(a.dir, manifestName), append(content, '\n')); err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	return nil
}

// MarkTrimmed records that the stream was asked to forget what is archived.
func (a *Archive) MarkTrimmed() error {
	a.manifest.Trimmed = a.manifest.Through
	return a.save()
}

// Copy copies an archive that may be extended meanwhile, as it is at one moment, to an empty or missing directory. It returns ErrNone where there is none.
func Copy(dir, to string) error {
	for {
		a, err := Open(dir)
		if err != nil {
			return err
		}
		err = a.copy(to)
		if errors.Is(err, fs.ErrNotExist) {
			// The latest events may have been written anew.
			if again, failed := Open(dir); failed == nil && again.manifest.UpdatedAt.After(a.manifest.UpdatedAt) {
				continue
			}
			return fmt.Errorf("copy the archive: %w: %w", ErrDamaged, err)
		}
		if err != nil {
			return fmt.Errorf("copy the archive: %w", err)
		}
		return nil
	}
}

func (a *Archive) copy(to string) error {
	if err := os.MkdirAll(to, dirMode); err != nil {
		return err
	}
	files := a.manifest.Events
	if a.manifest.Latest != nil {
		files = append(files[:len(files):len(files)], *a.manifest.Latest)
	}
	for _, f := range files {
		if err := durable.Copy(filepath.Join(a.dir, f.Name), filepath.Join(to, f.Name)); err != nil {
			return err
		}
	}
	copied := Archive{dir: to, manifest: a.manifest}
	return copied.save()
}

// Rebind makes the archive one of another stream, which was restored from a backup of the one that it is of.
func (a *Archive) Rebind(identity string) error {
	a.manifest.Identity = identity
	return a.save()
}
