package store

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// testStatusList writes every status and every outcome, and one more.
func testStatusList(t *testing.T, at place) {
	place := at(t)
	l, m := newLifecycle(t, place), newReadModel(t, place)
	for _, status := range append([]verification.Status{"decided", ""}, verification.Statuses...) {
		rec := waitingRecord(string(status)+"-", start)
		rec.State.Status = status
		e := testEventRow(string(status)+"-", 1, 1, 0)
		e.Data.Status = status
		known := status != "decided" && status != ""
		if err := l.Update(t.Context(), func(tx *Tx) error { return tx.Save(t.Context(), rec, Dates{}) }); (err == nil) != known {
			t.Errorf("saved with the status %q: error %v", status, err)
		}
		if err := m.PutEvent(t.Context(), e); (err == nil) != known {
			t.Errorf("event with the status %q: error %v", status, err)
		}
	}
}

var checkList = regexp.MustCompile(`CHECK \((\w+) IN \(([^)]*)\)\)`)

// TestLists compares the lists of the tables with those of the program.
func TestLists(t *testing.T) {
	var statuses []string
	for _, s := range verification.Statuses {
		statuses = append(statuses, string(s))
	}
	want := map[string][]string{
		"lifecycle status":  statuses,
		"readmodel status":  statuses,
		"readmodel outcome": append([]string{""}, Outcomes...),
	}
	got := map[string][]string{}
	for _, folder := range []string{"lifecycle", "readmodel"} {
		files, err := migrations.ReadDir("migrations/" + folder)
		must(t, err)
		for _, file := range files {
			text, err := migrations.ReadFile("migrations/" + folder + "/" + file.Name())
			must(t, err)
			for _, list := range checkList.FindAllStringSubmatch(string(text), -1) {
				var values []string
				for value := range strings.SplitSeq(list[2], ",") {
					values = append(values, strings.Trim(strings.TrimSpace(value), "'"))
				}
				got[folder+" "+list[1]] = values
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lists in the tables (-program +tables):\n%s", diff)
	}
}

// TestLibcFitsSQLite holds the version of libc to what this version of SQLite was made with: any other may corrupt memory.
func TestLibcFitsSQLite(t *testing.T) {
	list := func(format, module string) string {
		t.Helper()
		out, err := exec.Command("go", "list", "-m", "-f", format, module).Output()
		must(t, err)
		return strings.TrimSpace(string(out))
	}
	asked, err := os.ReadFile(filepath.Join(list("{{.Dir}}", "modernc.org/sqlite"), "go.mod"))
	must(t, err)
	if used := list("{{.Version}}", "modernc.org/libc"); !strings.Contains(string(asked), "modernc.org/libc "+used+"\n") {
		t.Errorf("libc is %s, which is not what SQLite asks for", used)
	}
}
