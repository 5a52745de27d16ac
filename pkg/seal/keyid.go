package seal

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// hourLayout is both the second half of a key id and the name of the key's file.
const hourLayout = "2006-01-02T15"

// A provider's name is the first half of a key id and the name of a folder. The
// pattern admits nothing that a file system could read as a way elsewhere.
var providerPattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

// newKeyID returns the id of the provider's key for the hour of at, for example
// "idenfy/2026-11-21T22".
func newKeyID(provider string, at time.Time) (string, error) {
	if !providerPattern.MatchString(provider) {
		return "", fmt.Errorf("%q is not the name of a provider", provider)
	}
	keyID := provider + "/" + at.UTC().Format(hourLayout)
	if _, err := KeyHour(keyID); err != nil {
		return "", err // a year that the layout cannot hold
	}
	return keyID, nil
}

// KeyHour returns the start of the hour whose deliveries the key protects. The
// key may be destroyed at that time plus the provider's retention. It returns an
// error for anything that Seal cannot have returned.
func KeyHour(keyID string) (time.Time, error) {
	provider, name, found := strings.Cut(keyID, "/")
	if !found || !providerPattern.MatchString(provider) {
		return time.Time{}, fmt.Errorf("%.80q is not the id of a key", keyID)
	}
	hour, ok := parseHour(name)
	if !ok {
		return time.Time{}, fmt.Errorf("%.80q is not the id of a key", keyID)
	}
	return hour, nil
}

// parseHour reads the name of a key's file. One hour has one name.
func parseHour(name string) (time.Time, bool) {
	hour, err := time.ParseInLocation(hourLayout, name, time.UTC)
	return hour, err == nil && hour.Format(hourLayout) == name
}
