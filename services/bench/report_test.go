package bench

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

func testReport() *Report {
	r := &Report{
		Version: "v1.2.3", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Seconds: 321.4, Processors: 2, BodyBytes: 2048,
		SyncMicroseconds: 51.26, Notes: []string{},
	}
	r.figure(Row{Part: "ingest", Case: "64 connections", Figure: "durable", Unit: "1/s", Value: 25_000, Baseline: 12_500, Against: againstRoofline})
	r.figure(Row{Part: "ingest", Case: "64 connections", Figure: "p99", Unit: "ms", Value: 3.456, Baseline: 6.912, Against: againstRoofline, LessIsBetter: true})
	r.figure(Row{Part: "ingest", Case: "256 connections", Figure: "durable", Unit: "1/s", Value: 26_000, Baseline: 13_000, Against: againstRoofline})
	r.figure(Row{Part: "size", Case: "0 verifications", Figure: "resident", Unit: "MiB", Value: 44.44, Against: "0 verifications", LessIsBetter: true})
	r.figure(Row{Part: "cpu", Case: "64 connections", Figure: "CPU", Unit: "s for 10,000", Value: 0, Baseline: 1, Against: againstRoofline, LessIsBetter: true})
	r.note("of %d requests %d were not answered with 200", 100, 1)
	return r
}

func TestReport(t *testing.T) {
	for name, write := range map[string]func(*Report, *bytes.Buffer) error{
		"report.txt":  func(r *Report, b *bytes.Buffer) error { return r.WriteTable(b) },
		"report.json": func(r *Report, b *bytes.Buffer) error { return r.WriteJSON(b) },
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := write(testReport(), &got); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
