package lifecycle

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
)

// BenchmarkLifecycle handles a backlog: one operation is one delivery, from the stream of deliveries to its event in the
// stream of events. The baseline is a consumer that acks the same backlog and does nothing else.
//
//	go test -bench Lifecycle -benchtime 10000x -count 6 | benchstat -col /by -
func BenchmarkLifecycle(b *testing.B) {
	b.Run("by=acks", func(b *testing.B) {
		h := newHarness(b)
		h.backlog(b.N)
		var handled atomic.Int64
		done := make(chan struct{})
		ctx, cancel := context.WithCancel(b.Context())
		defer h.working()()
		b.ResetTimer()
		var consumer sync.WaitGroup
		consumer.Go(func() {
			err := h.bus.Run(ctx, bus.Consumer{
				Name: "acks", Stream: bus.Webhooks, Filter: event.WebhookFilter("acme"), Concurrency: concurrency,
				Handle: func(context.Context, bus.Stored) error {
					if handled.Add(1) == int64(b.N) {
						close(done)
					}
					return nil
				},
			})
			if err != nil {
				b.Error(err)
			}
		})
		<-done
		b.StopTimer()
		cancel()
		consumer.Wait()
	})
	b.Run("by=lifecycle", func(b *testing.B) {
		h := newHarness(b)
		h.backlog(b.N)
		defer h.working()()
		b.ResetTimer()
		stop := h.start()
		for tick := time.Tick(time.Millisecond); ; <-tick {
			state, err := h.bus.StreamState(b.Context(), bus.Verifications)
			if err != nil {
				b.Fatal(err)
			}
			if state.LastSeq >= uint64(b.N) {
				break
			}
		}
		b.StopTimer()
		stop()
	})
}

// working begins to count the time that this process works; the function that it returns reports that.
func (h *harness) working() (report func()) {
	used := func() int64 {
		var used syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
			h.t.Fatal(err)
		}
		return used.Utime.Nano() + used.Stime.Nano()
	}
	before := used()
	return func() {
		if b, ok := h.t.(*testing.B); ok {
			b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op")
		}
	}
}

// backlog posts n deliveries: three of each verification.
func (h *harness) backlog(n int) {
	h.t.Helper()
	const senders = 64
	says := []string{"started", "review", "yes"}
	var all sync.WaitGroup
	for sender := range senders {
		all.Go(func() {
			for i := sender; i < n; i += senders {
				h.post("check", body{
					Ref: fmt.Sprintf("case-%08d", i/len(says)), Says: says[i%len(says)], At: noon.Add(time.Duration(i) * time.Second),
					Applicant: fmt.Sprintf("person-%08d", i/len(says)),
				})
			}
		})
	}
	all.Wait()
}
