package bus

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// benchBody is as large as the usual webhook.
const benchBody = 2 << 10

// benchFetch is how many messages the bare consumer asks for at a time.
const benchFetch = 500

// BenchmarkConsumer measures what a consumer costs beyond what the broker itself does for it: a bare pull consumer that only acks is the
// baseline, in the same run.
func BenchmarkConsumer(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		connected := filledBus(b, b.N)
		consumer, err := connected.ensureConsumer(b.Context(), source{stream: Webhooks, filter: webhookFilter, durable: "bare"})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		b.ResetTimer()
		for done := 0; done < b.N; {
			batch, err := consumer.Fetch(min(benchFetch, b.N-done))
			if err != nil {
				b.Fatal(err)
			}
			for m := range batch.Messages() {
				if err := m.Ack(); err != nil {
					b.Fatal(err)
				}
				done++
			}
		}
		perSecond(b)
	})
	for _, concurrency := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("run/concurrency=%d", concurrency), func(b *testing.B) {
			connected := filledBus(b, b.N)
			ctx, stop := context.WithCancel(b.Context())
			defer stop()
			var handled atomic.Int64
			b.ReportAllocs()
			b.ResetTimer()
			err := connected.Run(ctx, Consumer{
				Name: lifecycle, Stream: Webhooks, Filter: webhookFilter, Concurrency: concurrency,
				Handle: func(context.Context, Stored) error {
					if handled.Add(1) == int64(b.N) {
						b.StopTimer() // What the end takes is no matter of messages.
						stop()
					}
					return nil
				},
			})
			if err != nil {
				b.Fatal(err)
			}
			perSecond(b)
		})
	}
}

func perSecond(b *testing.B) {
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// filledBus is a bus whose stream of webhooks holds n messages with the headers of events.
func filledBus(b *testing.B, n int) *Bus {
	b.Helper()
	connected := newTestBus(b)
	connected.timing = defaultTiming
	// The stream is no more than what the consumers read: it need not take atomic batches elsewhere.
	if _, err := connected.js.UpdateStream(b.Context(), jetstream.StreamConfig{
		Name: Webhooks, Subjects: []string{"kyc.webhook.*.*"}, Storage: jetstream.FileStorage, AllowAtomicPublish: true,
	}); err != nil {
		b.Fatal(err)
	}
	body := []byte(strings.Repeat("x", benchBody))
	for from := 0; from < n; from += MaxBatch {
		batch := make([]Message, min(MaxBatch, n-from))
		for i := range batch {
			id := fmt.Sprintf("idenfy:%016x", from+i)
			batch[i] = Message{Subject: webhookSubject, Data: body, Header: map[string][]string{
				MessageIDHeader: {id}, "ce-id": {id}, "ce-specversion": {"1.0"}, "ce-source": {"/verdict/default/receiver/idenfy"},
				"ce-type": {"kyc.webhook.idenfy.id_verification_auto_finish"}, "ce-time": {"2026-11-21T10:00:00.123456789Z"},
				"ce-datacontenttype": {"application/octet-stream"}, "content-type": {"application/octet-stream"},
				"ce-sealkey": {"idenfy-2026112110"}, "ce-traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
				"traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
			}}
		}
		if _, err := connected.PublishBatch(b.Context(), batch, Fence{}); err != nil {
			b.Fatal(err)
		}
	}
	return connected
}
