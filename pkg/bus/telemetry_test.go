package bus

import (
	"context"
	"errors"
	"slices"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

func TestATraceGoesOnThroughTheStream(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	otel.SetTracerProvider(provider)
	t.Cleanup(func() { otel.SetTracerProvider(tracenoop.NewTracerProvider()) })
	b := newTestBus(t)
	ctx, root := provider.Tracer("test").Start(t.Context(), "POST")
	const origin = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	m := Message{Subject: webhookSubject, Header: map[string][]string{"ce-traceparent": {origin}, "traceparent": {origin}}}
	ack, err := b.Publish(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	root.End()
	stored, err := b.Get(t.Context(), ack.Stream, ack.Seq)
	if err != nil {
		t.Fatal(err)
	}
	if got := stored.Header["ce-traceparent"]; !slices.Equal(got, []string{origin}) {
		t.Errorf("where it began became %v", got)
	}
	if got := stored.Header["traceparent"]; len(got) != 1 || got[0] == origin {
		t.Errorf("the hop is %v", got)
	}
	if got := m.Header["traceparent"]; !slices.Equal(got, []string{origin}) {
		t.Errorf("the caller's message was changed: %v", got)
	}
	inHandler := make(chan trace.SpanContext, 1)
	stop := runConsumers(t, b, webhooks(func(ctx context.Context, _ Stored) error {
		inHandler <- trace.SpanContextFromContext(ctx)
		return nil
	}))
	got := receive(t, inHandler)
	allDone(t, b)
	stop()
	if got.TraceID() != root.SpanContext().TraceID() {
		t.Errorf("the handler runs in trace %s, want %s", got.TraceID(), root.SpanContext().TraceID())
	}
	for _, span := range spans.Ended() {
		if span.Name() == "process "+lifecycle {
			if span.SpanKind() != trace.SpanKindConsumer || span.Parent().SpanID() != root.SpanContext().SpanID() || span.SpanContext().SpanID() != got.SpanID() {
				t.Errorf("span %+v of kind %v", span, span.SpanKind())
			}
			return
		}
	}
	t.Error("no span of the consumer")
}

func TestConsumersAreMeasured(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	t.Cleanup(func() { otel.SetMeterProvider(noop.NewMeterProvider()) })
	b := newTestBus(t)
	// The consumer gets three: one is done, one is given up after one failure of the infrastructure, one waits.
	for _, id := range []string{"idenfy:1", "idenfy:2", "idenfy:3"} {
		publishWebhook(t, b, id)
	}
	waiting, release := make(chan struct{}), make(chan struct{})
	runConsumers(t, b, webhooks(func(_ context.Context, m Stored) error {
		switch {
		case m.Seq == 1:
			return nil
		case m.Seq == 2 && m.Attempt == 1:
			return ErrUnavailable
		case m.Seq == 2:
			return Permanent("undecodable", errors.New("end"))
		}
		for _, letter := range deadLetters(t, b) {
			if letter.Sequence == 2 {
				close(waiting)
				<-release
				return nil
			}
		}
		return errors.New("not yet")
	}))
	receive(t, waiting)
	// The gauge asks the broker, whose count may be shortly behind.
	var counted map[string]int64
	eventually(t, "one is pending", func() bool {
		var pending int64
		counted, pending = measured(t, reader)
		return pending == 1
	})
	for result, want := range map[string]int64{resultDone: 1, resultUnavailable: 1, resultDead: 1, resultInterrupted: 0} {
		if counted[result] != want {
			t.Errorf("%d messages were %s, want %d", counted[result], result, want)
		}
	}
	close(release)
	allDone(t, b)
}

// measured returns the messages by result, and the pending ones.
func measured(t *testing.T, reader sdkmetric.Reader) (counted map[string]int64, pending int64) {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	counted = map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					checkLabels(t, m.Name, point.Attributes, "consumer", "result")
					result, _ := point.Attributes.Value("result")
					counted[result.AsString()] += point.Value
				}
			case metricdata.Gauge[int64]:
				for _, point := range data.DataPoints {
					checkLabels(t, m.Name, point.Attributes, "consumer")
					pending += point.Value
				}
			case metricdata.Histogram[float64]:
				for _, point := range data.DataPoints {
					checkLabels(t, m.Name, point.Attributes, "consumer")
				}
			}
		}
	}
	return counted, pending
}

// checkLabels holds the labels to a closed list: anything that names a message would make a series of its own.
func checkLabels(t *testing.T, name string, labels attribute.Set, want ...string) {
	t.Helper()
	var got []string
	for _, label := range labels.ToSlice() {
		got = append(got, string(label.Key))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s has labels %v, want %v", name, got, want)
	}
}
