package lifecycle

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/verdict-stream/verdict/pkg/event"
)

// metrics are the figures of one provider. Labels are names of closed lists, never ids.
type metrics struct {
	provider  metric.MeasurementOption
	name      string
	outcomes  metric.Int64Counter
	outcomeOf map[event.OutcomeName][]metric.AddOption // what an outcome is counted with
	events    metric.Int64Counter
	anomalies metric.Int64Counter
	unknown   metric.Int64Counter
	waiting   metric.Float64Gauge
	oldest    atomic.Int64 // when the oldest delivery without outcome was stored, in nanoseconds since 1970; 0 where there is none
}

func newMetrics(provider string) (*metrics, error) {
	meter := otel.Meter("github.com/verdict-stream/verdict/services/lifecycle")
	m := &metrics{name: provider, provider: metric.WithAttributes(attribute.String("provider", provider))}
	var errs [5]error
	m.outcomes, errs[0] = meter.Int64Counter("verdict_delivery_outcomes_total",
		metric.WithDescription("Deliveries by how they ended."))
	m.events, errs[1] = meter.Int64Counter("verdict_events_published_total",
		metric.WithDescription("Verification events published."))
	m.anomalies, errs[2] = meter.Int64Counter("verdict_anomalies_total",
		metric.WithDescription("Anomalies that signals brought."))
	m.unknown, errs[3] = meter.Int64Counter("verdict_unknown_values_total",
		metric.WithDescription("Values of known fields that the decoder does not know."))
	m.outcomeOf = make(map[event.OutcomeName][]metric.AddOption, len(event.Outcomes))
	for _, name := range event.Outcomes {
		m.outcomeOf[name] = []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(
			attribute.String("provider", provider), attribute.String("outcome", string(name))))}
	}
	m.waiting, errs[4] = meter.Float64Gauge("verdict_oldest_unprocessed_seconds", metric.WithUnit("s"),
		metric.WithDescription("How long the oldest delivery without an outcome has waited."))
	return m, errors.Join(errs[:]...)
}

// signals counts what a delivery came to.
func (m *metrics) signals(ctx context.Context, r *result) {
	if r.applied {
		m.outcome(ctx, event.Applied)
	}
	anomalies := r.anomalies
	for _, c := range r.changes {
		anomalies = append(anomalies, c.Signal.Anomalies...)
	}
	for _, name := range anomalies {
		m.anomalies.Add(ctx, 1, m.provider, metric.WithAttributes(attribute.String("anomaly", name)))
	}
	for _, field := range r.unknown {
		m.unknown.Add(ctx, 1, m.provider, metric.WithAttributes(attribute.String("field", field)))
	}
}

func (m *metrics) outcome(ctx context.Context, name event.OutcomeName) {
	m.outcomes.Add(ctx, 1, m.outcomeOf[name]...)
}

func (m *metrics) published(ctx context.Context, n int) { m.events.Add(ctx, int64(n), m.provider) }

// waitsSince notes when the oldest delivery without an outcome was stored; the zero time is none.
func (m *metrics) waitsSince(stored time.Time) {
	if stored.IsZero() {
		m.oldest.Store(0)
		return
	}
	m.oldest.Store(stored.UnixNano())
}

// waited records and returns how long that has waited.
func (m *metrics) waited(ctx context.Context, now time.Time) time.Duration {
	var wait time.Duration
	if oldest := m.oldest.Load(); oldest != 0 {
		wait = now.Sub(time.Unix(0, oldest))
	}
	m.waiting.Record(ctx, wait.Seconds(), m.provider)
	return wait
}
