package seal

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// hourLayout is both a part of a key id and the name of the key's file.
const hourLayout = "2006-01-02T15"

// A provider's name is the first part of a key id and the name of a folder. The
// pattern admits nothing that a file system could read as a way elsewhere.
var providerPattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

// fingerprintPattern admits one way to write a fingerprint.
var fingerprintPattern = regexp.MustCompile(`^[0-9a-f]{8}$`)

// A key id is a slot and a fingerprint, for example "idenfy/2026-11-21T22-5f0c81d2".
// The slot, "idenfy/2026-11-21T22", is the key's place in the directory: a provider
// has one key per hour. The fingerprint tells which key it is, so that one that
// was made in another directory is missing here and not taken for this one.
func joinKeyID(slot, fingerprint string) string { return slot + "-" + fingerprint }

// splitKeyID is strict: it returns an error for anything that Seal cannot have
// returned.
func splitKeyID(keyID string) (slot, fingerprint string, hour time.Time, err error) {
	provider, name, found := strings.Cut(keyID, "/")
	// The provider's name and the hour may hold hyphens, the fingerprint none.
	dash := strings.LastIndexByte(name, '-')
	if !found || dash < 0 || !providerPattern.MatchString(provider) || !fingerprintPattern.MatchString(name[dash+1:]) {
		return "", "", time.Time{}, fmt.Errorf("%.80q is not the id of a key", keyID)
	}
	hour, ok := parseHour(name[:dash])
	if !ok {
		return "", "", time.Time{}, fmt.Errorf("%.80q is not the id of a key", keyID)
	}
	return provider + "/" + name[:dash], name[dash+1:], hour, nil
}

// newSlot returns the place of the provider's key for the hour of at.
func newSlot(provider string, at time.Time) (string, error) {
	if !providerPattern.MatchString(provider) {
		return "", fmt.Errorf("%q is not the name of a provider", provider)
	}
	name := at.UTC().Format(hourLayout)
	if _, ok := parseHour(name); !ok {
		return "", fmt.Errorf("no key has the hour %q", name) // a year that the layout cannot hold
	}
	return provider + "/" + name, nil
}

// KeyHour returns the start of the hour whose deliveries the key protects. The
// key may be destroyed at that time plus the provider's retention. It returns an
// error for anything that Seal cannot have returned.
func KeyHour(keyID string) (time.Time, error) {
	_, _, hour, err := splitKeyID(keyID)
	return hour, err
}

// parseHour reads the name of a key's file. One hour has one name.
func parseHour(name string) (time.Time, bool) {
	hour, err := time.ParseInLocation(hourLayout, name, time.UTC)
	return hour, err == nil && hour.Format(hourLayout) == name
}

// Expired reports whether the time of a key is over: the start of its hour plus the retention.
// A key that is missing before that is one that nobody may have destroyed. An id that is none
// is never expired.
func Expired(keyID string, retention time.Duration, now time.Time) bool {
	hour, err := KeyHour(keyID)
	return err == nil && !hour.Add(retention).After(now)
}
