package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"
)

// Row is one figure, and what it is compared with in the same run.
type Row struct {
	Part   string  `json:"part"`
	Case   string  `json:"case"`
	Figure string  `json:"figure"`
	Unit   string  `json:"unit"`
	Value  float64 `json:"value"`
	// Baseline is the figure of what is compared with, named by Against.
	Baseline float64 `json:"baseline"`
	Against  string  `json:"against"`
	// Ratio is Value through Baseline, null where the baseline is 0.
	Ratio *float64 `json:"ratio"`
	// LessIsBetter holds for times and for what is used up.
	LessIsBetter bool `json:"less_is_better"`
}

// Report is one run.
type Report struct {
	Version    string    `json:"version"`
	Started    time.Time `json:"started"`
	Seconds    float64   `json:"seconds"`
	Processors int       `json:"processors"`
	BodyBytes  int       `json:"body_bytes"`
	// SyncMicroseconds is what a write of 4 KiB and its sync took, half of the times.
	SyncMicroseconds float64  `json:"sync_microseconds"`
	Rows             []Row    `json:"rows"`
	Notes            []string `json:"notes"`
}

// figure adds a row.
func (r *Report) figure(row Row) {
	if row.Baseline != 0 {
		ratio := row.Value / row.Baseline
		row.Ratio = &ratio
	}
	r.Rows = append(r.Rows, row)
}

// note adds what must be known to read the figures.
func (r *Report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// WriteJSON writes the report for programs.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// WriteTable writes the report for people: the figures of a part and case stand together.
func (r *Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "verdict %s, %s, %d processors, bodies of %d bytes, a write with its sync takes %s µs, %.0f s in all\n\n",
		r.Version, r.Started.UTC().Format("2006-01-02 15:04 UTC"), r.Processors, r.BodyBytes, number(r.SyncMicroseconds), r.Seconds)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PART\tCASE\tFIGURE\tVERDICT\tBASELINE\tRATIO\tBETTER\tAGAINST")
	last := Row{}
	for _, row := range r.Rows {
		part, name := row.Part, row.Case
		if part == last.Part {
			part = ""
			if name == last.Case {
				name = ""
			}
		}
		ratio, better := "-", "more"
		if row.Ratio != nil {
			ratio = fmt.Sprintf("%.2f", *row.Ratio)
		}
		if row.LessIsBetter {
			better = "less"
		}
		fmt.Fprintf(t, "%s\t%s\t%s, %s\t%s\t%s\t%s\t%s\t%s\n", part, name, row.Figure, row.Unit, number(row.Value), number(row.Baseline), ratio, better, row.Against)
		last = row
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	if len(r.Notes) > 0 {
		fmt.Fprintln(&b)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "* %s\n", note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Figures from exact on need no decimals, and those below fine need a second one.
const (
	exact = 100
	fine  = 10
)

// number writes a figure with three digits or more that count.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= exact || v == 0:
		return fmt.Sprintf("%.0f", v)
	case a >= fine:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}
