package crash

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
)

// Report is what a run came to.
type Report struct {
	Seed   uint64
	Rounds int
	// Totals of what was done and of what was seen.
	Requests, Accepted, Duplicate, Held, Refused, Unanswered, GivenUp int
	Deliveries, Events, Verified                                      int
	Kills, Fills, Stalls, Cuts, Restores                              int
	// Unavailable counts the answers with 503 by what was wrong then.
	Unavailable map[string]int
	// Outage is the longest time in which no webhook was taken while new ones were sent, Ready
	// how long each start after a kill took, Visible how long after the end of each fault the
	// API showed that new webhooks of every provider come through, by the fault.
	Outage  time.Duration
	Ready   []time.Duration
	Visible map[string][]time.Duration
	// Failed are the rounds with findings.
	Failed []Failure
}

// Failure is a round that has broken a promise, with what is needed to play it again.
type Failure struct {
	Form     string
	Seed     uint64
	Found    []Finding
	Evidence string // where its logs are
}

// take adds up what a round has left.
func (r *Report) take(e *Evidence) {
	if r.Unavailable == nil {
		r.Unavailable = map[string]int{}
	}
	for i := range e.Requests {
		q := &e.Requests[i]
		r.Requests++
		switch {
		case q.Status == 0:
			r.Unanswered++
		case q.Result == accepted:
			r.Accepted++
		case q.Result == duplicate:
			r.Duplicate++
		case q.Result == held:
			r.Held++
		case q.Status == 503:
			r.Unavailable[q.Fault]++
		default:
			r.Refused++
		}
	}
	for i := range e.Stored {
		if e.Stored[i].Stream == bus.Webhooks {
			r.Deliveries++
		}
	}
	r.Events += len(e.Events)
}

// Broken is how often each promise was broken.
func (r *Report) Broken() map[Count]int {
	broken := map[Count]int{}
	for _, failure := range r.Failed {
		for _, f := range failure.Found {
			broken[f.Count]++
		}
	}
	return broken
}

// WriteTable writes the report for people.
func (r *Report) WriteTable(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(table, "%s\t%v\n", name, value) }
	row("seed", r.Seed)
	row("rounds", r.Rounds)
	row("webhooks sent", fmt.Sprintf("%d: %d accepted, %d duplicate, %d held, %d refused, %d unanswered; %d given up",
		r.Requests, r.Accepted, r.Duplicate, r.Held, r.Refused, r.Unanswered, r.GivenUp))
	row("deliveries", fmt.Sprintf("%d, with %d events; %d verifications asked for", r.Deliveries, r.Events, r.Verified))
	row("faults", fmt.Sprintf("%d kills, %d full disks, %d stalls, %d cuts, %d restores", r.Kills, r.Fills, r.Stalls, r.Cuts, r.Restores))
	var causes []string
	for _, fault := range slices.Sorted(maps.Keys(r.Unavailable)) {
		label := fault
		if fault == "" {
			label = "no fault"
		}
		causes = append(causes, fmt.Sprintf("%d during %s", r.Unavailable[fault], label))
	}
	row("answered with 503", strings.Join(causes, ", "))
	row("longest outage", r.Outage.Round(time.Millisecond))
	row("ready after a kill", spread(r.Ready))
	for _, fault := range slices.Sorted(maps.Keys(r.Visible)) {
		row("visible after "+fault, spread(r.Visible[fault]))
	}
	broken := r.Broken()
	for _, count := range Counts {
		row(string(count), broken[count])
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	for _, failure := range r.Failed {
		_, err := fmt.Fprintf(out, "\nfailed: FORM=%s SEED=%d, logs in %s\n%s", failure.Form, failure.Seed, failure.Evidence, describe(failure.Found))
		if err != nil {
			return fmt.Errorf("write the findings: %w", err)
		}
	}
	return nil
}

// spread shows how durations are distributed.
func spread(list []time.Duration) string {
	if len(list) == 0 {
		return "-"
	}
	slices.Sort(list)
	return fmt.Sprintf("p50 %v, max %v", list[len(list)/2].Round(time.Millisecond), list[len(list)-1].Round(time.Millisecond))
}
