package replay

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/verdict-stream/verdict/pkg/bus"
)

const benchEvents = 100_000

// BenchmarkFile is a replay to a file.
func BenchmarkFile(b *testing.B) {
	broker := newBus(b)
	publish(b, broker, 0, benchEvents)
	d := newDesk(broker)
	path := filepath.Join(b.TempDir(), "events.ndjson")
	for b.Loop() {
		runWhole(b, d, "bench", Request{Target: filePrefix + path})
		if err := d.Forget(b.Context(), "bench"); err != nil {
			b.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(info.Size())
		if err := os.Remove(path); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(benchEvents*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkStream is a replay to a stream.
func BenchmarkStream(b *testing.B) {
	broker := newBus(b)
	publish(b, broker, 0, benchEvents)
	d := newDesk(broker)
	for b.Loop() {
		runWhole(b, d, "bench", Request{})
		if err := d.Forget(b.Context(), "bench"); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(benchEvents*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkScan is what there is to gain: a scan that only counts.
func BenchmarkScan(b *testing.B) {
	broker := newBus(b)
	publish(b, broker, 0, benchEvents)
	for b.Loop() {
		count := 0
		if _, err := broker.Scan(b.Context(), bus.Span{Stream: bus.Verifications}, func(bus.Stored) error { count++; return nil }); err != nil || count != benchEvents {
			b.Fatal(count, err)
		}
	}
	b.ReportMetric(benchEvents*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
