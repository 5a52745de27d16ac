// Package store keeps what Verdict knows in SQL: the state of the lifecycle with its outbox, and the read model. It is the
// only package that knows SQL; SQLite and PostgreSQL stand behind the same types, run the same statements and pass the same
// tests.
//
// Its invariants:
//
//   - A transaction happens as a whole or not at all. State and outbox of a verification change in one transaction.
//   - Those who write at the same time may share a transaction; each gets the result of its own part, and nobody's failure is another's.
//   - At most one process writes the lifecycle state of a provider. One that has lost its lease can write nothing more.
//   - Writing the read model is idempotent: the same facts, in any order and any number of times, give the same tables.
//   - Sealed claims up to the position that a verification was anonymised through are gone and are never written again.
//   - What a database does not do is ErrUnavailable, unless it is for a value that it was given: a caller waits for the one, and must
//     give nothing up for it.
//   - No error, log line or span holds a value that is stored.
package store

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Location says where the databases are.
type Location struct {
	// Dir holds the SQLite files: lifecycle-<provider>.db for each provider, and readmodel.db. It is made where it is missing.
	Dir string
	// URL is that of a PostgreSQL database. Where it is empty, SQLite is used.
	URL URL
}

// URL is the address of a database. It holds a password, so whatever prints it gets a placeholder.
type URL string

// redacted is what every rendering of a URL shows.
const redacted = "[redacted]"

// String returns the placeholder, or nothing where there is no URL.
func (u URL) String() string {
	if u == "" {
		return ""
	}
	return redacted
}

// Format writes the placeholder whatever the verb and its flags.
func (u URL) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, u.String()) }

// MarshalText returns the placeholder, for JSON, YAML and their like.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// LogValue returns the placeholder for slog.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// Names of the streams whose positions the read model keeps.
const (
	webhookStream      = "KYC_WEBHOOKS"
	verificationStream = "KYC_VERIFICATIONS"
	sandboxStream      = "KYC_SANDBOX"
	rejectedStream     = "KYC_REJECTED"
)

// micros is how a time is stored; sub-microsecond digits are cut off.
func micros(t time.Time) int64 { return t.UnixMicro() }

// optionalMicros stores the zero time as NULL.
func optionalMicros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return micros(t)
}

// instant is the time that micros stored.
func instant(us int64) time.Time { return time.UnixMicro(us).UTC() }
