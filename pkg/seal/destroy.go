package seal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// MinRetention is the shortest time after the start of its hour at which a key
// may be destroyed: before that, deliveries of the hour may still come.
const MinRetention = time.Hour

// DestroyExpired destroys the provider's keys whose hour began at least the
// retention ago, and returns them as provider and hour, in order of time. Nothing
// sealed with them can be opened any more: at once by this Keyring, within a minute
// by others that have the directory open. A key it cannot destroy does not keep it
// from the next; the error then names it, and a later call tries again. Several
// processes may call it at once; a key is in the list of at most one of them.
func (k *Keyring) DestroyExpired(provider string, retention time.Duration, now time.Time) (destroyed []string, err error) {
	if !providerPattern.MatchString(provider) {
		return nil, fmt.Errorf("destroy keys: %q is not the name of a provider", provider)
	}
	if retention < MinRetention {
		return nil, fmt.Errorf("destroy keys of %s: a retention of %v is less than %v", provider, retention, MinRetention)
	}
	if err := k.verify(); err != nil {
		return nil, fmt.Errorf("destroy keys of %s: %w", provider, err)
	}
	entries, err := os.ReadDir(filepath.Join(k.dir, provider))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("destroy keys of %s: %w", provider, err)
	}
	var failed []error
	for _, entry := range entries {
		// A key that is dying already is one whose destruction was interrupted.
		name, dying := strings.CutPrefix(entry.Name(), dyingPrefix)
		hour, ok := parseHour(name)
		if !ok || !entry.Type().IsRegular() || !dying && hour.Add(retention).After(now) {
			continue
		}
		slot := provider + "/" + name
		mine, err := k.destroy(slot)
		if err != nil {
			failed = append(failed, fmt.Errorf("destroy key %s: %w", slot, err))
		} else if mine {
			destroyed = append(destroyed, slot)
		}
	}
	slices.Sort(destroyed)
	return destroyed, errors.Join(failed...)
}

// destroy takes the key's name away before it touches the content, so that a
// reader finds a whole key or none. It reports whether it was this call that
// destroyed it.
func (k *Keyring) destroy(slot string) (mine bool, err error) {
	path := k.path(slot)
	dying := filepath.Join(filepath.Dir(path), dyingPrefix+filepath.Base(path))

	// No key that was read before its name went may be cached after that.
	k.slow.Lock()
	err = os.Rename(path, dying)
	k.forget(slot)
	k.slow.Unlock()

	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return erase(dying)
}
