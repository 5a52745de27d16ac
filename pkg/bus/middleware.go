package bus

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/verdict-stream/verdict/pkg/telemetry"
)

const instrumentation = "github.com/verdict-stream/verdict/pkg/bus"

// recovered is the middleware that makes a panic an error like any other. The error names the place and the kind of panic, and the value only where it is
// the runtime's own: any other may be part of a message.
func recovered(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) (_ []*message.Message, err error) {
		defer func() {
			switch value := recover().(type) {
			case nil:
			case runtime.Error:
				err = fmt.Errorf("handler panicked at %s: %w", panicPlace(), value)
			default:
				err = fmt.Errorf("handler panicked at %s with a %T", panicPlace(), value)
			}
		}()
		return next(msg)
	}
}

// panicPlace finds the function and line that panicked. It works only where it is called by the deferred function that recovers.
func panicPlace() string {
	// Skipped are Callers, this function and the deferred function; the runtime's own frames come next.
	const skip, depth = 3, 32
	callers := make([]uintptr, depth)
	frames := runtime.CallersFrames(callers[:runtime.Callers(skip, callers)])
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, "runtime.") {
			return fmt.Sprintf("%s:%d", frame.Function, frame.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}

// traced is the middleware that goes on with the trace that the message came with, and measures how handling ended.
func traced(consumer Consumer, metrics *consumerMetrics) message.HandlerMiddleware {
	tracer, name := otel.Tracer(instrumentation), "process "+consumer.Name
	about := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("messaging.system", "nats"),
		attribute.String("messaging.destination.name", consumer.Stream),
		attribute.String("messaging.consumer.group.name", consumer.Name),
	)}
	return func(next message.HandlerFunc) message.HandlerFunc {
		return func(msg *message.Message) ([]*message.Message, error) {
			start := time.Now()
			d := deliveryOf(msg)
			ctx := telemetry.Extract(msg.Context(), d.stored.Header)
			ctx, span := tracer.Start(ctx, name, about...)
			defer span.End()
			msg.SetContext(ctx)
			produced, err := next(msg)
			if span.IsRecording() {
				span.SetAttributes(
					attribute.String("verdict.result", d.result),
					attribute.Int("messaging.nats.delivery", d.stored.Attempt),
				)
			}
			if err != nil || d.result == resultDead {
				span.SetStatus(codes.Error, d.result)
			}
			metrics.record(ctx, d.result, time.Since(start))
			return produced, err
		}
	}
}
