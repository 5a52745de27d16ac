package telemetry

import (
	"context"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/propagation"
)

// W3C trace context, and no baggage: what a stranger puts into baggage would
// travel through every stream and log.
var traceContext propagation.TraceContext

// Inject writes the current span of ctx into header, as lower-case traceparent
// and, if there is any, tracestate, and removes what was there in any spelling.
// Without a span it leaves the header as it is. The header must not be nil.
//
// NATS headers are case-sensitive, so the canonical spelling of HTTP would not
// be found there.
func Inject(ctx context.Context, header map[string][]string) {
	fresh := carrier{}
	traceContext.Inject(ctx, fresh)
	if len(fresh) == 0 {
		return
	}
	fields := traceContext.Fields()
	for name := range header {
		if slices.Contains(fields, strings.ToLower(name)) {
			delete(header, name)
		}
	}
	maps.Copy(header, fresh)
}

// Extract returns ctx with the span that header names as the remote parent, or
// ctx itself if it names none. It reads any spelling; the lower-case one counts
// where there are several.
func Extract(ctx context.Context, header map[string][]string) context.Context {
	return traceContext.Extract(ctx, carrier(header))
}

// Traceparent returns the current span of ctx as a W3C traceparent, or "" if
// there is none.
func Traceparent(ctx context.Context) string {
	fresh := carrier{}
	traceContext.Inject(ctx, fresh)
	return fresh.Get("traceparent")
}

// carrier is a header with names of any case.
type carrier map[string][]string

func (c carrier) Get(name string) string {
	found, value := "", ""
	for spelling, values := range c {
		// In byte order lower case comes last.
		if len(values) > 0 && spelling > found && strings.EqualFold(spelling, name) {
			found, value = spelling, values[0]
		}
	}
	return value
}

func (c carrier) Set(name, value string) {
	c[strings.ToLower(name)] = []string{value}
}

func (c carrier) Keys() []string {
	return slices.Collect(maps.Keys(c))
}
