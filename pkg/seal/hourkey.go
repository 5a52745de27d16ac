package seal

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/verdict-stream/verdict/pkg/durable"
)

// hourKey is the key of a slot.
type hourKey struct {
	aead        cipher.AEAD
	fingerprint string
}

// sealingKey returns the slot's key once it is durable, and makes it if there is
// none.
func (k *Keyring) sealingKey(slot string) (hourKey, error) {
	if key, ok := k.cachedKey(slot); ok && key.durable {
		return key.hourKey, nil
	}
	k.slow.Lock()
	defer k.slow.Unlock()
	if key, ok := k.cachedKey(slot); ok && key.durable {
		return key.hourKey, nil
	}
	key, err := k.readKey(slot)
	if errors.Is(err, ErrKeyDestroyed) {
		if err := k.makeKey(slot); err != nil {
			return hourKey{}, fmt.Errorf("make key %s: %w", slot, err)
		}
		// Another process may have been first. The file tells whose key it is.
		key, err = k.readKey(slot)
	}
	if err != nil {
		return hourKey{}, err
	}
	// Whoever made the key may not have come to sync its name yet.
	if err := errors.Join(durable.Sync(filepath.Dir(k.path(slot))), durable.Sync(k.dir)); err != nil {
		return hourKey{}, fmt.Errorf("make key %s durable: %w", slot, err)
	}
	k.cache(slot, cachedKey{hourKey: key, read: time.Now(), durable: true})
	return key, nil
}

// openingKey returns ErrKeyDestroyed if the slot has no key with the fingerprint,
// ErrCorrupt if the key's file is damaged, and another error if it cannot be read.
func (k *Keyring) openingKey(slot, fingerprint string) (cipher.AEAD, error) {
	if key, ok := k.cachedKey(slot); ok && key.fingerprint == fingerprint {
		return key.aead, nil
	}
	k.slow.Lock()
	defer k.slow.Unlock()
	if key, ok := k.cachedKey(slot); ok && key.fingerprint == fingerprint {
		return key.aead, nil
	}
	key, err := k.readKey(slot)
	if err != nil {
		return nil, err
	}
	if key.fingerprint != fingerprint {
		return nil, fmt.Errorf("read key %s: another one is there: %w", joinKeyID(slot, fingerprint), ErrKeyDestroyed)
	}
	k.cache(slot, cachedKey{hourKey: key, read: time.Now()})
	return key.aead, nil
}

func (k *Keyring) cachedKey(slot string) (cachedKey, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	key, ok := k.cached[slot]
	return key, ok && time.Since(key.read) < cacheFor
}

// cache also forgets every key that is due to be read again.
func (k *Keyring) cache(slot string, key cachedKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for other, old := range k.cached {
		if time.Since(old.read) >= cacheFor {
			delete(k.cached, other)
		}
	}
	k.cached[slot] = key
}

func (k *Keyring) forget(slot string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.cached, slot)
}

// readKey answers ErrKeyDestroyed only if the directory still is the one that
// was opened: a volume that went away must not look like destroyed keys.
func (k *Keyring) readKey(slot string) (hourKey, error) {
	wrapped, err := os.ReadFile(k.path(slot))
	if errors.Is(err, fs.ErrNotExist) {
		if err := k.verify(); err != nil {
			return hourKey{}, fmt.Errorf("read key %s: %w", slot, err)
		}
		return hourKey{}, fmt.Errorf("read key %s: %w", slot, ErrKeyDestroyed)
	}
	if err != nil {
		return hourKey{}, fmt.Errorf("read key %s: %w", slot, err)
	}
	key, err := unwrap(k.hourKeys, slot, wrapped)
	if err != nil {
		return hourKey{}, fmt.Errorf("read key %s: %w", slot, err)
	}
	name, err := fingerprint(key)
	if err != nil {
		return hourKey{}, fmt.Errorf("read key %s: %w", slot, err)
	}
	aead, err := newAEAD(key)
	if err != nil {
		return hourKey{}, fmt.Errorf("read key %s: %w", slot, err)
	}
	return hourKey{aead: aead, fingerprint: name}, nil
}

// makeKey leaves exactly one key in the slot, made here or elsewhere.
func (k *Keyring) makeKey(slot string) error {
	path := k.path(slot)
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	_, err := durable.Create(path, newWrapped(k.hourKeys, slot))
	return err
}

func (k *Keyring) path(slot string) string {
	return filepath.Join(k.dir, filepath.FromSlash(slot))
}
