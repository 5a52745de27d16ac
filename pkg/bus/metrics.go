package bus

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// How handling a message ended, in metrics and traces.
const (
	resultDone        = "done"
	resultRetried     = "retried"
	resultDead        = "dead"
	resultUnavailable = "unavailable"
	resultInterrupted = "interrupted"
)

// pendingTimeout bounds how long a scrape of the metrics waits for the broker.
const pendingTimeout = time.Second

type consumerMetrics struct {
	consumer attribute.KeyValue
	messages metric.Int64Counter
	duration metric.Float64Histogram
}

func newConsumerMetrics(c Consumer) (*consumerMetrics, error) {
	meter := otel.Meter(instrumentation)
	messages, err := meter.Int64Counter("verdict_consumer_messages_total",
		metric.WithDescription("Messages handled, by how it ended."))
	if err != nil {
		return nil, err
	}
	duration, err := meter.Float64Histogram("verdict_consumer_duration_seconds", metric.WithUnit("s"),
		metric.WithDescription("Time a handler took for one message."))
	if err != nil {
		return nil, err
	}
	return &consumerMetrics{consumer: attribute.String("consumer", c.Name), messages: messages, duration: duration}, nil
}

func (m *consumerMetrics) record(ctx context.Context, result string, took time.Duration) {
	m.messages.Add(ctx, 1, metric.WithAttributes(m.consumer, attribute.String("result", result)))
	m.duration.Record(ctx, took.Seconds(), metric.WithAttributes(m.consumer))
}

// observePending reports the consumer's lag on every scrape until the returned function is called. While the broker is away there is no value.
func (b *Bus) observePending(c Consumer) (stop func(), err error) {
	meter := otel.Meter(instrumentation)
	gauge, err := meter.Int64ObservableGauge("verdict_consumer_pending",
		metric.WithDescription("Messages that a consumer is not done with."))
	if err != nil {
		return nil, err
	}
	registration, err := meter.RegisterCallback(func(ctx context.Context, observer metric.Observer) error {
		ctx, cancel := context.WithTimeout(ctx, pendingTimeout)
		defer cancel()
		if lag, err := b.Pending(ctx, c.Stream, c.Name); err == nil {
			observer.ObserveInt64(gauge, int64(lag.Waiting+lag.Unacked), metric.WithAttributes(attribute.String("consumer", c.Name)))
		}
		return nil
	}, gauge)
	if err != nil {
		return nil, err
	}
	return func() { _ = registration.Unregister() }, nil
}
