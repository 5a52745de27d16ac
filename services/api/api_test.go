package api

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// The reference in the path is the one in the id, and whatever means the same.
func TestReferences(t *testing.T) {
	s := newSeeded(t)
	long := strings.Repeat("ä", 100)
	for _, reference := range []string{"s1", "applicant:abc", "a/b", "a b", "100%", "a+b", "ä", "..", ".", "a/../b", "a//b", "?x=1#y", long} {
		s.put(false, "pending", about("kycaid", "form_verification", reference, 1, verification.Pending))
		encoded := verification.EncodeReference(reference)
		paths := []string{encoded, url.PathEscape(reference), strings.ToLower(encoded)}
		if reference == "." || reference == ".." {
			// These are no segments of a path but directions in it.
			paths = []string{strings.ReplaceAll(reference, ".", "%2E"), strings.ReplaceAll(reference, ".", "%2e")}
		}
		for _, path := range paths {
			for _, end := range []string{"", "/events", "/claims"} {
				w := s.ask(http.MethodGet, "/v1/verifications/kycaid/form_verification/"+path+end)
				if w.Code != http.StatusOK {
					t.Errorf("%q as %s%s: status %d", reference, path, end, w.Code)
					continue
				}
				var got struct{ Data json.RawMessage }
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
					t.Fatal(err)
				}
				if end != "/claims" && !strings.Contains(string(got.Data), `"reference":"`+encoded+`"`) {
					t.Errorf("%q as %s%s: the answer is about another", reference, path, end)
				}
			}
		}
	}
}

func TestClaimsAreLoggedWithoutThem(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	s.ask(http.MethodGet, "/v1/verifications/idenfy/id_verification/s1")
	if s.log.Len() > 0 {
		t.Errorf("something else was logged: %s", &s.log)
	}
	s.ask(http.MethodGet, "/v1/verifications/idenfy/id_verification/s1/claims")
	line := s.log.String()
	for _, want := range []string{
		"level=INFO", "claims read", "verification=idenfy/id_verification/s1", "caller=admin",
		"route=/v1/verifications/{provider}/{kind}/{reference}/claims",
	} {
		if !strings.Contains(line, want) {
			t.Errorf("the log does not say %s: %s", want, line)
		}
	}
	for _, secret := range []string{"Ada", "X1234567", token} {
		if strings.Contains(line, secret) {
			t.Errorf("the log says %s: %s", secret, line)
		}
	}
	s.log.Reset()
	s.ask(http.MethodGet, "/v1/verifications/idenfy/id_verification/nobody/claims")
	if s.log.Len() > 0 {
		t.Errorf("claims that do not exist were logged as read: %s", &s.log)
	}
}

func TestClaimsThatCannotBeOpened(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	// Sealed for another verification, and put here.
	const other = "treezor/liveness/f1"
	s.putClaims(other, 4, &provider.Claims{GivenName: new("Eve")})
	row, err := s.model.Claims(t.Context(), other, false)
	if err != nil {
		t.Fatal(err)
	}
	const target = "/v1/verifications/idenfy/id_verification/s1/claims"
	s.replaceClaims("idenfy/id_verification/s1", row)
	if w := s.ask(http.MethodGet, target); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "Eve") {
		t.Errorf("claims of another: status %d: %s", w.Code, w.Body)
	}
	if !strings.Contains(s.log.String(), "level=ERROR") {
		t.Error("nobody is told")
	}

	s.config.Keys = nil
	w := s.ask(http.MethodGet, target)
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("without keys: status %d", w.Code)
	}
	golden(t, "problems/no_keys", w.Body.Bytes())
}

func TestDatabaseAway(t *testing.T) {
	s := newSeeded(t)
	if w := s.send(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil)); w.Code != http.StatusOK {
		t.Errorf("/readyz: status %d", w.Code)
	}
	if err := s.model.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/readyz", "/v1/verifications", "/v1/verifications/a/b/c", "/v1/verifications/a/b/c/events", "/v1/verifications/a/b/c/claims",
		"/v1/deliveries", "/v1/stats",
	} {
		w := s.ask(http.MethodGet, path)
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: status %d, Retry-After %q", path, w.Code, w.Header().Get("Retry-After"))
		}
	}
	golden(t, "problems/unavailable", s.ask(http.MethodGet, "/v1/stats").Body.Bytes())
	if w := s.ask(http.MethodGet, "/livez"); w.Code != http.StatusOK {
		t.Errorf("/livez: status %d", w.Code)
	}
}

// Spans and metrics tell the route, and nothing that the caller sent.
func TestTelemetryTellsTheRouteAlone(t *testing.T) {
	spans, reader := tracetest.NewSpanRecorder(), metric.NewManualReader()
	tracesBefore, metricsBefore := otel.GetTracerProvider(), otel.GetMeterProvider()
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSpanProcessor(spans)))
	otel.SetMeterProvider(metric.NewMeterProvider(metric.WithReader(reader)))
	t.Cleanup(func() {
		otel.SetTracerProvider(tracesBefore)
		otel.SetMeterProvider(metricsBefore)
	})
	s := newSeeded(t)
	s.fill()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/verifications/idenfy/id_verification/marked-1?sandbox=marked-2", nil)
	r.Host = "marked-3.example"
	r.Header.Set("Authorization", "Bearer "+token)
	s.send(r)
	s.ask(http.MethodGet, "/v1/verifications?applicant=marked-4")
	s.ask(http.MethodGet, "/v1/marked-5")

	var metrics metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &metrics); err != nil {
		t.Fatal(err)
	}
	told, err := json.Marshal(metrics)
	if err != nil {
		t.Fatal(err)
	}
	traced, err := json.Marshal(tracetest.SpanStubsFromReadOnlySpans(spans.Ended()))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"metrics": string(told), "spans": string(traced)} {
		for _, route := range []string{"/v1/verifications", "/v1/verifications/{provider}/{kind}/{reference}", "/v1/"} {
			if !strings.Contains(text, `"`+route+`"`) {
				t.Errorf("the %s do not tell the route %s", name, route)
			}
		}
		if i := strings.Index(text, "marked-"); i >= 0 {
			t.Errorf("the %s tell what the caller sent: %s", name, text[max(0, i-80):i+20])
		}
	}
}

func TestRun(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	began, release := make(chan struct{}), make(chan struct{})
	s.config.Listener = listener
	s.config.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(began)
		<-release
		_, _ = io.WriteString(w, "finished")
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, s.config) }()

	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	get := func(path string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := client.Do(r)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Error(err)
		}
		return answer.StatusCode, string(body)
	}
	if status, body := get("/v1/verifications/kycaid/form_verification/applicant%3Aabc"); status != http.StatusOK {
		t.Errorf("status %d: %s", status, body)
	}
	// What is under way when the API stops is finished.
	finished := make(chan string, 1)
	go func() {
		_, body := get("/metrics")
		finished <- body
	}()
	<-began
	cancel()
	await(t, "the end of listening", func() bool {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	close(release)
	if body := <-finished; body != "finished" {
		t.Errorf("the answer under way was cut off: %q", body)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := Run(t.Context(), Config{Addr: "127.0.0.1:0", Model: s.model}); err == nil {
		t.Error("it runs without an administrator's token")
	}
	if err := Run(t.Context(), Config{Addr: "nowhere", Model: s.model, AdminToken: token}); err == nil {
		t.Error("it runs without listening")
	}
}

// await waits until the condition holds. It fails only where nothing happens at all.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(time.Minute); !holds(); <-poll.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}
