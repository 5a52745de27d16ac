package consume

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

const (
	benchEvents = 20_000
	// benchVerifications have benchEvents between them.
	benchVerifications = 5_000
)

// BenchmarkRun reads a stream with handlers that do nothing; compare it with BenchmarkBare, which only counts.
func BenchmarkRun(b *testing.B) {
	broker := benchBroker(b)
	for i := 0; b.Loop(); i++ {
		ctx, cancel := context.WithCancel(b.Context())
		var handled atomic.Int64
		err := Run(ctx, Config{Conn: broker.conn, Name: fmt.Sprintf("run-%d", i), Start: FromBeginning(), Logger: quiet, fetchWait: 10 * time.Millisecond},
			Once(NewMemory(benchVerifications), func(context.Context, Event) error {
				if handled.Add(1) == benchEvents {
					cancel()
				}
				return nil
			}))
		cancel()
		if err != nil || handled.Load() != benchEvents {
			b.Fatalf("%d events: %v", handled.Load(), err)
		}
	}
	b.ReportMetric(float64(benchEvents)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkBare reads it with a consumer that acks each message and counts.
func BenchmarkBare(b *testing.B) {
	broker := benchBroker(b)
	for i := 0; b.Loop(); i++ {
		consumer, err := broker.js.CreateConsumer(b.Context(), Verifications, jetstream.ConsumerConfig{
			Durable: fmt.Sprintf("bare-%d", i), AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: defaultMaxUnacked,
		})
		must(b, err)
		for count := 0; count < benchEvents; {
			batch, err := consumer.Fetch(min(maxFetch, benchEvents-count))
			must(b, err)
			for msg := range batch.Messages() {
				count++
				must(b, msg.Ack())
			}
			must(b, batch.Error())
		}
	}
	b.ReportMetric(float64(benchEvents)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func benchBroker(b *testing.B) *broker {
	b.Helper()
	broker := newBroker(b)
	js, err := jetstream.New(broker.conn, jetstream.WithPublishAsyncMaxPending(1000))
	must(b, err)
	for i := range benchEvents {
		id := made("idenfy", "id_verification", fmt.Sprint(i%benchVerifications))
		v := event.Verification{
			ID: id.String(), Provider: id.Provider, Kind: id.Kind, Reference: id.Reference, Scope: verification.Case, Status: verification.Pending,
			Version: i/benchVerifications + 1, Reasons: []verification.Reason{}, Anomalies: []string{}, OccurredAt: time.Now(), ReceivedAt: time.Now(), CausationID: "cause:1",
		}
		header, data, err := v.Encode("default", verification.Noted, "")
		must(b, err)
		_, err = js.PublishMsgAsync(&nats.Msg{
			Subject: event.VerificationSubject(false, id.Provider, id.Kind, verification.Noted), Header: header, Data: data,
		}, jetstream.WithStallWait(patience))
		must(b, err)
	}
	<-js.PublishAsyncComplete()
	return broker
}
