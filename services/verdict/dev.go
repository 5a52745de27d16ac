package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/verdict-stream/verdict/pkg/durable"
)

const (
	devMasterKey    = "master-key"
	devAdminToken   = "admin-token"
	devSecretPrefix = "secret-" // Followed by the provider's name.

	devTokenSize = 16 // Random bytes in a made secret or token.
)

// DevSecrets are the secrets and keys of development mode.
type DevSecrets struct {
	MasterKey  Secret // The 32 decoded bytes.
	AdminToken Secret
	Secrets    map[string]Secret // By provider.
}

// PrepareDev returns the secrets and keys of development mode for the
// providers, making those that the data directory does not hold yet. Each is
// in a file of its own, <data>/dev/<name>, that only its owner can read.
// Processes that start together end with the same secrets.
func PrepareDev(dataDir string, providers []string) (*DevSecrets, error) {
	dir := devDir(dataDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("prepare development mode: %w", err)
	}
	key, err := makeOnce(dir, devMasterKey, func(random []byte) string { return base64.StdEncoding.EncodeToString(random) }, masterKeySize)
	if err != nil {
		return nil, err
	}
	var c Config
	if err := masterKey(&c, nil, key.Reveal()); err != nil {
		return nil, fmt.Errorf("%s: %w, or remove the file", filepath.Join(dir, devMasterKey), err)
	}
	made := &DevSecrets{MasterKey: c.MasterKey, Secrets: map[string]Secret{}}
	if made.AdminToken, err = makeOnce(dir, devAdminToken, hex.EncodeToString, devTokenSize); err != nil {
		return nil, err
	}
	for _, provider := range providers {
		if made.Secrets[provider], err = makeOnce(dir, devSecretPrefix+provider, hex.EncodeToString, devTokenSize); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// DevSecret returns the secret that development mode made for the provider.
// The error is fs.ErrNotExist where it has not been made in this directory.
func DevSecret(dataDir, provider string) (Secret, error) {
	return readSecret(filepath.Join(devDir(dataDir), devSecretPrefix+provider))
}

// UseDev prepares development mode in the data directory and fills in every
// secret that is not set otherwise.
func (c *Config) UseDev() error {
	var names []string
	for _, p := range c.Providers {
		names = append(names, p.Name)
	}
	made, err := PrepareDev(c.DataDir, names)
	if err != nil {
		return err
	}
	if !c.MasterKey.IsSet() {
		c.MasterKey = made.MasterKey
	}
	if !c.AdminToken.IsSet() {
		c.AdminToken = made.AdminToken
	}
	for i := range c.Providers {
		if p := &c.Providers[i]; !p.Served() {
			p.Secrets = []Secret{made.Secrets[p.Name]}
		}
	}
	return nil
}

// UseDevKey takes the master key that development mode has made in the data directory, where there is one and the settings name none, and reports
// whether it did: whoever works on a Verdict in that mode need not say that it is one.
func (c *Config) UseDevKey() (used bool, err error) {
	if c.MasterKey.IsSet() {
		return false, nil
	}
	made, err := readSecret(filepath.Join(devDir(c.DataDir), devMasterKey))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = masterKey(c, nil, made.Reveal())
	}
	if err != nil {
		return false, fmt.Errorf("the key of development mode: %w", err)
	}
	return true, nil
}

func devDir(dataDir string) string { return filepath.Join(dataDir, "dev") }

// makeOnce returns the secret in the file of that name, made from size random
// bytes if there is none. The file appears complete or not at all, and of
// several that make it at once one wins.
func makeOnce(dir, name string, encode func([]byte) string, size int) (Secret, error) {
	path := filepath.Join(dir, name)
	made, err := readSecret(path)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return made, err
	}
	random := make([]byte, size)
	_, _ = rand.Read(random) // Never fails: it ends the process instead.
	if _, err := durable.Create(path, []byte(encode(random)+"\n")); err != nil {
		return Secret{}, fmt.Errorf("make %s: %w", path, err)
	}
	return readSecret(path)
}

func readSecret(path string) (Secret, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return Secret{}, fmt.Errorf("read secret: %w", err)
	}
	text := strings.TrimSpace(string(content))
	if text == "" {
		return Secret{}, fmt.Errorf("read secret: %s is empty: remove it to have it made again", path)
	}
	return NewSecret(text), nil
}
