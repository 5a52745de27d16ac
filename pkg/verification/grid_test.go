package verification_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/verification"
)

var update = flag.Bool("update", false, "write the golden files again")

func TestGrid(t *testing.T) { golden(t, "grid.txt", sample.Grid()) }

func TestMermaid(t *testing.T) { golden(t, "machine.mmd", sample.Mermaid()) }

// The grid tells what the fold does: every move of it is tried.
func TestGridIsWhatTheFoldDoes(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(sample.Grid()), "\n")
	columns := strings.Fields(lines[0])[1:]
	// What brings a verification to the status of each line.
	ways := []string{"", "started", "checking", "review", "yes", "no", "canceled", "revoked", "left"}
	if len(ways) != len(lines)-1 {
		t.Fatalf("grid has %d lines:\n%s", len(lines), sample.Grid())
	}
	for i, way := range ways {
		cells := strings.Fields(lines[i+1])
		from := verification.State{}
		var set []string
		if way != "" {
			set = []string{way}
			from = sample.Fold(told(way))
			if cells[0] != string(from.Status) {
				t.Fatalf("%q leads to %s, and the line is of %s", way, from.Status, cells[0])
			}
		}
		for j, says := range columns {
			to := sample.Fold(told(append(set, says)...))
			cell := cells[j+1]
			want := strings.Trim(cell, "+!?")
			if want == "-" || want == "=" {
				want = string(from.Status)
			}
			changed := strings.Contains(strings.Join(to.Anomalies, " "), verification.AnomalyDecisionChanged)
			unknown := strings.Contains(strings.Join(to.Anomalies, " "), verification.AnomalyUnknownValue)
			if string(to.Status) != want || strings.HasPrefix(cell, "+") != (to.Attempt == 2) ||
				strings.HasSuffix(cell, "!") != changed || strings.HasSuffix(cell, "?") != unknown {
				t.Errorf("%s and %s come to %s, and the grid says %s", from.Status, says, shown(to), cell)
			}
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-file +now):\n%s", path, diff)
	}
}
