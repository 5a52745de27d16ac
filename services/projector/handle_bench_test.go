package projector

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider/idenfy"
)

// benchWebhooks is how many deliveries there are, each with its own verification.
const benchWebhooks = 4000

// BenchmarkHandle measures what a delivery and its event use of the processors and of the disk, without what brings them here: as many
// messages of each stream are in work as the projector allows.
func BenchmarkHandle(b *testing.B) {
	w := newWorld(b)
	random := rand.New(rand.NewPCG(1, 1))
	for range benchWebhooks {
		for _, d := range idenfy.Provider.Scenarios[0].Make(random, w.now).Deliveries {
			w.tell(&idenfy.Provider, d.Event, string(d.Body))
		}
	}
	messages := w.messages(w.projector(b))
	for b.Loop() {
		b.StopTimer()
		p := w.projector(b)
		worked, written := work(b), bytesWritten(b)
		b.StartTimer()
		var all sync.WaitGroup
		for _, c := range p.consumers() {
			next := make(chan step, len(messages[c.Name]))
			for _, m := range messages[c.Name] {
				next <- step{m, c.Handle}
			}
			close(next)
			for range concurrency {
				all.Go(func() {
					for s := range next {
						if err := s.handle(context.Background(), s.Stored); err != nil {
							b.Error(err)
						}
					}
				})
			}
		}
		all.Wait()
		b.StopTimer()
		b.ReportMetric(float64(work(b)-worked)/benchWebhooks/1e3, "cpu-µs/webhook")
		b.ReportMetric(float64(bytesWritten(b)-written)/benchWebhooks, "B-written/webhook")
		b.StartTimer()
	}
	b.ReportMetric(0, "ns/op")
}

// work is the time that this process has worked, in nanoseconds.
func work(b *testing.B) int64 {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}

// bytesWritten is what this process has written to files so far.
func bytesWritten(b *testing.B) int64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Skip("the system does not tell what is written")
	}
	_, rest, _ := strings.Cut(string(text), "wchar: ")
	var n int64
	if _, err := fmt.Sscan(rest, &n); err != nil {
		b.Fatal(err)
	}
	return n
}
