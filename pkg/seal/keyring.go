// Package seal keeps personal data unreadable without keys, and destroys keys.
//
// It holds these promises:
//   - Every key that protects data is random. The master key only wraps them,
//     because a key that can be derived again cannot be destroyed.
//   - A key is durable before anything is sealed with it: its file, the file's
//     name and the folders above it are synced.
//   - All processes that share a directory seal with the same key for one
//     provider and hour.
//   - A key id names one key. What was sealed with a key of another directory is
//     without its key here; it is never taken for corrupt.
//   - Once a key is destroyed, no process opens anything with it for longer than
//     a minute more, and nobody opens it after that, old backups of the sealed
//     data included. The key directory itself must be in no backup.
//   - No error holds plaintext, key material or the master key.
package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"
)

// MasterKeySize is the length of a master key in bytes.
const MasterKeySize = 32

// ErrKeyDestroyed says that the key directory is in order and has no such key:
// it was destroyed, or it was never there, though another key of the same
// provider and hour may be. A caller that knows the retention should check it
// against KeyHour before giving the data up: a key that is missing before its time
// points to a wrong key directory.
var ErrKeyDestroyed = errors.New("the key is destroyed")

// ErrMasterKey says that the key directory was made with another master key.
var ErrMasterKey = errors.New("the directory was made with another master key")

// ErrCorrupt says that the sealed bytes, their id, their key's id or the key
// itself are not what they were when they were sealed. Trying again is useless.
var ErrCorrupt = errors.New("the sealed data is corrupt")

// Keyring seals and opens. It is safe for concurrent use, and several processes
// may have the same directory open.
type Keyring struct {
	dir       string
	fresh     bool
	check     []byte      // proves that dir belongs to the master key
	hourKeys  cipher.AEAD // wraps the keys of providers and hours
	ownerKeys cipher.AEAD // wraps the keys of NewKey
	pseudonym []byte

	mu     sync.RWMutex
	cached map[string]cachedKey // by slot

	// slow is held while a key is read or made, so that of many callers who
	// miss the same key only one touches the disk.
	slow sync.Mutex
}

// cachedKey is a key in use. It is read again from its file after cacheFor, so
// that a key destroyed by another process goes out of use here too.
type cachedKey struct {
	hourKey
	read    time.Time
	durable bool // only a durable key may seal
}

const cacheFor = time.Minute

// The purposes keep what is derived from one key apart: nothing wrapped for one
// of them can be opened as another. All but the last derive from the master key,
// the last from a data key. Changing one makes all existing data unreadable.
const (
	purposeCheck       = "verdict seal v1 check"
	purposeHourKeys    = "verdict seal v1 hour keys"
	purposeOwnerKeys   = "verdict seal v1 owner keys"
	purposePseudonym   = "verdict seal v1 pseudonyms"
	purposeFingerprint = "verdict seal v1 fingerprint"
)

// Open opens the key directory, and makes it, for its owner only, if it is not
// there. The master key must be the one the directory was made with, else the error is
// ErrMasterKey.
func Open(dir string, master []byte) (*Keyring, error) {
	if len(master) != MasterKeySize {
		return nil, fmt.Errorf("open key directory: the master key has %d bytes, want %d", len(master), MasterKeySize)
	}
	k := &Keyring{dir: dir, cached: map[string]cachedKey{}}
	if err := k.derive(master); err != nil {
		return nil, fmt.Errorf("open key directory: %w", err)
	}
	if err := k.prepare(); err != nil {
		return nil, fmt.Errorf("open key directory %s: %w", dir, err)
	}
	return k, nil
}

// Fresh reports whether it was this Open that made the directory a key directory:
// no key was there, and whatever was sealed before cannot be opened with it. Of
// several that open it at once, exactly one is told so; a later Open is not.
func (k *Keyring) Fresh() bool { return k.fresh }

func (k *Keyring) derive(master []byte) error {
	var keys [4][]byte
	for i, purpose := range []string{purposeCheck, purposeHourKeys, purposeOwnerKeys, purposePseudonym} {
		key, err := hkdf.Key(sha256.New, master, nil, purpose, sha256.Size)
		if err != nil {
			return fmt.Errorf("derive keys: %w", err)
		}
		keys[i] = key
	}
	var err error
	if k.hourKeys, err = newAEAD(keys[1]); err != nil {
		return err
	}
	if k.ownerKeys, err = newAEAD(keys[2]); err != nil {
		return err
	}
	k.check, k.pseudonym = keys[0], keys[3]
	return nil
}

// Seal encrypts plain so that only Open with the same id and the returned key id
// gives it back. It uses the key of the provider and of the UTC hour of at, which
// is the time of receipt, and makes that key if it is the first to need it. The
// key id is meant to travel in clear beside the sealed bytes.
func (k *Keyring) Seal(provider string, at time.Time, id string, plain []byte) (keyID string, sealed []byte, err error) {
	slot, err := newSlot(provider, at)
	if err != nil {
		return "", nil, fmt.Errorf("seal: %w", err)
	}
	key, err := k.sealingKey(slot)
	if err != nil {
		return "", nil, fmt.Errorf("seal: %w", err)
	}
	return joinKeyID(slot, key.fingerprint), key.aead.Seal(nil, nil, plain, []byte(id)), nil
}

// Open decrypts what Seal returned. It returns ErrKeyDestroyed if there is no
// such key, ErrCorrupt if the bytes or the id were changed or the key id is not
// that of any key or of another one, and another error if the key directory cannot
// be read, after which trying again may help.
func (k *Keyring) Open(keyID, id string, sealed []byte) ([]byte, error) {
	slot, fingerprint, _, err := splitKeyID(keyID)
	if err != nil {
		return nil, fmt.Errorf("open sealed data: %w: %w", ErrCorrupt, err)
	}
	aead, err := k.openingKey(slot, fingerprint)
	if err != nil {
		return nil, fmt.Errorf("open sealed data: %w", err)
	}
	plain, err := aead.Open(nil, nil, sealed, []byte(id))
	if err != nil {
		return nil, fmt.Errorf("open sealed data with key %s: %w", keyID, ErrCorrupt)
	}
	return plain, nil
}

// Pseudonym returns a name for text that is the same wherever the master key is
// the same, and from which the text cannot be found without that key.
func (k *Keyring) Pseudonym(text string) string {
	mac := hmac.New(sha256.New, k.pseudonym)
	mac.Write([]byte(text))
	return "h_" + hex.EncodeToString(mac.Sum(nil)[:pseudonymSize])
}

// pseudonymSize is 128 bits: two texts never meet by chance.
const pseudonymSize = 16
