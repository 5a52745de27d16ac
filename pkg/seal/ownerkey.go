package seal

import "fmt"

// NewKey returns a new random key, wrapped for the owner, for example the id of
// a verification. The caller keeps the wrapped key in a place of its own; once it
// is deleted there, nothing sealed with it can be opened any more.
func (k *Keyring) NewKey(owner string) (wrapped []byte, err error) {
	return newWrapped(k.ownerKeys, owner), nil
}

// SealWith encrypts plain with the owner's key from NewKey. It returns
// ErrCorrupt if the wrapped key is not this owner's.
func (k *Keyring) SealWith(wrapped []byte, owner string, plain []byte) ([]byte, error) {
	aead, err := unwrapAEAD(k.ownerKeys, owner, wrapped)
	if err != nil {
		return nil, fmt.Errorf("seal with the owner's key: %w", err)
	}
	return aead.Seal(nil, nil, plain, []byte(owner)), nil
}

// OpenWith decrypts what SealWith returned. It returns ErrCorrupt if the wrapped
// key or the sealed bytes are not this owner's, or were changed.
func (k *Keyring) OpenWith(wrapped []byte, owner string, sealed []byte) ([]byte, error) {
	aead, err := unwrapAEAD(k.ownerKeys, owner, wrapped)
	if err != nil {
		return nil, fmt.Errorf("open with the owner's key: %w", err)
	}
	plain, err := aead.Open(nil, nil, sealed, []byte(owner))
	if err != nil {
		return nil, fmt.Errorf("open with the owner's key: %w", ErrCorrupt)
	}
	return plain, nil
}
