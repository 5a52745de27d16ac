package lifecycle

import (
	"fmt"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/runs"
)

// benchDeliveries are as many as can be posted one by one in some seconds.
const benchDeliveries = 4000

// filled has a state of half as many verifications as deliveries.
func filled(b *testing.B) *harness {
	h := newHarness(b)
	stop := h.start()
	defer stop()
	for i := range benchDeliveries {
		before := body{Ref: fmt.Sprint("v", i/2), Says: "yes", At: noon.Add(time.Duration(i%2) * time.Second)}
		now := before
		now.Says, now.Before = "no", &before
		h.post("check", now)
	}
	h.idle()
	return h
}

// BenchmarkReprocessPlan is a plan in which every verification changes.
func BenchmarkReprocessPlan(b *testing.B) {
	h := filled(b)
	h.upgrade(2)
	for b.Loop() {
		if plan := h.plan(); plan.Changed != benchDeliveries/2 {
			b.Fatalf("%d changed", plan.Changed)
		}
	}
	b.ReportMetric(float64(benchDeliveries*b.N)/b.Elapsed().Seconds(), "deliveries/s")
}

// BenchmarkReprocess is a run in which every verification changes the first time, and none after that.
func BenchmarkReprocess(b *testing.B) {
	h := filled(b)
	h.upgrade(2)
	stop := h.start()
	defer stop()
	n := 0
	for b.Loop() {
		n++
		run := fmt.Sprint("bench-", n)
		h.ask(run, h.plan())
		if got := h.await(VerbReprocess, run); got.State != runs.Done {
			b.Fatalf("%s: %s", got.State, got.Error)
		}
	}
	b.ReportMetric(float64(benchDeliveries*n)/b.Elapsed().Seconds(), "deliveries/s")
}

// BenchmarkRebuildState makes the state anew beside the one in use.
func BenchmarkRebuildState(b *testing.B) {
	h := filled(b)
	stop := h.start()
	defer stop()
	var paused time.Duration
	for b.Loop() {
		run, detail := h.rebuild(false)
		if run.State != runs.Done {
			b.Fatalf("%s: %s", run.State, run.Error)
		}
		paused += detail.Paused
	}
	b.ReportMetric(float64(benchDeliveries*b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(paused.Seconds()*1000/float64(b.N), "ms-paused")
}
