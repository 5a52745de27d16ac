package verification

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// maxReference is the longest encoded reference, in bytes. A longer one is replaced by its
// SHA-256, so that an id always fits a header, a URL and a database key.
const maxReference = 128

// ID names one verification: provider, kind and the provider's reference. Its string form
// is the same in URLs, event ids and CloudEvents subjects.
type ID struct {
	Provider  string
	Kind      string
	Reference string // encoded, see EncodeReference
}

// NewID makes an id of the reference as the provider sends it.
func NewID(provider, kind, reference string) ID {
	return ID{Provider: provider, Kind: kind, Reference: EncodeReference(reference)}
}

// String returns `<provider>/<kind>/<reference>`.
func (id ID) String() string { return id.Provider + "/" + id.Kind + "/" + id.Reference }

// ParseID reads the string form. It returns an error when the text does not have three
// parts or the reference is not in encoded form.
func ParseID(text string) (ID, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || !encoded(parts[2]) {
		return ID{}, fmt.Errorf("verification id is not <provider>/<kind>/<reference>")
	}
	return ID{Provider: parts[0], Kind: parts[1], Reference: parts[2]}, nil
}

// EncodeReference percent-encodes all but the unreserved characters of RFC 3986. It replaces by
// its hexadecimal SHA-256 a reference that is then longer than 128 bytes, and `.` and `..`: in
// a path these are directions, which clients follow before they ask, encoded or not.
func EncodeReference(reference string) string {
	var b strings.Builder
	for i := range len(reference) {
		if c := reference[i]; unreserved(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	if b.Len() > maxReference || direction(reference) {
		sum := sha256.Sum256([]byte(reference))
		return hex.EncodeToString(sum[:])
	}
	return b.String()
}

func direction(segment string) bool { return segment == "." || segment == ".." }

func encoded(s string) bool {
	if s == "" || len(s) > maxReference || direction(s) {
		return false
	}
	for i := 0; i < len(s); i++ {
		if unreserved(s[i]) {
			continue
		}
		if s[i] != '%' || i+2 >= len(s) || !upperHex(s[i+1]) || !upperHex(s[i+2]) {
			return false
		}
		i += 2
	}
	return true
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

func upperHex(c byte) bool { return '0' <= c && c <= '9' || 'A' <= c && c <= 'F' }
