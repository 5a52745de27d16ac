package telemetry_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"github.com/verdict-stream/verdict/pkg/telemetry"
)

func TestLogLinesNameTheirTrace(t *testing.T) {
	started, written := start(t, telemetry.Config{LogLevel: slog.LevelInfo})
	defer stop(t, started)
	ctx, span := otel.Tracer("test").Start(context.Background(), "work")
	defer span.End()
	spanContext := trace.SpanContextFromContext(ctx)
	if !spanContext.IsValid() {
		t.Fatal("no valid span without an exporter")
	}

	log := started.Logger()
	log.InfoContext(ctx, "in a span", "n", 1)
	log.With("a", "b").WarnContext(ctx, "derived")
	log.InfoContext(context.Background(), "outside")
	log.DebugContext(ctx, "below the level")
	slog.InfoContext(ctx, "by the default logger")

	traceID, spanID := spanContext.TraceID().String(), spanContext.SpanID().String()
	want := []map[string]any{
		{"level": "INFO", "msg": "in a span", "n": 1.0, "trace_id": traceID, "span_id": spanID},
		{"level": "WARN", "msg": "derived", "a": "b", "trace_id": traceID, "span_id": spanID},
		{"level": "INFO", "msg": "outside"},
		{"level": "INFO", "msg": "by the default logger", "trace_id": traceID, "span_id": spanID},
	}
	if diff := cmp.Diff(want, written.lines(t)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestLogFormats(t *testing.T) {
	for _, test := range []struct{ format, want string }{
		{"", "level=INFO msg=hello"},
		{"text", "level=INFO msg=hello"},
		{"json", `"level":"INFO","msg":"hello"`},
	} {
		written := &output{}
		started, err := telemetry.Start(context.Background(), telemetry.Config{LogFormat: test.format, LogWriter: written})
		if err != nil {
			t.Fatal(err)
		}
		started.Logger().Info("hello")
		stop(t, started)
		if got := written.text.String(); !strings.Contains(got, test.want) {
			t.Errorf("format %q wrote %q, want %q in it", test.format, got, test.want)
		}
	}
	if _, err := telemetry.Start(context.Background(), telemetry.Config{LogFormat: "xml"}); err == nil {
		t.Error("an unknown format was accepted")
	}
}
