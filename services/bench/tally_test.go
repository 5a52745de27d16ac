package bench

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTallyCountsEachOnce(t *testing.T) {
	start := time.Unix(1000, 0)
	end := start.Add(time.Second)
	one := newTally()
	one.elapsed, one.cpu = 2*time.Second, time.Millisecond
	one.add(outcomeOK, start, start.Add(10*time.Millisecond), end)
	one.add(outcomeOK, start, end, end)
	one.add(outcomeOK, start, end.Add(time.Millisecond), end)
	one.add("status 503", start, start, end)
	if one.perSecond() != 1.5 || one.within != 2 || one.ok() != 3 || one.sent() != 4 || !one.last.Equal(end.Add(time.Millisecond)) || one.failures() != "status 503: 1" {
		t.Errorf("%v a second, %d taken, %d sent, %s", one.perSecond(), one.ok(), one.sent(), one.failures())
	}
	if empty := newTally().perSecond(); empty != 0 {
		t.Errorf("nothing is %v a second", empty)
	}
	sum := newTally()
	sum.merge(one)
	sum.merge(one)
	if sum.perSecond() != 1.5 || sum.within != 4 || sum.ok() != 6 || sum.failed() != 2 || sum.latency.TotalCount() != 6 || sum.cpu != 2*time.Millisecond {
		t.Errorf("twice: %v a second, %d taken, %d failed, %d latencies, %v", sum.perSecond(), sum.ok(), sum.failed(), sum.latency.TotalCount(), sum.cpu)
	}
}

// Percentiles are those of the values that were put in, within a thousandth.
func TestQuantiles(t *testing.T) {
	h := newHistogram()
	for i := 1; i <= 10_000; i++ {
		observe(h, time.Duration(i)*time.Millisecond/10)
	}
	for q, want := range map[float64]float64{50: 500, 99: 990, 99.9: 999} {
		if got := quantile(h, q); got < want*0.999 || got > want*1.001 {
			t.Errorf("p%v is %v ms, want %v", q, got, want)
		}
	}
	observe(h, time.Hour)
	observe(h, -time.Second)
	if got := quantile(h, 100); got < 59_900 || got > 60_100 {
		t.Errorf("an hour counts as %v ms", got)
	}
}

func TestQuantilesWithoutValuesAreLeftOut(t *testing.T) {
	many, few, none := newHistogram(), newHistogram(), newHistogram()
	for range 1000 {
		observe(many, time.Millisecond)
	}
	for range 100 {
		observe(few, time.Millisecond)
	}
	if diff := cmp.Diff([]float64{50, 99, 99.9}, quantiles(many)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float64{50, 99}, quantiles(many, few)); diff != "" {
		t.Error(diff)
	}
	if got := quantiles(none); got != nil {
		t.Errorf("of nothing there are %v", got)
	}
}
