package simulator

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The range of the latencies that are told apart, and how exactly.
const (
	shortest = time.Microsecond
	longest  = 10 * time.Minute
	figures  = 3
)

// tally counts what happens.
type tally struct {
	mu        sync.Mutex
	begun     time.Time
	counts    Counts
	questions int                     // to the API
	latency   *hdrhistogram.Histogram // of what the providers sent, in units of the shortest
}

func newTally() *tally {
	return &tally{
		begun: time.Now(), counts: Counts{Refused: map[string]int{}},
		latency: hdrhistogram.New(1, int64(longest/shortest), figures),
	}
}

// count counts one request and its answer.
func (t *tally) count(one step, given answer, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &t.counts
	c.Sent++
	switch {
	case !given.taken():
		c.Refused[given.cause]++
	case given.result == resultAccepted:
		c.Accepted++
	case given.result == resultDuplicate:
		c.Duplicate++
	case given.result == resultIgnored:
		c.Ignored++
	default:
		c.Held++
	}
	if !one.forged {
		// A value outside of the range is put at its end, where nothing can fail.
		_ = t.latency.RecordValue(min(max(int64(took/shortest), 1), int64(longest/shortest)))
		if given.taken() && !slices.Contains(expected[one.posted.Family], given.result) {
			c.Unexpected++
		}
		return
	}
	c.Forged.count(given, one.player.Provider.RefusedStatus)
}

// count counts the answer to one more request with a bad signature.
func (f *Forged) count(given answer, status int) {
	f.Sent++
	switch {
	case given.taken():
		f.Accepted++
	case given.status == status && given.cause == causeBadSignature:
		f.Refused++
	case given.status == 0, given.cause == causeUnavailable:
		f.Unanswered++
	default:
		f.RefusedOtherwise++
	}
}

func (t *tally) retried() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Retried++
}

func (t *tally) failed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Failed++
}

// snapshot returns the counts so far.
func (t *tally) snapshot() (Counts, Latency, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := t.counts
	counts.Refused = maps.Clone(counts.Refused)
	return counts, t.latencies(), time.Since(t.begun)
}

func (t *tally) latencies() Latency {
	at := func(percentile float64) Milliseconds {
		return Milliseconds(time.Duration(t.latency.ValueAtQuantile(percentile)) * shortest)
	}
	return Latency{
		P50: at(50), P90: at(90), P99: at(99), P999: at(99.9),
		Max: Milliseconds(time.Duration(t.latency.Max()) * shortest),
	}
}

// looked counts one question to the API.
func (t *tally) looked() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.questions++
}

func (t *tally) progress() Progress {
	counts, latency, elapsed := t.snapshot()
	t.mu.Lock()
	defer t.mu.Unlock()
	return Progress{Counts: counts, Latency: latency, Elapsed: elapsed, Looked: t.questions}
}
