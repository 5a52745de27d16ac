package receiver

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/verdict-stream/verdict/pkg/spool"
)

// scope names this package in traces and metrics.
const scope = "github.com/verdict-stream/verdict/services/receiver"

// metrics count webhooks. Labels come from lists, never from a request.
type metrics struct {
	webhooks metric.Int64Counter
	duration metric.Float64Histogram
	inFlight metric.Int64UpDownCounter
	dropped  metric.Int64Counter
	labels   sync.Map // the sets that were made, by labels: there are as many as the lists allow
}

func newMetrics() (*metrics, error) {
	meter := otel.Meter(scope)
	var m metrics
	var err error
	if m.webhooks, err = meter.Int64Counter("verdict_webhooks_total",
		metric.WithDescription("Webhooks by what became of them.")); err != nil {
		return nil, fmt.Errorf("make metrics: %w", err)
	}
	if m.duration, err = meter.Float64Histogram("verdict_webhook_duration_seconds", metric.WithUnit("s"),
		metric.WithDescription("Time from a webhook's header to its answer.")); err != nil {
		return nil, fmt.Errorf("make metrics: %w", err)
	}
	if m.inFlight, err = meter.Int64UpDownCounter("verdict_webhooks_in_flight",
		metric.WithDescription("Webhooks that wait for their answer.")); err != nil {
		return nil, fmt.Errorf("make metrics: %w", err)
	}
	if m.dropped, err = meter.Int64Counter("verdict_refusals_dropped_total",
		metric.WithDescription("Refused webhooks of which no record was kept.")); err != nil {
		return nil, fmt.Errorf("make metrics: %w", err)
	}
	return &m, nil
}

// watchSpool tells how much waits in the spool, until the returned function is called.
func watchSpool(s *spool.Spool) (stop func(), err error) {
	meter := otel.Meter(scope)
	waiting, err := meter.Int64ObservableGauge("verdict_spool_webhooks",
		metric.WithDescription("Webhooks in the spool, which the broker does not have yet."))
	if err != nil {
		return nil, fmt.Errorf("make metrics: %w", err)
	}
	oldest, err := meter.Float64ObservableGauge("verdict_spool_oldest_seconds", metric.WithUnit("s"),
		metric.WithDescription("Age of the oldest of them; 0 where there is none."))
	if err != nil {
		return nil, fmt.Errorf("make metrics: %w", err)
	}
	registration, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		size := s.Size()
		o.ObserveInt64(waiting, int64(size.Entries))
		age := 0.0
		if size.Entries > 0 {
			age = time.Since(size.Oldest).Seconds()
		}
		o.ObserveFloat64(oldest, age)
		return nil
	}, waiting, oldest)
	if err != nil {
		return nil, fmt.Errorf("make metrics: %w", err)
	}
	return func() { _ = registration.Unregister() }, nil
}

func byProvider(name string) attribute.KeyValue { return attribute.String("provider", name) }

func (m *metrics) begin(ctx context.Context, labels metric.MeasurementOption) {
	m.inFlight.Add(ctx, 1, labels)
}

func (m *metrics) end(ctx context.Context, labels metric.MeasurementOption, took time.Duration) {
	m.inFlight.Add(ctx, -1, labels)
	m.duration.Record(ctx, took.Seconds(), labels)
}

// labels are those of a webhook's end.
type labels struct{ provider, event, label string }

func (m *metrics) count(ctx context.Context, o *outcome) {
	key := labels{o.provider, o.event, o.label()}
	option, made := m.labels.Load(key)
	if !made {
		option = metric.WithAttributeSet(attribute.NewSet(
			byProvider(key.provider), attribute.String("event", key.event), attribute.String("result", key.label)))
		m.labels.Store(key, option)
	}
	m.webhooks.Add(ctx, 1, option.(metric.MeasurementOption))
}

func (m *metrics) drop(provider string) {
	m.dropped.Add(context.Background(), 1, metric.WithAttributes(byProvider(provider)))
}
