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

// consumerMetrics are the instruments of one consumer, with every set of labels made once.
type consumerMetrics struct {
	messages metric.Int64Counter
	duration metric.Float64Histogram
	byResult map[string][]metric.AddOption
	labels   []metric.RecordOption
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
	consumer := attribute.String("consumer", c.Name)
	m := &consumerMetrics{
		messages: messages, duration: duration, byResult: map[string][]metric.AddOption{},
		labels: []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(consumer))},
	}
	for _, result := range []string{resultDone, resultRetried, resultDead, resultUnavailable, resultInterrupted} {
		m.byResult[result] = []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(consumer, attribute.String("result", result)))}
	}
	return m, nil
}

func (m *consumerMetrics) record(ctx context.Context, result string, took time.Duration) {
	m.messages.Add(ctx, 1, m.byResult[result]...)
	m.duration.Record(ctx, took.Seconds(), m.labels...)
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
