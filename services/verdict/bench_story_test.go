package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/services/bench"
)

// benchProgram is the program in an environment of its own, with an empty directory for
// everything that is temporary.
func benchProgram(t *testing.T, args ...string) (command *exec.Cmd, temporary string) {
	t.Helper()
	path, err := exec.LookPath("verdict")
	must(t, err)
	temporary = t.TempDir()
	command = exec.CommandContext(t.Context(), path, append([]string{"bench"}, args...)...)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + temporary}
	return command, temporary
}

// leavesNothing checks that nothing of a run is left.
func leavesNothing(t *testing.T, temporary string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(temporary, "verdict-bench-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// The benchmark runs in the all-in-one and the split form, and every figure of it has a baseline.
func TestBenchMeasures(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bench.json")
	command, temporary := benchProgram(t, "--quick", "--only", "ingest,stages", "--json", file)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(file)
	must(t, err)
	var report bench.Report
	must(t, json.Unmarshal(text, &report))
	parts := map[string]int{}
	for _, row := range report.Rows {
		parts[row.Part]++
		if row.Value <= 0 || row.Baseline <= 0 || row.Ratio == nil || row.Against == "" {
			t.Errorf("this compares nothing: %+v", row)
		}
	}
	if parts["ingest"] == 0 || parts["stages"] != 2 || len(parts) != 2 {
		t.Errorf("rows by part: %v", parts)
	}
	if !strings.Contains(string(out), "roofline") {
		t.Errorf("no table:\n%s", out)
	}
	leavesNothing(t, temporary)
}

func TestBenchThatIsInterruptedLeavesNothing(t *testing.T) {
	t.Parallel()
	command, temporary := benchProgram(t, "--only", "ingest", "--seconds", "600", "--connections", "1")
	progress, err := command.StderrPipe()
	must(t, err)
	must(t, command.Start())
	// What it says first is that the load begins: both servers run.
	if _, err := progress.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	must(t, command.Process.Signal(os.Interrupt))
	if err := command.Wait(); err == nil {
		t.Error("it ended well")
	}
	leavesNothing(t, temporary)
}

func TestBenchRefusesWhatIsNoMeasurement(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--only", "weather"}, {"--seconds", "0"}, {"--connections", "0"}, {"--provider", "nobody"}, {"--provider", "treezor"}} {
		command, temporary := benchProgram(t, args...)
		if out, err := command.CombinedOutput(); err == nil {
			t.Errorf("%v: %s", args, out)
		}
		leavesNothing(t, temporary)
	}
}
