package telemetry_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/verdict-stream/verdict/pkg/telemetry"
)

// scrape returns the lines that Prometheus would read, but for comments.
func scrape(t *testing.T, started *telemetry.Telemetry) []string {
	t.Helper()
	server := httptest.NewServer(started.MetricsHandler())
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("status %s: %s", response.Status, body)
	}
	var lines []string
	for line := range strings.Lines(string(body)) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

func withPrefix(lines []string, prefix string) []string {
	var found []string
	for _, line := range lines {
		if strings.HasPrefix(line, prefix) {
			found = append(found, line)
		}
	}
	return found
}

// instruments records one value with each kind of instrument.
func instruments(t *testing.T) {
	t.Helper()
	ctx, meter := context.Background(), otel.Meter("test")
	provider := metric.WithAttributes(attribute.String("provider", "idenfy"))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	for _, name := range []string{"verdict_test_messages_total", "verdict.test.repeats"} {
		counter, err := meter.Int64Counter(name)
		must(err)
		counter.Add(ctx, 3, provider)
	}
	for _, name := range []string{"verdict_test_duration_seconds", "verdict.test.wait"} {
		histogram, err := meter.Float64Histogram(name, metric.WithUnit("s"))
		must(err)
		histogram.Record(ctx, 0.0007, provider)
	}
	gauge, err := meter.Int64Gauge("verdict_test_pending")
	must(err)
	gauge.Record(ctx, 5, provider)

	request := metric.WithAttributes(
		attribute.String("http.request.method", "POST"),
		attribute.String("http.route", "/webhooks/{provider}"),
		attribute.Int("http.response.status_code", 200),
		attribute.String("server.address", "chosen.by.the.client"),
	)
	duration, err := meter.Float64Histogram("http.server.request.duration", metric.WithUnit("s"))
	must(err)
	duration.Record(ctx, 1, request)
	active, err := meter.Int64UpDownCounter("http.server.active_requests")
	must(err)
	active.Add(ctx, 2, request)
}

func TestMetrics(t *testing.T) {
	started := startQuiet(t)
	instruments(t)
	lines := scrape(t, started)

	buckets := func(name, labels string, firstFull int) []string {
		bounds := strings.Fields("0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf")
		var want []string
		for i, bound := range bounds {
			count := " 1"
			if i < firstFull {
				count = " 0"
			}
			want = append(want, name+"_bucket{"+labels+`,le="`+bound+`"}`+count)
		}
		return want
	}
	const idenfy = `provider="idenfy"`
	const route = `http_request_method="POST",http_response_status_code="200",http_route="/webhooks/{provider}"`
	for prefix, want := range map[string][]string{
		"verdict_test_messages":                       {`verdict_test_messages_total{provider="idenfy"} 3`},
		"verdict_test_repeats":                        {`verdict_test_repeats_total{provider="idenfy"} 3`},
		"verdict_test_pending":                        {`verdict_test_pending{provider="idenfy"} 5`},
		"http_server_active_requests":                 {"http_server_active_requests{" + route + "} 2"},
		"verdict_test_duration_seconds_bucket":        buckets("verdict_test_duration_seconds", idenfy, 1),
		"verdict_test_wait_seconds_bucket":            buckets("verdict_test_wait_seconds", idenfy, 1),
		"http_server_request_duration_seconds_bucket": buckets("http_server_request_duration_seconds", route, 10),
	} {
		if diff := cmp.Diff(want, withPrefix(lines, prefix)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", prefix, diff)
		}
	}
	for _, name := range []string{"go_goroutines ", "process_resident_memory_bytes ", "target_info{"} {
		if len(withPrefix(lines, name)) != 1 {
			t.Errorf("no single line of %s", name)
		}
	}
	if noise := regexp.MustCompile(`otel_scope|chosen`).FindString(strings.Join(lines, "\n")); noise != "" {
		t.Errorf("%s is among the metrics", noise)
	}
}

func TestMetricsNameTheProcess(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
	started, _ := start(t, telemetry.Config{Service: "verdict-receiver", Version: "v1.2.3", Instance: "north"})
	defer stop(t, started)
	info := withPrefix(scrape(t, started), "target_info{")
	if len(info) != 1 {
		t.Fatalf("target_info: %v", info)
	}
	for _, want := range []string{
		`service_name="verdict-receiver"`, `service_version="v1.2.3"`, `service_namespace="north"`,
		`deployment_environment_name="staging"`,
	} {
		if !strings.Contains(info[0], want) {
			t.Errorf("%s lacks %s", info[0], want)
		}
	}
}
