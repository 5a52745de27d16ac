package main

import (
	"bufio"
	"fmt"
	"io"
)

// checkResult is how a check of a provider's folder ended.
type checkResult string

const (
	checkPassed    checkResult = "passed"
	checkFailed    checkResult = "failed"
	checkUnreached checkResult = "not_reached" // a check that it builds on has failed
	checkRuns      checkResult = ""            // has not ended yet
)

// folderCheck is one check of a folder.
type folderCheck struct {
	Name     string      `json:"name"`
	Says     string      `json:"says"` // what holds where it passes
	Result   checkResult `json:"result"`
	Messages []string    `json:"messages,omitempty"`
	Todo     string      `json:"todo,omitempty"` // of a failed one
}

// checkedFolder is the result of all checks of a folder.
type checkedFolder struct {
	Folder string        `json:"folder"`
	Passed bool          `json:"passed"`
	Checks []folderCheck `json:"checks"`
}

// add takes in a check that failed if it has messages.
func (f *checkedFolder) add(c folderCheck) {
	c.Result = checkPassed
	if len(c.Messages) > 0 {
		c.Result = checkFailed
	}
	f.addEnded(c)
}

// addEnded takes in a check. What one says that has passed is of no interest.
func (f *checkedFolder) addEnded(c folderCheck) {
	if c.Result == checkPassed {
		c.Messages, c.Todo = nil, ""
	}
	f.Passed = c.Result == checkPassed && (f.Passed || len(f.Checks) == 0)
	f.Checks = append(f.Checks, c)
}

// maxMessages is how many lines of one check are for reading; all are in the JSON.
const maxMessages = 12

// write prints the checks for people.
func (f *checkedFolder) write(out io.Writer) error {
	w := bufio.NewWriter(out)
	passed := 0
	for _, c := range f.Checks {
		label := map[checkResult]string{checkPassed: "ok", checkFailed: "FAIL", checkUnreached: "-"}[c.Result]
		fmt.Fprintf(w, "%-5s %-15s %s\n", label, c.Name, c.Says)
		if c.Result == checkPassed {
			passed++
		}
		for i, message := range c.Messages {
			if i == maxMessages {
				fmt.Fprintf(w, "        … and %d lines more (--json has all)\n", len(c.Messages)-i)
				break
			}
			fmt.Fprintf(w, "        %s\n", message)
		}
		if c.Todo != "" {
			fmt.Fprintf(w, "      > %s\n", c.Todo)
		}
	}
	fmt.Fprintf(w, "\n%d of %d checks passed.\n", passed, len(f.Checks))
	return w.Flush()
}
