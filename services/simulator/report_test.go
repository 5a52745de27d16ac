package simulator

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files again")

var reports = map[string]Report{
	"clean": {
		Seed: 7, Start: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Stories: 10, Complete: 10, ElapsedSeconds: 2, PerSecond: 20.5,
		Counts: Counts{
			Sent: 41, Accepted: 30, Duplicate: 6, Ignored: 1, Held: 1, Retried: 1,
			Refused: map[string]int{"unavailable": 1, "bad_signature": 2}, Forged: Forged{Sent: 3, Refused: 2, Unanswered: 1},
		},
		Latency: Latency{
			P50: Milliseconds(1500 * time.Microsecond), P90: Milliseconds(2 * time.Millisecond), P99: Milliseconds(3 * time.Millisecond),
			P999: Milliseconds(40 * time.Millisecond), Max: Milliseconds(time.Second),
		},
		Verified: &Verified{Checked: 11, Differences: []Difference{}},
	},
	"different": {
		Seed: 8, Counts: Counts{Unexpected: 3, Failed: 2, Forged: Forged{Sent: 5, Accepted: 1, RefusedOtherwise: 4}},
		Verified: &Verified{Checked: 3, Different: 2, Differences: []Difference{{"a/b/c", "approved, attempt 1, version 1", "is not there"}}},
	},
	"interrupted": {Seed: 9, Interrupted: true, Stories: 10, Complete: 4},
}

func TestReport(t *testing.T) {
	for name, r := range reports {
		var table bytes.Buffer
		if err := r.WriteTable(&table); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", table.Bytes())
		text, err := json.MarshalIndent(&r, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".json", append(text, '\n'))
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestReportErr(t *testing.T) {
	for name, want := range map[string]string{
		"clean": "", "interrupted": "",
		"different": "1 webhooks with a bad signature were accepted\n4 webhooks with a bad signature were refused with another status or cause\n3 webhooks were not answered with what they must be\n2 webhooks were given up\n2 verifications are not what they must be",
	} {
		r, got := reports[name], ""
		if err := r.Err(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestPause(t *testing.T) {
	s := &simulation{cfg: Config{Speed: 100}}
	for pause, want := range map[time.Duration]time.Duration{
		time.Hour: 36 * time.Second, time.Second: leastPause, 10 * time.Millisecond: 10 * time.Millisecond, 0: 0,
	} {
		if got := s.pause(pause); got != want {
			t.Errorf("a pause of %v becomes %v, want %v", pause, got, want)
		}
	}
}
