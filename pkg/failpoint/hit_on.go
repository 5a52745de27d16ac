//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// Variable is the environment variable that arms one place, as "name" or
// "name:N" for the N-th hit.
const Variable = "VERDICT_FAILPOINT"

var (
	armed Name
	left  atomic.Int64
)

// init ends the process if the variable names no place, before it has done
// anything.
func init() {
	text, ok := os.LookupEnv(Variable)
	if !ok || text == "" {
		return
	}
	name, hits, err := parse(text)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", Variable, err)
		os.Exit(2)
	}
	armed = name
	left.Store(hits)
}

// Hit kills the process with SIGKILL if name is armed and this is the hit that
// was asked for. It does not return then.
func Hit(name Name) {
	if name != armed || left.Add(-1) != 0 {
		return
	}
	// The signal cannot be caught. What follows only keeps this goroutine from
	// doing anything more until it arrives.
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func parse(text string) (Name, int64, error) {
	head, count, counted := strings.Cut(text, ":")
	name := Name(head)
	if !slices.Contains(Names, name) {
		return "", 0, fmt.Errorf("no failpoint %q, want one of %v", head, Names)
	}
	if !counted {
		return name, 1, nil
	}
	hits, err := strconv.ParseInt(count, 10, 64)
	if err != nil || hits < 1 {
		return "", 0, fmt.Errorf("hit %q of %s is not a number from 1", count, name)
	}
	return name, hits, nil
}
