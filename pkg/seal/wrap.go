package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
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
func unwrap(wrapper cipher.AEAD, name string, wrapped []byte) (cipher.AEAD, error) {
	key, err := wrapper.Open(nil, nil, wrapped, []byte(name))
	if err != nil || len(key) != dataKeySize {
		return nil, ErrCorrupt
	}
	return newAEAD(key)
}
