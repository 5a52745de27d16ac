package telemetry

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// samplerVariable is read by the SDK; a sampler that is given in the program comes before it.
const samplerVariable = "OTEL_TRACES_SAMPLER"

// newTraces returns a tracer provider that exports only if an endpoint is
// configured here or in the environment. Then it samples as the parent did and a
// trace without parent always. Without one it records nothing, and its spans still
// have valid ids, so that logs and events name their trace; what it hands on says
// "not sampled", so a process behind it that exports leaves those traces out too:
// the processes of one installation export all or none. OTEL_TRACES_SAMPLER says
// otherwise in both cases.
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
	} else if strings.TrimSpace(os.Getenv(samplerVariable)) == "" {
		options = append(options, trace.WithSampler(trace.NeverSample()))
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
