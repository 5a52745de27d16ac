package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/verdict-stream/verdict/pkg/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// output is what a logger wrote, one JSON object a line.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// lines returns the lines written so far, without their time.
func (o *output) lines(t *testing.T) []map[string]any {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	var lines []map[string]any
	for decoder := json.NewDecoder(bytes.NewReader(o.text.Bytes())); decoder.More(); {
		var line map[string]any
		if err := decoder.Decode(&line); err != nil {
			t.Fatalf("%v in %s", err, o.text.Bytes())
		}
		delete(line, "time")
		lines = append(lines, line)
	}
	return lines
}

// start starts telemetry that logs to the output. The test ends it.
func start(t *testing.T, config telemetry.Config) (*telemetry.Telemetry, *output) {
	t.Helper()
	written := &output{}
	if config.Service == "" {
		config.Service = "verdict-test"
	}
	config.LogFormat, config.LogWriter = "json", written
	started, err := telemetry.Start(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	return started, written
}

func stop(t *testing.T, started *telemetry.Telemetry) {
	t.Helper()
	if err := started.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// startQuiet starts telemetry whose log lines do not matter.
func startQuiet(t *testing.T) *telemetry.Telemetry {
	t.Helper()
	started, _ := start(t, telemetry.Config{LogLevel: slog.LevelError})
	t.Cleanup(func() { stop(t, started) })
	return started
}
