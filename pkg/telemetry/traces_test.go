package telemetry_test

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/verdict-stream/verdict/pkg/telemetry"
)

// collector is an OTLP collector that keeps the traces it is sent.
type collector struct {
	*httptest.Server
	mu       sync.Mutex
	paths    []string
	headers  []http.Header
	requests []*coltrace.ExportTraceServiceRequest
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			unzipped, err := gzip.NewReader(body)
			if err != nil {
				t.Error(err)
				return
			}
			body = unzipped
		}
		content, err := io.ReadAll(body)
		if err != nil {
			t.Error(err)
		}
		request := &coltrace.ExportTraceServiceRequest{}
		if err := proto.Unmarshal(content, request); err != nil {
			t.Errorf("%s is not an export of traces: %v", r.URL.Path, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.paths = append(c.paths, r.URL.Path)
		c.headers = append(c.headers, r.Header)
		c.requests = append(c.requests, request)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.Close)
	return c
}

// spans returns the exported spans as service/name, each with its parent's name.
func (c *collector) spans() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	names, parents := map[string]string{}, map[string]string{}
	for _, request := range c.requests {
		for _, resource := range request.ResourceSpans {
			service := ""
			for _, attribute := range resource.Resource.Attributes {
				if attribute.Key == "service.name" {
					service = attribute.Value.GetStringValue()
				}
			}
			for _, scope := range resource.ScopeSpans {
				for _, span := range scope.Spans {
					name := service + "/" + span.Name
					names[string(span.SpanId)] = name
					parents[name] = string(span.ParentSpanId)
				}
			}
		}
	}
	for name, id := range parents {
		parents[name] = names[id]
	}
	return parents
}

func work(t *testing.T) {
	t.Helper()
	ctx, outer := otel.Tracer("test").Start(context.Background(), "outer")
	_, inner := otel.Tracer("test").Start(ctx, "inner")
	inner.End()
	outer.End()
}

func TestTracesAreExported(t *testing.T) {
	want := map[string]string{"verdict-test/outer": "", "verdict-test/inner": "verdict-test/outer"}
	for name, test := range map[string]struct {
		endpoint    string
		environment map[string]string
		path        string
	}{
		"configured":           {"$URL", nil, "/v1/traces"},
		"with a path":          {"$URL/otlp/", nil, "/otlp/v1/traces"},
		"by environment":       {"", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "$URL"}, "/v1/traces"},
		"by environment, full": {"", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "$URL/here"}, "/here"},
		"configured wins":      {"$URL", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, "/v1/traces"},
		"compressed":           {"$URL", map[string]string{"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}, "/v1/traces"},
	} {
		t.Run(name, func(t *testing.T) {
			collector := newCollector(t)
			t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-token=fromtheenvironment")
			for variable, value := range test.environment {
				t.Setenv(variable, strings.ReplaceAll(value, "$URL", collector.URL))
			}
			started, written := start(t, telemetry.Config{OTLPEndpoint: strings.ReplaceAll(test.endpoint, "$URL", collector.URL)})
			work(t)
			stop(t, started) // exports what still waits
			if diff := cmp.Diff(want, collector.spans()); diff != "" {
				t.Errorf("spans (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{test.path}, collector.paths); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
			if got := collector.headers[0].Get("x-token"); got != "fromtheenvironment" {
				t.Errorf("header x-token is %q", got)
			}
			if lines := written.lines(t); lines != nil {
				t.Errorf("log lines: %v", lines)
			}
		})
	}
}

// A parent that was not sampled is not, and everything else is.
func TestSamplingFollowsTheParent(t *testing.T) {
	collector := newCollector(t)
	started, _ := start(t, telemetry.Config{OTLPEndpoint: collector.URL})
	for name, flags := range map[string]string{"sampled": "01", "unsampled": "00"} {
		ctx := telemetry.Extract(context.Background(), header{"traceparent": {strings.TrimSuffix(parent, "01") + flags}})
		_, span := otel.Tracer("test").Start(ctx, name)
		span.End()
	}
	stop(t, started)
	if diff := cmp.Diff(map[string]string{"verdict-test/sampled": ""}, collector.spans()); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
}

// Without a collector nothing is recorded, whatever the parent says, and every span has ids of
// its own that are passed on as not sampled. The environment may want it otherwise.
func TestWithoutCollectorNothingIsRecorded(t *testing.T) {
	for name, test := range map[string]struct {
		sampler  string
		recorded bool
	}{
		"by default":     {"", false},
		"empty":          {" ", false},
		"as the parent":  {"parentbased_always_on", true},
		"by environment": {"always_on", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_TRACES_SAMPLER", test.sampler)
			startQuiet(t)
			for _, ctx := range []context.Context{
				context.Background(), telemetry.Extract(context.Background(), header{"traceparent": {parent}}),
			} {
				before := trace.SpanContextFromContext(ctx)
				ctx, span := otel.Tracer("test").Start(ctx, "work")
				defer span.End()
				got := span.SpanContext()
				if span.IsRecording() != test.recorded || got.IsSampled() != test.recorded {
					t.Errorf("recorded %t, sampled %t, want %t", span.IsRecording(), got.IsSampled(), test.recorded)
				}
				if !got.IsValid() || got.SpanID() == before.SpanID() || before.IsValid() && got.TraceID() != before.TraceID() {
					t.Errorf("span %v under %v", got, before)
				}
				want := "00-" + got.TraceID().String() + "-" + got.SpanID().String() + "-" + got.TraceFlags().String()
				if passed := telemetry.Traceparent(ctx); passed != want {
					t.Errorf("passed on %q, want %q", passed, want)
				}
			}
		})
	}
}

func TestStartRefusesAnEndpointThatIsNoURL(t *testing.T) {
	for _, endpoint := range []string{"localhost:4318", "collector", "ftp://collector", "http://", "http://user:hunter2@host:port"} {
		_, err := telemetry.Start(context.Background(), telemetry.Config{OTLPEndpoint: endpoint})
		if err == nil {
			t.Errorf("%q was accepted", endpoint)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

// A collector that refuses everything costs one log line, not one per export.
func TestRefusingCollectorIsLoggedOnce(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden) // not one of those that are tried again
	}))
	defer refusing.Close()
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
	started, written := start(t, telemetry.Config{OTLPEndpoint: refusing.URL})
	for range 10 {
		work(t)
	}
	_ = started.Shutdown(context.Background()) // says as well that the last export failed
	lines := written.lines(t)
	if len(lines) != 1 || lines[0]["msg"] != "telemetry failed" || lines[0]["level"] != "ERROR" {
		t.Errorf("log lines: %v, want one that says that telemetry failed", lines)
	}
}

// A collector that never answers holds Shutdown no longer than its context.
func TestSilentCollectorDoesNotHoldShutdown(t *testing.T) {
	asked, done := make(chan struct{}, 1), make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-done
	}))
	defer silent.Close()
	defer close(done)
	const hour = "3600000" // milliseconds; Shutdown would wait so long for the answer
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", hour)
	t.Setenv("OTEL_BSP_EXPORT_TIMEOUT", hour)
	started, _ := start(t, telemetry.Config{OTLPEndpoint: silent.URL})
	work(t)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-asked
		cancel()
	}()
	if err := started.Shutdown(ctx); err == nil {
		t.Error("no error for spans that were not exported")
	}
}
