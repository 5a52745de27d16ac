package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/durable"
	"github.com/verdict-stream/verdict/pkg/spool"
)

const (
	// backupFormat is that of the files. A later one is refused.
	backupFormat = 1

	backupManifestName = "manifest.json"
	backupDatabases    = "databases"
	backupStreams      = "streams"
	backupSpool        = "spool.entries"
	backupAside        = "aside"
	backupArchive      = "archive"
)

// backupManifest says what a backup holds. One without it is not whole.
type backupManifest struct {
	Format   int       `json:"format"`
	MadeAt   time.Time `json:"made_at"`
	Version  string    `json:"version"`
	Instance string    `json:"instance"`
	// Database is sqlite, or postgres, which is not in the backup.
	Database  string           `json:"database"`
	Spool     spool.Waiting    `json:"spool"`
	Streams   []backupStream   `json:"streams"`
	Positions []backupPosition `json:"positions"`
	Files     []backupFile     `json:"files"`
}

// backupStream is the copy of a stream.
type backupStream struct {
	Name     string `json:"name"`
	File     string `json:"file"`
	Messages uint64 `json:"messages"`
	Last     uint64 `json:"last"`
	bus.Snapshot
}

// backupPosition is where a consumer has to begin again.
type backupPosition struct {
	Stream   string `json:"stream"`
	Consumer string `json:"consumer"`
	Floor    uint64 `json:"floor"`
}

type backupFile struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

func (m *backupManifest) save(dir string) error {
	content, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	if err := durable.Replace(filepath.Join(dir, backupManifestName), append(content, '\n')); err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	return nil
}

// openBackup reads the manifest of a backup.
func openBackup(dir string) (*backupManifest, error) {
	content, err := os.ReadFile(filepath.Join(dir, backupManifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--from: %s is no backup, or one that was not finished: it has no %s", dir, backupManifestName)
	}
	if err != nil {
		return nil, fmt.Errorf("--from: %w", err)
	}
	m := &backupManifest{}
	if err := json.Unmarshal(content, m); err != nil {
		return nil, fmt.Errorf("--from: %s cannot be read: put it back from another copy", backupManifestName)
	}
	if m.Format > backupFormat {
		return nil, fmt.Errorf("--from: the backup was made by a newer version, %s: restore it with that", m.Version)
	}
	return m, nil
}

// verify compares every file with what was written.
func (m *backupManifest) verify(dir string, show func(done, total uint64)) error {
	for i, want := range m.Files {
		if !filepath.IsLocal(want.Name) {
			return fmt.Errorf("the backup is damaged: %s lists %q", backupManifestName, want.Name)
		}
		got, err := sumFile(filepath.Join(dir, want.Name), want.Name)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the backup is damaged: %s is missing; nothing was restored", want.Name)
		}
		if err != nil {
			return fmt.Errorf("read the backup: %w", err)
		}
		if got != want {
			return fmt.Errorf("the backup is damaged: %s is not what was written; nothing was restored", want.Name)
		}
		show(uint64(i+1), uint64(len(m.Files)))
	}
	for _, s := range m.Streams {
		if !slices.ContainsFunc(m.Files, func(f backupFile) bool { return f.Name == s.File }) {
			return fmt.Errorf("the backup is damaged: there is no file of %s; nothing was restored", s.Name)
		}
	}
	return nil
}

// id names the backup: another one has another.
func (m *backupManifest) id() (string, error) {
	content, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16]), nil
}

// write says what was copied.
func (m *backupManifest) write(out io.Writer, asJSON bool, dir string) error {
	if asJSON {
		return writeIndented(out, m)
	}
	var bytes int64
	for _, f := range m.Files {
		bytes += f.Bytes
	}
	fmt.Fprintf(out, "backup of instance %s in %s: %d streams, %d waiting webhooks, %d bytes in %d files\n", m.Instance, dir, len(m.Streams), m.Spool.Entries, bytes, len(m.Files))
	if m.Database != "sqlite" {
		fmt.Fprintln(out, "the PostgreSQL database is not in it: copy it with pg_dump, before each backup")
	}
	_, err := fmt.Fprintln(out, "keys and master key are not in it: keep them elsewhere")
	return err
}

func sumFile(path, name string) (backupFile, error) {
	file, err := os.Open(path)
	if err != nil {
		return backupFile{}, err
	}
	defer file.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, file)
	return backupFile{Name: name, Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, err
}

// lockDirectory makes a directory where it is missing, and keeps others from doing the same work in it until the file is closed.
func lockDirectory(path string) (*os.File, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = dir.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another process works in %s: wait for its end", path)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return dir, nil
}
