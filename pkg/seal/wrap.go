package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// dataKeySize makes every data key an AES-256 key.
const dataKeySize = 32

// newAEAD returns AES-256-GCM that puts a random nonce before what it seals. One
// key stays safe for 2^32 messages, more than a provider sends in an hour.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return aead, nil
}

// newWrapped returns a random data key, wrapped for one name.
func newWrapped(wrapper cipher.AEAD, name string) []byte {
	key := make([]byte, dataKeySize)
	rand.Read(key) // never fails: it ends the process rather
	return wrapper.Seal(nil, nil, key, []byte(name))
}

// unwrap returns ErrCorrupt if wrapped is not what newWrapped made for the name.
func unwrap(wrapper cipher.AEAD, name string, wrapped []byte) ([]byte, error) {
	key, err := wrapper.Open(nil, nil, wrapped, []byte(name))
	if err != nil || len(key) != dataKeySize {
		return nil, ErrCorrupt
	}
	return key, nil
}

// unwrapAEAD is unwrap for a key that is used at once.
func unwrapAEAD(wrapper cipher.AEAD, name string, wrapped []byte) (cipher.AEAD, error) {
	key, err := unwrap(wrapper, name, wrapped)
	if err != nil {
		return nil, err
	}
	return newAEAD(key)
}

// fingerprintSize tells the few keys apart that ever have the same slot; it
// proves nothing, as the sealed bytes themselves do.
const fingerprintSize = 4

// fingerprint names a data key in clear. Nothing about the key follows from it.
func fingerprint(key []byte) (string, error) {
	sum, err := hkdf.Key(sha256.New, key, nil, purposeFingerprint, fingerprintSize)
	if err != nil {
		return "", fmt.Errorf("derive fingerprint: %w", err)
	}
	return hex.EncodeToString(sum), nil
}
