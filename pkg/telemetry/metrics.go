package telemetry

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/resource"
)

// secondBuckets reach from a commit on a fast disk to the longest time that a
// provider waits for an answer.
var secondBuckets = []float64{
	0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
}

// newMetrics returns a meter provider and the registry to which it writes. An
// instrument appears under its own name with dots as underscores; "_total" and
// the unit are added where the name does not end in them already.
func newMetrics(about *resource.Resource) (*metric.MeterProvider, *prometheus.Registry, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	exporter, err := otelprometheus.New(
		otelprometheus.WithRegisterer(registry),
		otelprometheus.WithoutScopeInfo(),
		otelprometheus.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes),
	)
	if err != nil {
		return nil, nil, fmt.Errorf("make metrics exporter: %w", err)
	}
	provider := metric.NewMeterProvider(
		metric.WithResource(about),
		metric.WithReader(exporter),
		metric.WithView(view),
		// Exemplars would carry the attributes that the view leaves out.
		metric.WithExemplarFilter(exemplar.AlwaysOffFilter),
	)
	return provider, registry, nil
}

// view is one function, since an instrument that two views match is counted
// twice.
func view(instrument metric.Instrument) (metric.Stream, bool) {
	stream := metric.Stream{
		Name:        instrument.Name,
		Description: instrument.Description,
		Unit:        instrument.Unit,
	}
	seconds := instrument.Kind == metric.InstrumentKindHistogram && instrument.Unit == "s"
	if seconds {
		stream.Aggregation = metric.AggregationExplicitBucketHistogram{Boundaries: secondBuckets}
	}
	server := strings.HasPrefix(instrument.Name, "http.server.")
	if server {
		// The rest, like the Host header, is for the client to choose, and each
		// choice would be a new time series.
		stream.AttributeFilter = attribute.NewAllowKeysFilter(
			"http.request.method", "http.route", "http.response.status_code")
	}
	return stream, seconds || server
}

func metricsHandler(registry *prometheus.Registry, log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError),
	})
}
