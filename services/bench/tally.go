package bench

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The outcomes of a request besides "status …", which is an answer other than 200.
const (
	outcomeOK         = "ok"
	outcomeStalled    = "stalled"    // no answer in time
	outcomeClosed     = "closed"     // the connection was closed before the answer was complete
	outcomeBroken     = "broken"     // the connection failed
	outcomeRefused    = "refused"    // there was no connection
	outcomeUnreadable = "unreadable" // an answer that is not one
)

const (
	// What is measured lies between a microsecond and a minute, with an error of a thousandth.
	shortest  = time.Microsecond
	longest   = time.Minute
	precision = 3
)

// newHistogram counts microseconds.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(longest/shortest), precision)
}

// observe counts a duration; one that is too long counts as the longest.
func observe(h *hdrhistogram.Histogram, d time.Duration) {
	// The value is within the bounds, so that there is no error.
	_ = h.RecordValue(int64(min(max(d, shortest), longest) / shortest))
}

// tally is what became of the requests of one load: each of them has one outcome.
type tally struct {
	mu       sync.Mutex
	outcomes map[string]int
	// within are the requests that were taken before the load's end.
	within  int
	latency *hdrhistogram.Histogram // of those that were taken

	last    time.Time     // when the last one was taken
	elapsed time.Duration // from the beginning until then
	cpu     time.Duration // of this process meanwhile
}

func newTally() *tally { return &tally{outcomes: map[string]int{}, latency: newHistogram()} }

func (t *tally) add(outcome string, begun, now, end time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.outcomes[outcome]++
	if outcome == outcomeOK {
		observe(t.latency, now.Sub(begun))
		if now.After(t.last) {
			t.last = now
		}
		if !now.After(end) {
			t.within++
		}
	}
}

func (t *tally) ok() int { return t.outcomes[outcomeOK] }

func (t *tally) sent() int {
	sum := 0
	for _, n := range t.outcomes {
		sum += n
	}
	return sum
}

// failed is how many requests were not answered with 200.
func (t *tally) failed() int { return t.sent() - t.ok() }

// failures names them, by outcome.
func (t *tally) failures() string {
	var list []string
	for _, outcome := range slices.Sorted(maps.Keys(t.outcomes)) {
		if outcome != outcomeOK {
			list = append(list, outcome+": "+strconv.Itoa(t.outcomes[outcome]))
		}
	}
	return strings.Join(list, ", ")
}

// perSecond is how many requests a second were taken, those included that were under way when
// the load ended: a server may answer many at once, and more than a load takes apart.
func (t *tally) perSecond() float64 {
	if t.elapsed <= 0 {
		return 0
	}
	return float64(t.ok()) / t.elapsed.Seconds()
}

// merge adds what another load of the same kind came to.
func (t *tally) merge(other *tally) {
	for outcome, n := range other.outcomes {
		t.outcomes[outcome] += n
	}
	t.within += other.within
	t.latency.Merge(other.latency)
	t.elapsed += other.elapsed
	t.cpu += other.cpu
}

// shownQuantiles are the percentiles that are shown, where there are so many values that one
// of them is above.
var shownQuantiles = []struct {
	percent float64
	values  int64
}{{50, 2}, {99, 100}, {99.9, 1000}}

// quantiles are those that all of the histograms have values above.
func quantiles(histograms ...*hdrhistogram.Histogram) []float64 {
	var list []float64
	for _, q := range shownQuantiles {
		if !slices.ContainsFunc(histograms, func(h *hdrhistogram.Histogram) bool { return h.TotalCount() < q.values }) {
			list = append(list, q.percent)
		}
	}
	return list
}

// quantile returns a latency in milliseconds.
func quantile(h *hdrhistogram.Histogram, percent float64) float64 {
	return float64(h.ValueAtQuantile(percent)) * float64(shortest) / float64(time.Millisecond)
}
