package simulator

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// WriteTable writes the report for people.
func (r *Report) WriteTable(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(table, "%s\t%v\n", name, value) }
	row("seed", r.Seed)
	row("stories", fmt.Sprintf("%d begun, %d complete", r.Stories, r.Complete))
	row("webhooks sent", fmt.Sprintf("%d in %.1f s (%.0f/s)", r.Sent, r.ElapsedSeconds, r.PerSecond))
	row("  accepted", r.Accepted)
	row("  duplicate", r.Duplicate)
	row("  ignored", r.Ignored)
	row("  held", r.Held)
	for _, cause := range slices.Sorted(maps.Keys(r.Refused)) {
		row("  refused: "+cause, r.Refused[cause])
	}
	row("retried", r.Retried)
	row("given up", r.Failed)
	row("not as expected", r.Unexpected)
	f := r.Forged
	row("bad signatures", fmt.Sprintf("%d sent, %d refused, %d refused otherwise, %d unanswered, %d accepted",
		f.Sent, f.Refused, f.RefusedOtherwise, f.Unanswered, f.Accepted))
	row("latency", fmt.Sprintf("p50 %s  p90 %s  p99 %s  p99.9 %s  max %s", r.Latency.P50, r.Latency.P90, r.Latency.P99, r.Latency.P999, r.Latency.Max))
	switch v := r.Verified; {
	case v != nil:
		row("verified", fmt.Sprintf("%d verifications, %d different", v.Checked, v.Different))
	case r.Interrupted:
		row("ended early", "nothing was verified")
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return r.writeDifferences(out)
}

func (r *Report) writeDifferences(out io.Writer) error {
	if r.Verified == nil || r.Verified.Different == 0 {
		return nil
	}
	var b strings.Builder
	for _, d := range r.Verified.Differences {
		fmt.Fprintf(&b, "\n%s\n  want  %s\n  got   %s\n", d.ID, d.Want, d.Got)
	}
	if more := r.Verified.Different - len(r.Verified.Differences); more > 0 {
		fmt.Fprintf(&b, "\nand %d more\n", more)
	}
	if _, err := io.WriteString(out, b.String()); err != nil {
		return fmt.Errorf("write the differences: %w", err)
	}
	return nil
}
