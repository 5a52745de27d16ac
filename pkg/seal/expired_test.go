package seal

import (
	"testing"
	"time"
)

func TestExpired(t *testing.T) {
	now := time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		key       string
		retention time.Duration
		want      bool
	}{
		{"acme/2026-11-21T22-c1d6fe16", time.Hour, true},
		{"acme/2026-11-21T22-c1d6fe16", time.Hour + time.Second, false},
		{"acme/2026-11-21T23-c1d6fe16", time.Hour, false},
		{"no key", time.Hour, false},
	} {
		if got := Expired(c.key, c.retention, now); got != c.want {
			t.Errorf("%s after %s: expired %t, want %t", c.key, c.retention, got, c.want)
		}
	}
}
