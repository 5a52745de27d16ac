package telemetry

import (
	"context"
	"fmt"
	"net/url"
	"os"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// newTraces returns a tracer provider that exports only if an endpoint is
// configured here or in the environment. Without one its spans still have valid
// ids, so that logs and events name their trace. It samples as the parent did and
// a trace without parent always, unless OTEL_TRACES_SAMPLER says otherwise.
func newTraces(ctx context.Context, endpoint string, about *resource.Resource) (*trace.TracerProvider, error) {
	options := []trace.TracerProviderOption{trace.WithResource(about)}
	if endpoint != "" || endpointInEnvironment() {
		exporter, err := newExporterOptions(endpoint)
		if err != nil {
			return nil, err
		}
		client, err := otlptracehttp.New(ctx, exporter...)
		if err != nil {
			return nil, fmt.Errorf("make trace exporter: %w", err)
		}
		options = append(options, trace.WithBatcher(client))
	}
	return trace.NewTracerProvider(options...), nil
}

// endpointInEnvironment reports whether the exporter finds an endpoint by itself.
func endpointInEnvironment() bool {
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// newExporterOptions reads endpoint as OTEL_EXPORTER_OTLP_ENDPOINT is read: the
// base URL of the collector. Everything else comes from the environment.
func newExporterOptions(endpoint string) ([]otlptracehttp.Option, error) {
	if endpoint == "" {
		return nil, nil
	}
	base, err := url.Parse(endpoint)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		// The URL may hold a password, and an error of url.Parse would show it.
		return nil, fmt.Errorf("the OTLP endpoint is not an http or https URL with a host")
	}
	return []otlptracehttp.Option{otlptracehttp.WithEndpointURL(base.JoinPath("v1", "traces").String())}, nil
}
