package failpoint_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/verdict-stream/verdict/pkg/failpoint"
)

const programVariable = "FAILPOINT_TEST_PROGRAM"

// allHits is what the program writes if nothing stops it.
const allHits = "receiver.stored\nlifecycle.marked\nreceiver.stored\nlifecycle.marked\ndeferred\n"

// TestMain turns the test binary into the program that run runs: it passes some
// failpoints and says so after each.
func TestMain(m *testing.M) {
	if os.Getenv(programVariable) == "" {
		os.Exit(m.Run())
	}
	defer fmt.Println("deferred")
	for range 2 {
		failpoint.Hit(failpoint.ReceiverStored)
		fmt.Println(failpoint.ReceiverStored)
		failpoint.Hit(failpoint.LifecycleMarked)
		fmt.Println(failpoint.LifecycleMarked)
	}
}

// run runs the program and returns what it wrote and how it ended.
func run(t *testing.T, armed string) (output string, status syscall.WaitStatus) {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "VERDICT_FAILPOINT="+armed, programVariable+"=1")
	text, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(text), command.ProcessState.Sys().(syscall.WaitStatus)
}
