package receiver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/telemetry"
)

// route is the pattern of all paths of webhooks. Spans name it in place of the path, which may
// hold a token.
const route = webhooksPath + "{provider}"

// traceparentHeader is the W3C header as package http spells it.
const traceparentHeader = "Traceparent"

// webhook answers everything that is not a health check.
func (r *receiver) webhook(w http.ResponseWriter, req *http.Request) {
	arrived := time.Now()
	if !strings.HasPrefix(req.URL.Path, webhooksPath) {
		problem(w, event.CauseUnknownProvider, causes[event.CauseUnknownProvider].status, "")
		return
	}
	o := outcome{provider: unknown, event: unknown, hangUp: req.ContentLength != 0}
	e, segment, name := r.find(req.URL)
	if name != "" {
		o.provider = name
	}
	switch {
	case req.Method != http.MethodPost:
		o.refuse(event.CauseMethodNotAllowed)
	case e == nil:
		o.refuse(event.CauseUnknownProvider)
	default:
		r.observe(w, req, call{endpoint: e, segment: segment, arrived: arrived, outcome: &o})
	}
	// Counted before it is answered, so that who has the answer finds it counted.
	r.metrics.count(req.Context(), &o)
	o.answer(w)
}

// call is one webhook on its way.
type call struct {
	*endpoint
	*outcome
	segment string
	arrived time.Time
}

// observe puts the reception of a webhook into a span, bounds it by the budget and sees to it
// that nothing in it ends without an outcome.
func (r *receiver) observe(w http.ResponseWriter, req *http.Request, c call) {
	r.metrics.begin(req.Context(), c.labels)
	defer func() { r.metrics.end(req.Context(), c.labels, time.Since(c.arrived)) }()

	// The context is not the request's: a sender who hangs up after the last byte has sent all
	// that is needed.
	ctx, cancel := context.WithDeadline(r.work, c.arrived.Add(c.Provider.Budget))
	defer cancel()
	ctx, span := r.tracer.Start(ctx, "POST "+route, c.spanOptions(req)...)
	defer func() {
		if span.IsRecording() {
			span.SetAttributes(attribute.Int("http.response.status_code", c.status),
				attribute.String("verdict.event", c.event), attribute.String("verdict.result", c.label()))
		}
		if c.cause == event.CauseUnavailable {
			span.SetStatus(codes.Error, string(c.cause))
		}
		span.End()
	}()
	defer func() {
		// What was thrown is not logged: it may hold a part of the body. The stack does not.
		if thrown := recover(); thrown != nil {
			c.refuse(event.CauseUnavailable)
			r.complaints.ErrorContext(ctx, "panic while a webhook was received", "provider", c.Provider.Name, "stack", string(debug.Stack()))
		}
	}()

	r.receive(ctx, w, req, c)
}

// spanOptions are those of the span of one request.
func (e *endpoint) spanOptions(req *http.Request) []trace.SpanStartOption {
	if len(req.Header[traceparentHeader]) == 0 {
		return e.span
	}
	return append(slices.Clip(e.span), trace.WithLinks(sendersSpan(req)))
}

// sendersSpan links to the trace that the request claims to belong to. It is not gone on with:
// what a stranger says must neither choose ids nor travel through the streams.
func sendersSpan(req *http.Request) trace.Link {
	remote := trace.SpanContextFromContext(telemetry.Extract(context.Background(), req.Header))
	return trace.Link{SpanContext: remote.WithTraceState(trace.TraceState{})}
}

// receive reads a webhook once, verifies it and hands it on.
func (r *receiver) receive(ctx context.Context, w http.ResponseWriter, req *http.Request, c call) {
	c.hangUp = true
	leave, err := c.admission.enter(ctx)
	if err != nil {
		r.unavailable(ctx, c, err)
		return
	}
	defer leave()
	if err := r.await(ctx, req.ContentLength); err != nil {
		r.unavailable(ctx, c, err)
		return
	}
	control := http.NewResponseController(w)
	if deadline, ok := ctx.Deadline(); ok {
		if soon := time.Now().Add(readTimeout); soon.Before(deadline) {
			deadline = soon
		}
		_ = control.SetReadDeadline(deadline)
	}
	// Read before the limit: once the broker is known, the limit is right.
	known := r.broker.get() != nil
	limit := r.limit.Load()
	body, free, err := c.admission.read(ctx, req.Body, req.ContentLength, limit)
	defer free()
	if errors.Is(err, errTooLarge) && !known {
		err = errUnknownLimit
	}
	if err != nil {
		r.unread(ctx, c, body, req.Body, limit, err)
		return
	}
	c.hangUp = false
	// The budget goes on to count, in ctx; the connection may be used again.
	_ = control.SetReadDeadline(time.Time{})

	receipt, err := c.Provider.Verify(provider.Request{
		Segment: c.segment, Header: req.Header.Get, Body: body, Secrets: c.Secrets,
	})
	switch {
	case errors.Is(err, provider.ErrMissingSignature):
		r.reject(ctx, c, event.CauseMissingSignature, newFingerprint(body))
	case errors.Is(err, provider.ErrBadSignature):
		r.reject(ctx, c, event.CauseBadSignature, newFingerprint(body))
	case err != nil:
		// A folder returns no other error. Its text is not ours, so it is not logged.
		r.unavailable(ctx, c, errors.New("the provider's folder could not tell whether the signature is good"))
	default:
		c.event = c.token(receipt.Event)
		r.dispose(ctx, c, receipt, body)
	}
}

// unread ends a request whose body could not be read whole.
func (r *receiver) unread(ctx context.Context, c call, body []byte, rest io.Reader, limit int64, err error) {
	switch {
	case errors.Is(err, errTooLarge):
		seen := newFingerprint(body)
		// Senders that are cut off in the middle of a body often do not read the answer.
		_, _ = io.CopyN(seen, rest, limit)
		r.reject(ctx, c, event.CauseTooLarge, seen)
	case errors.Is(err, errBusy), errors.Is(err, errUnknownLimit), errors.Is(err, os.ErrDeadlineExceeded), ctx.Err() != nil:
		r.unavailable(ctx, c, err)
	default:
		c.refuse(event.CauseUnreadable)
		r.logger.DebugContext(ctx, "webhook refused", "provider", c.Provider.Name, "cause", c.cause)
	}
}

// reject refuses a webhook and has it recorded.
func (r *receiver) reject(ctx context.Context, c call, cause event.Cause, seen *fingerprint) {
	c.refuse(cause)
	if cause == event.CauseMissingSignature || cause == event.CauseBadSignature {
		c.status = c.Provider.RefusedStatus
	}
	if cause.Recorded() {
		r.refusals.record(seen.rejection(c.Provider.Name, cause, c.arrived))
	}
	r.complaints.WarnContext(ctx, "webhooks are refused: "+string(cause), "provider", c.Provider.Name)
	r.logger.DebugContext(ctx, "webhook refused", "provider", c.Provider.Name, "cause", cause)
}

// unavailable asks the sender to come again.
func (r *receiver) unavailable(ctx context.Context, c call, err error) {
	c.refuse(event.CauseUnavailable)
	r.complaints.WarnContext(ctx, "webhooks cannot be stored", "provider", c.Provider.Name, "error", err)
}
