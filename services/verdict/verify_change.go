package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// textChange is another form of a text.
type textChange struct{ says, value string }

// bodyChange is another form of a body.
type bodyChange struct {
	says  string
	value []byte
}

// secretChange is another form of all secrets.
type secretChange struct {
	says   string
	values []string
}

// secretChanges are what the secrets may have been; themselves come first.
func secretChanges(secrets []string) []secretChange {
	forms := map[string]func(string) string{
		"the secret without white space and quotes around it": func(s string) string { return strings.Trim(s, " \t\r\n\"'") },
		"a line feed behind the secret":                       func(s string) string { return s + "\n" },
		"the bytes that the secret is in hexadecimal": func(s string) string {
			if b, err := hex.DecodeString(s); err == nil {
				return string(b)
			}
			return s
		},
		"the bytes that the secret is in base64": func(s string) string {
			if b, err := base64.StdEncoding.DecodeString(s); err == nil {
				return string(b)
			}
			return s
		},
	}
	changes := []secretChange{{"", secrets}}
	for _, says := range slices.Sorted(maps.Keys(forms)) {
		var changed []string
		for _, secret := range secrets {
			if form := forms[says](secret); form != secret && form != "" {
				changed = append(changed, form)
			}
		}
		if len(changed) > 0 {
			changes = append(changes, secretChange{says, changed})
		}
	}
	return changes
}

// appendChange adds a form that differs from the body and from the forms before.
func appendChange(changes []bodyChange, says string, value []byte) []bodyChange {
	if len(value) == 0 || slices.ContainsFunc(changes, func(c bodyChange) bool { return bytes.Equal(value, c.value) }) {
		return changes
	}
	return append(changes, bodyChange{says, value})
}
