// Package telemetry is how a process tells what it does: slog for logs and
// OpenTelemetry for traces and metrics, behind one Start.
//
// It holds these promises:
//   - A log line written with the context of a span names its trace and span,
//     whether or not traces are exported.
//   - Trace context travels in headers as lower-case W3C traceparent; nothing
//     else is passed on from strangers.
//   - Metrics are served for Prometheus without labels that a client can choose.
//   - A collector that is away costs one log line a minute and delays nothing.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Config says what a process is called and where its telemetry goes.
type Config struct {
	Service  string // name of the service, for example "verdict-receiver"
	Version  string // version of the program
	Instance string // name of the installation, the namespace of its services

	LogLevel  slog.Level // lines below it are not written
	LogFormat string     // "text", the default, or "json"
	LogWriter io.Writer  // standard error where it is nil

	// OTLPEndpoint is the base URL of a collector that takes traces over HTTP.
	// Where it is empty the standard OTEL_EXPORTER_OTLP_* variables decide, and
	// without them nothing is exported. The other OTEL_* variables, such as
	// headers, timeouts and resource attributes, count in any case.
	OTLPEndpoint string
}

// Telemetry is what Start set up.
type Telemetry struct {
	log      *slog.Logger
	traces   *trace.TracerProvider
	metrics  *metric.MeterProvider
	registry *prometheus.Registry
}

// stormEvery is how often the same complaint of OpenTelemetry is written.
const stormEvery = time.Minute

// Start sets up telemetry and makes it the process's own: the globals of
// OpenTelemetry and the default of slog. Instruments made by a package before
// Start are connected to the first one of the process only, so they belong into
// constructors. Start connects to nothing and does not wait for a collector.
func Start(ctx context.Context, config Config) (*Telemetry, error) {
	writer := config.LogWriter
	if writer == nil {
		writer = os.Stderr
	}
	log, err := newLogger(writer, config.LogLevel, config.LogFormat)
	if err != nil {
		return nil, fmt.Errorf("start telemetry: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithService(), // a random id of this process among others
		resource.WithAttributes(
			semconv.ServiceNamespace(config.Instance),
			semconv.ServiceName(config.Service),
			semconv.ServiceVersion(config.Version),
		),
		resource.WithFromEnv(), // last, so that the environment wins
	)
	if err != nil {
		return nil, fmt.Errorf("start telemetry: %w", err)
	}
	metrics, registry, err := newMetrics(about)
	if err != nil {
		return nil, fmt.Errorf("start telemetry: %w", err)
	}
	traces, err := newTraces(ctx, config.OTLPEndpoint, about)
	if err != nil {
		return nil, fmt.Errorf("start telemetry: %w", errors.Join(err, metrics.Shutdown(ctx)))
	}

	// The error handler comes first: the others may complain at once.
	complaints := Every(log, stormEvery)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		complaints.Error("telemetry failed", "error", err)
	}))
	otel.SetLogger(logr.FromSlogHandler(complaints.Handler()))
	otel.SetTextMapPropagator(traceContext)
	otel.SetMeterProvider(metrics)
	otel.SetTracerProvider(traces)
	slog.SetDefault(log)
	return &Telemetry{log: log, traces: traces, metrics: metrics, registry: registry}, nil
}

// Logger returns the process's logger.
func (t *Telemetry) Logger() *slog.Logger { return t.log }

// MetricsHandler serves all metrics of the process in Prometheus' text format.
func (t *Telemetry) MetricsHandler() http.Handler {
	return metricsHandler(t.registry, Every(t.log, stormEvery))
}

// Shutdown exports the spans that still wait, as far as ctx leaves time for it,
// and ends what Start began. It is called once, after everything else has ended;
// logging works on.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	if err := errors.Join(t.traces.Shutdown(ctx), t.metrics.Shutdown(ctx)); err != nil {
		return fmt.Errorf("stop telemetry: %w", err)
	}
	return nil
}
