//go:build linux

package crash

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets this binary be the broker of the installations that it starts, too.
func TestMain(m *testing.M) {
	if IsBroker() {
		if err := RunBroker(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}
