//go:build failpoint

package failpoint_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/verdict-stream/verdict/pkg/failpoint"
)

func TestHitKillsTheProcess(t *testing.T) {
	for _, test := range []struct {
		armed  string
		output string
		killed bool
	}{
		{"receiver.stored", "", true},
		{"lifecycle.marked", "receiver.stored\n", true},
		{"lifecycle.marked:1", "receiver.stored\n", true},
		{"receiver.stored:2", "receiver.stored\nlifecycle.marked\n", true},
		{"receiver.stored:3", allHits, false},
		{"projector.committed", allHits, false},
		{"", allHits, false},
	} {
		output, status := run(t, test.armed)
		killed := status.Signaled() && status.Signal() == syscall.SIGKILL
		if killed != test.killed || !killed && status.ExitStatus() != 0 {
			t.Errorf("%q: killed %v, exit status %d, want killed %v", test.armed, killed, status.ExitStatus(), test.killed)
		}
		if output != test.output {
			t.Errorf("%q: output %q, want %q", test.armed, output, test.output)
		}
	}
}

func TestUnknownFailpointIsRefused(t *testing.T) {
	for _, armed := range []string{"receiver", "receiver.stored:0", "receiver.stored:-1", "receiver.stored:x", "receiver.stored:", ":1"} {
		output, status := run(t, armed)
		if status.ExitStatus() != 2 || !strings.HasPrefix(output, failpoint.Variable+": ") {
			t.Errorf("%q: exit status %d, output %q", armed, status.ExitStatus(), output)
		}
	}
}
