package main

import (
	"fmt"
	"time"
)

// moment is a time on the command line: RFC 3339, or how long ago.
type moment struct{ time.Time }

// UnmarshalText reads "2026-03-01T12:00:00Z" or "90m".
func (m *moment) UnmarshalText(text []byte) (err error) {
	if ago, err := time.ParseDuration(string(text)); err == nil && ago >= 0 {
		m.Time = time.Now().Add(-ago)
		return nil
	}
	if m.Time, err = time.Parse(time.RFC3339Nano, string(text)); err != nil {
		return fmt.Errorf("%q is neither a time as 2026-03-01T12:00:00Z nor how long ago, as 90m", text)
	}
	return nil
}
