package bus

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/verdict-stream/verdict/pkg/durable"
)

const passwordBytes = 32

// adminPassword reads the password in file, or makes one and keeps it there. The file appears with its whole content or not at all.
func adminPassword(file string) (string, error) {
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return makePassword(file)
	}
	if err != nil {
		return "", fmt.Errorf("read the admin password: %w", err)
	}
	password := string(bytes.TrimSpace(content))
	if password == "" {
		return "", fmt.Errorf("the admin password in %s is empty; remove the file to have a new one made", file)
	}
	return password, nil
}

func makePassword(file string) (string, error) {
	password, err := randomPassword()
	if err != nil {
		return "", err
	}
	// The lock of the streams' directory keeps another writer away.
	if err := durable.Replace(file, []byte(password+"\n")); err != nil {
		return "", fmt.Errorf("keep the admin password: %w", err)
	}
	return password, nil
}

func randomPassword() (string, error) {
	secret := make([]byte, passwordBytes)
	if _, err := rand.Read(secret); err != nil {
		return "", fmt.Errorf("make a password: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(secret), nil
}
