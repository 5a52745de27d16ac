package projector

import (
	"context"
	"fmt"
	"testing"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider/idenfy"
)

// benchCases is how many verifications there are, each with two deliveries that bring claims, and their two events.
const benchCases = 2000

// BenchmarkProjector measures how fast an empty read model is filled. The same consumers with handlers that do nothing are the baseline,
// in the same run.
func BenchmarkProjector(b *testing.B) {
	w := newWorld(b)
	for i := range benchCases {
		reference := fmt.Sprint("s", i)
		w.tell(&idenfy.Provider, autoFinish, scan(reference, false, 60, "APPROVED", "Ada"))
		w.tell(&idenfy.Provider, manualFinish, scan(reference, true, 90, "APPROVED", "Ada"))
	}
	b.Run("bare", func(b *testing.B) {
		w.measure(b, func(ctx context.Context, p *projector) error {
			consumers := p.consumers()
			for i := range consumers {
				consumers[i].Handle = func(context.Context, bus.Stored) error { return nil }
			}
			return w.bus.Run(ctx, consumers...)
		})
	})
	b.Run("projector", func(b *testing.B) {
		w.measure(b, func(ctx context.Context, p *projector) error { return p.bus.Run(ctx, p.consumers()...) })
	})
}

// measure takes the time until the consumers of a projector are done with all streams.
func (w *world) measure(b *testing.B, run func(context.Context, *projector) error) {
	for range b.N {
		b.StopTimer()
		p := w.projector(b)
		for _, c := range p.consumers() {
			if err := w.bus.ResetConsumer(b.Context(), c.Stream, c.Name); err != nil {
				b.Fatal(err)
			}
		}
		ctx, stop := context.WithCancel(b.Context())
		done := make(chan error, 1)
		b.StartTimer()
		go func() { done <- run(ctx, p) }()
		await(b, "the end of all streams", func() bool { return w.done(p) })
		b.StopTimer()
		stop()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*2*benchCases)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(0, "ns/op")
}
