package seal

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/durable"
)

// In a key directory stand the check file and one folder per provider, with one
// file per hour. Names that begin with a dot are files on their way in or out,
// which a crash may leave behind.
const (
	checkName   = "check"
	dyingPrefix = ".dying-"

	// leftAfter is the age at which a file on its way in is taken for what a
	// crash left: no process takes so long to write 60 bytes.
	leftAfter = time.Hour
)

// prepare makes the directory, proves that it belongs to the master key and
// removes what crashes left in it.
func (k *Keyring) prepare() error {
	if err := durable.MakeDir(k.dir); err != nil {
		return err
	}
	err := k.verify()
	if errors.Is(err, errNoCheck) {
		err = k.adopt()
	}
	if err != nil {
		return err
	}
	k.clean()
	return nil
}

var errNoCheck = errors.New("this is not a key directory, or a volume is missing: it has no file " + checkName)

// verify reports whether the directory belongs to the master key.
func (k *Keyring) verify() error {
	check, err := os.ReadFile(filepath.Join(k.dir, checkName))
	if errors.Is(err, fs.ErrNotExist) {
		return errNoCheck
	}
	if err != nil {
		return err
	}
	if !hmac.Equal(check, k.check) {
		return ErrMasterKey
	}
	return nil
}

// adopt makes an empty directory a key directory. One that holds something else
// is refused: it is a mistake in the settings, or keys that lost their check file.
func (k *Keyring) adopt() error {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		// A check file or a name with a dot comes from a process that does the
		// same now; a fresh volume may have a folder lost+found.
		name := entry.Name()
		if name != checkName && name != "lost+found" && !strings.HasPrefix(name, ".") {
			return fmt.Errorf("%w, and it is not empty", errNoCheck)
		}
	}
	if k.fresh, err = durable.Create(filepath.Join(k.dir, checkName), k.check); err != nil {
		return err
	}
	return k.verify() // another process may have been first, with another key
}

// clean removes what crashes left: new files that never got a name, and keys
// whose destruction was not finished. What it cannot remove keeps nobody from
// sealing and opening: the next Open tries again, and DestroyExpired says why a
// key cannot be destroyed.
func (k *Keyring) clean() {
	cleanFolder(k.dir)
	entries, _ := os.ReadDir(k.dir)
	for _, entry := range entries {
		if entry.IsDir() && providerPattern.MatchString(entry.Name()) {
			cleanFolder(filepath.Join(k.dir, entry.Name()))
		}
	}
}

func cleanFolder(folder string) {
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		switch {
		case !entry.Type().IsRegular():
		case strings.HasPrefix(entry.Name(), dyingPrefix):
			_, _ = erase(path)
		case strings.HasPrefix(entry.Name(), durable.Fresh):
			// Never overwritten: after a crash it may be a second name of a key
			// that is in use.
			if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > leftAfter {
				_ = os.Remove(path)
			}
		}
	}
}

// Abandon takes back that Open made the directory a key directory, so that the next Open finds
// it as this one did. It may be called only where Fresh, and before anything was sealed.
func (k *Keyring) Abandon() error {
	if !k.fresh {
		return nil
	}
	if err := os.Remove(filepath.Join(k.dir, checkName)); err != nil {
		return fmt.Errorf("abandon key directory: %w", err)
	}
	return nil
}
