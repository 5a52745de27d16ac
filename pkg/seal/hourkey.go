package seal

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// sealingKey returns a key that is durable, and makes it if there is none.
func (k *Keyring) sealingKey(keyID string) (cipher.AEAD, error) {
	if key, ok := k.cachedKey(keyID); ok && key.durable {
		return key.aead, nil
	}
	k.slow.Lock()
	defer k.slow.Unlock()
	if key, ok := k.cachedKey(keyID); ok && key.durable {
		return key.aead, nil
	}
	aead, err := k.readKey(keyID)
	if errors.Is(err, ErrKeyDestroyed) {
		if err := k.makeKey(keyID); err != nil {
			return nil, fmt.Errorf("make key %s: %w", keyID, err)
		}
		// Another process may have been first. The file tells whose key it is.
		aead, err = k.readKey(keyID)
	}
	if err != nil {
		return nil, err
	}
	// Whoever made the key may not have come to sync its name yet.
	if err := errors.Join(syncDir(filepath.Dir(k.path(keyID))), syncDir(k.dir)); err != nil {
		return nil, fmt.Errorf("make key %s durable: %w", keyID, err)
	}
	k.cache(keyID, cachedKey{aead: aead, read: time.Now(), durable: true})
	return aead, nil
}

// openingKey returns ErrKeyDestroyed if there is no such key, ErrCorrupt if its
// file is damaged, and another error if the file cannot be read.
func (k *Keyring) openingKey(keyID string) (cipher.AEAD, error) {
	if key, ok := k.cachedKey(keyID); ok {
		return key.aead, nil
	}
	k.slow.Lock()
	defer k.slow.Unlock()
	if key, ok := k.cachedKey(keyID); ok {
		return key.aead, nil
	}
	aead, err := k.readKey(keyID)
	if err != nil {
		return nil, err
	}
	k.cache(keyID, cachedKey{aead: aead, read: time.Now()})
	return aead, nil
}

func (k *Keyring) cachedKey(keyID string) (cachedKey, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	key, ok := k.cached[keyID]
	return key, ok && time.Since(key.read) < cacheFor
}

// cache also forgets every key that is due to be read again.
func (k *Keyring) cache(keyID string, key cachedKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, old := range k.cached {
		if time.Since(old.read) >= cacheFor {
			delete(k.cached, id)
		}
	}
	k.cached[keyID] = key
}

func (k *Keyring) forget(keyID string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.cached, keyID)
}

// readKey answers ErrKeyDestroyed only if the directory still is the one that
// was opened: a volume that went away must not look like destroyed keys.
func (k *Keyring) readKey(keyID string) (cipher.AEAD, error) {
	wrapped, err := os.ReadFile(k.path(keyID))
	if errors.Is(err, fs.ErrNotExist) {
		if err := k.verify(); err != nil {
			return nil, fmt.Errorf("read key %s: %w", keyID, err)
		}
		return nil, fmt.Errorf("read key %s: %w", keyID, ErrKeyDestroyed)
	}
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", keyID, err)
	}
	aead, err := unwrap(k.hourKeys, keyID, wrapped)
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", keyID, err)
	}
	return aead, nil
}

// makeKey leaves exactly one key for keyID, made here or elsewhere.
func (k *Keyring) makeKey(keyID string) error {
	folder := filepath.Dir(k.path(keyID))
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return createOnce(k.path(keyID), newWrapped(k.hourKeys, keyID))
}

func (k *Keyring) path(keyID string) string {
	return filepath.Join(k.dir, filepath.FromSlash(keyID))
}
