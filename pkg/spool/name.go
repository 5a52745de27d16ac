package spool

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

const (
	nameFile  = "name"
	nameBytes = 8
)

var namePattern = regexp.MustCompile(`^[0-9a-f]{16}$`)

// Name tells this spool from all others, also after the process has ended.
func (s *Spool) Name() string { return s.name }

// openName reads the name, or makes one. One that a crash has left unreadable is replaced: nothing
// that is kept depends on it.
func openName(dir string) (string, error) {
	path := filepath.Join(dir, nameFile)
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if namePattern.Match(content) {
		return string(content), nil
	}
	random := make([]byte, nameBytes)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	name := hex.EncodeToString(random)
	return name, os.WriteFile(path, []byte(name), fileMode)
}
