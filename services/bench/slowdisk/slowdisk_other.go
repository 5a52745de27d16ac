//go:build !linux

package slowdisk

import "time"

// Join always fails with ErrUnsupported.
func Join() error { return ErrUnsupported }

// Keep always fails with ErrUnsupported.
func Keep(time.Duration) error { return ErrUnsupported }

// SyncsByItself always fails with ErrUnsupported.
func SyncsByItself(int) (bool, error) { return false, ErrUnsupported }
