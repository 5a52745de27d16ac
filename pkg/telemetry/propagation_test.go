package telemetry_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/verdict-stream/verdict/pkg/telemetry"
)

const (
	parent      = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	otherParent = "00-1af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01"
)

type header = map[string][]string

func TestInjectWritesLowerCase(t *testing.T) {
	ctx := telemetry.Extract(context.Background(), header{"traceparent": {parent}, "tracestate": {"vendor=1"}})
	for name, test := range map[string]struct {
		ctx          context.Context
		before, want header
	}{
		"empty":        {ctx, header{}, header{"traceparent": {parent}, "tracestate": {"vendor=1"}}},
		"others stay":  {ctx, header{"ce-traceparent": {otherParent}}, header{"ce-traceparent": {otherParent}, "traceparent": {parent}, "tracestate": {"vendor=1"}}},
		"any spelling": {ctx, header{"Traceparent": {otherParent}, "TRACESTATE": {"old=1"}}, header{"traceparent": {parent}, "tracestate": {"vendor=1"}}},
		"stale state": {
			telemetry.Extract(context.Background(), header{"traceparent": {parent}}),
			header{"tracestate": {"old=1"}},
			header{"traceparent": {parent}},
		},
		"no span": {context.Background(), header{"Traceparent": {otherParent}}, header{"Traceparent": {otherParent}}},
	} {
		telemetry.Inject(test.ctx, test.before)
		if diff := cmp.Diff(test.want, test.before); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestExtractReadsAnySpelling(t *testing.T) {
	for name, test := range map[string]struct {
		header header
		want   string
	}{
		"lower":             {header{"traceparent": {parent}}, parent},
		"canonical":         {header{"Traceparent": {parent}}, parent},
		"upper":             {header{"TRACEPARENT": {parent}}, parent},
		"lower wins":        {header{"Traceparent": {otherParent}, "traceparent": {parent}, "TRACEPARENT": {otherParent}}, parent},
		"first wins":        {header{"traceparent": {parent, otherParent}}, parent},
		"no value":          {header{"traceparent": {}}, ""},
		"not a parent":      {header{"traceparent": {"00-zz"}}, ""},
		"creation, not hop": {header{"ce-traceparent": {parent}}, ""},
		"nothing":           {nil, ""},
	} {
		ctx := telemetry.Extract(context.Background(), test.header)
		if got := telemetry.Traceparent(ctx); got != test.want {
			t.Errorf("%s: traceparent %q, want %q", name, got, test.want)
		}
		if test.want != "" && !trace.SpanContextFromContext(ctx).IsRemote() {
			t.Errorf("%s: the parent is not marked as remote", name)
		}
	}
}

// One trace leads through a header and on.
func TestTraceGoesOn(t *testing.T) {
	startQuiet(t)
	sender, span := otel.Tracer("test").Start(context.Background(), "send")
	defer span.End()
	message := header{}
	telemetry.Inject(sender, message)
	if got := message["traceparent"]; len(got) != 1 || got[0] != telemetry.Traceparent(sender) {
		t.Errorf("header %v, want %s", got, telemetry.Traceparent(sender))
	}

	receiver, span := otel.Tracer("test").Start(telemetry.Extract(context.Background(), message), "receive")
	defer span.End()
	sent, got := trace.SpanContextFromContext(sender), trace.SpanContextFromContext(receiver)
	if got.TraceID() != sent.TraceID() || got.SpanID() == sent.SpanID() {
		t.Errorf("received in %v, want a span of its own in the trace %v", got, sent.TraceID())
	}
	if got.IsSampled() {
		t.Error("a trace that nobody records is passed on as sampled")
	}
}

// The process passes trace context on by whatever instrumentation, and no baggage.
func TestBaggageIsNotPassedOn(t *testing.T) {
	startQuiet(t)
	member, err := baggage.NewMember("name", "someone")
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	ctx, span := otel.Tracer("test").Start(baggage.ContextWithBaggage(context.Background(), bag), "work")
	defer span.End()
	got := http.Header{}
	otel.GetTextMapPropagator().Inject(ctx, propagation.HeaderCarrier(got))
	want := http.Header{"Traceparent": {telemetry.Traceparent(ctx)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
}
