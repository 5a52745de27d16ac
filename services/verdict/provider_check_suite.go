package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

const (
	suitePackage = "github.com/verdict-stream/verdict/pkg/provider/providertest"
	suiteTest    = "TestVerdictProviderCheck"
	// suiteFile is the test file that the folder seems to have while the suite runs.
	suiteFile = "verdict_provider_check_test.go"

	// The attributes by which package providertest tells what it checks.
	attributeCheck = "check/"
	attributeTodo  = "todo"
)

// suiteRun is one run of the suite over a folder, by the Go toolchain.
type suiteRun struct {
	folder string // absolute, without symbolic links
	pkg    string
	update bool
}

// run adds the result of compiling the folder, and of every check of the suite.
func (s *suiteRun) run(ctx context.Context, f *checkedFolder) error {
	tool, err := exec.LookPath("go")
	if err != nil {
		return errors.New("the Go toolchain is not there: go must be in PATH, to compile the folder")
	}
	scratch, err := os.MkdirTemp("", "verdict-check-*")
	if err != nil {
		return fmt.Errorf("check the folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	overlay, err := s.overlay(scratch)
	if err != nil {
		return fmt.Errorf("check the folder: %w", err)
	}
	args := []string{"test", "-json", "-count=1", "-vet=off", "-overlay", overlay, "-run", "^" + suiteTest + "$", ".", "-rapid.nofailfile"}
	if s.update {
		args = append(args, "-update")
	}
	var out, errs bytes.Buffer
	command := exec.CommandContext(ctx, tool, args...)
	command.Dir, command.Stdout, command.Stderr = s.folder, &out, &errs
	err = command.Run()
	if ctx.Err() != nil {
		return fmt.Errorf("check the folder: %w", ctx.Err())
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("check the folder: %w", err)
	}
	newSuiteOutput(f).read(&out, &errs)
	return nil
}

// overlay makes the test that runs the suite, outside of the folder, and returns the file that
// tells the toolchain to take it for one of the folder's.
func (s *suiteRun) overlay(scratch string) (string, error) {
	test := filepath.Join(scratch, suiteFile)
	source := fmt.Sprintf("package %s\n\nimport (\n\t\"testing\"\n\n\t%q\n)\n\nfunc %s(t *testing.T) { providertest.Run(t, Provider, \".\") }\n",
		s.pkg, suitePackage, suiteTest)
	if err := os.WriteFile(test, []byte(source), 0o600); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(s.folder, suiteFile): test}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(scratch, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

// suiteLine is one line of what `go test -json` writes.
type suiteLine struct {
	Action, Test, Output, Key, Value string
}

// suiteOutput sorts what a run says by checks.
type suiteOutput struct {
	folder *checkedFolder
	build  []string // what the toolchain said before any test ran
	suite  []folderCheck
}

func newSuiteOutput(f *checkedFolder) *suiteOutput { return &suiteOutput{folder: f} }

// read adds all checks to the folder's. A check that began and did not end has failed: the
// process was gone.
func (o *suiteOutput) read(out, errs *bytes.Buffer) {
	for text := range strings.Lines(out.String()) {
		var line suiteLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			o.build = append(o.build, strings.TrimRight(text, "\n"))
			continue
		}
		o.line(line)
	}
	built := folderCheck{
		Name: "build", Says: "the folder compiles with the suite",
		Todo: "Correct what the compiler says. The folder must be in this repository, or in a Go workspace that uses its modules pkg and schemas.",
	}
	if len(o.suite) == 0 {
		for text := range strings.Lines(errs.String()) {
			o.build = append(o.build, strings.TrimRight(text, "\n"))
		}
		built.Messages = append(o.build, "the suite did not run")
	}
	o.folder.add(built)
	for _, c := range o.suite {
		if c.Result == checkRuns {
			c.Result = checkFailed
			c.Messages = append(c.Messages, "the process ended here")
		}
		o.folder.addEnded(c)
	}
}

// framing are the lines by which the testing package frames the output of a test.
var framing = regexp.MustCompile(`^\s*(=== |--- |PASS$|FAIL$|FAIL\s|ok\s|exit status )`)

// position is where in the suite a message comes from.
var position = regexp.MustCompile(`^\s*\w+\.go:\d+: `)

func (o *suiteOutput) line(line suiteLine) {
	if line.Action == "build-output" {
		if text := strings.TrimRight(line.Output, "\n"); !strings.HasPrefix(text, "#") {
			o.build = append(o.build, text)
		}
		return
	}
	if name, ok := strings.CutPrefix(line.Key, attributeCheck); ok && line.Action == "attr" {
		o.suite = append(o.suite, folderCheck{Name: name, Says: line.Value, Result: checkUnreached})
		return
	}
	path := strings.SplitN(line.Test, "/", 3)
	if len(path) < 2 {
		if line.Action == "output" && line.Test == "" && !framing.MatchString(line.Output) {
			o.build = append(o.build, strings.TrimRight(line.Output, "\n"))
		}
		return
	}
	for i := range o.suite {
		if o.suite[i].Name == path[1] {
			o.suite[i].line(line, strings.Join(path[2:], "/"))
		}
	}
}

// line takes in what a check says; part is the subtest that says it.
func (c *folderCheck) line(line suiteLine, part string) {
	switch line.Action {
	case "run":
		if c.Result == checkUnreached {
			c.Result = checkRuns
		}
	case "pass":
		if part == "" {
			c.Result = checkPassed
		}
	case "fail":
		if part == "" {
			c.Result = checkFailed
		}
	case "attr":
		if part == "" && line.Key == attributeTodo {
			c.Todo = line.Value
		}
	case "output":
		text := strings.TrimRight(line.Output, "\n")
		if strings.TrimSpace(text) == "" || framing.MatchString(text) {
			return
		}
		if begins := position.FindString(text); begins != "" {
			text = strings.TrimPrefix(text, begins)
			if part != "" {
				text = part + ": " + text
			}
		}
		c.Messages = append(c.Messages, strings.TrimRight(text, " "))
	}
}
