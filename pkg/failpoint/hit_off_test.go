//go:build !failpoint

package failpoint_test

import "testing"

// Without the tag nothing arms a failpoint, and nothing is refused.
func TestHitDoesNothing(t *testing.T) {
	for _, armed := range []string{"receiver.stored", "lifecycle.marked:2", "unknown"} {
		output, status := run(t, armed)
		if output != allHits || status.ExitStatus() != 0 {
			t.Errorf("%q: output %q, exit status %d", armed, output, status.ExitStatus())
		}
	}
}
