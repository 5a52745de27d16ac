// Package claims seals the personal data of one verification and opens it again. It is the one place that knows the form in which
// claims lie in the read model.
//
// Its invariants:
//
//   - Every sealed set of claims has a random key of its own; without that key nobody can read it, whatever else he has.
//   - A key and what it seals belong to one verification: moved to another row, neither opens.
//   - The claims of a sandbox verification and of a real one with the same id never open as each other.
package claims

import (
	"encoding/json"
	"fmt"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/seal"
)

// Seal returns the claims sealed by a new key, and that key, wrapped. Whoever destroys the key destroys the claims.
func Seal(keys *seal.Keyring, id string, sandbox bool, c *provider.Claims) (key, sealed []byte, err error) {
	plain, err := json.Marshal(c)
	if err != nil {
		return nil, nil, fmt.Errorf("seal claims: %w", err)
	}
	key, err = keys.NewKey(owner(id, sandbox))
	if err != nil {
		return nil, nil, fmt.Errorf("seal claims: %w", err)
	}
	sealed, err = keys.SealWith(key, owner(id, sandbox), plain)
	if err != nil {
		return nil, nil, fmt.Errorf("seal claims: %w", err)
	}
	return key, sealed, nil
}

// Open returns what Seal has sealed. It returns seal.ErrCorrupt where key, sealed and verification do not belong together.
func Open(keys *seal.Keyring, id string, sandbox bool, key, sealed []byte) (*provider.Claims, error) {
	plain, err := keys.OpenWith(key, owner(id, sandbox), sealed)
	if err != nil {
		return nil, fmt.Errorf("open claims: %w", err)
	}
	var c provider.Claims
	if err := json.Unmarshal(plain, &c); err != nil {
		// The decoder's own error could repeat a value.
		return nil, fmt.Errorf("open claims: %w", seal.ErrCorrupt)
	}
	return &c, nil
}

// owner names whose key it is. An id has three parts, so that one behind the prefix is no id itself.
func owner(id string, sandbox bool) string {
	if sandbox {
		return "sandbox/" + id
	}
	return id
}
