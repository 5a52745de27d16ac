package capacity

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRoom(t *testing.T) {
	dir := t.TempDir()
	if err := NewDisk(dir, 0).Room(); err != nil {
		t.Error(err)
	}
	full := NewDisk(dir, math.MaxUint64)
	if err := full.Room(); !errors.Is(err, ErrNoRoom) || strings.Contains(err.Error(), dir) {
		t.Errorf("below the mark: error %v", err)
	}
	if levels := full.Levels(t.Context()); len(levels) != 1 || levels[0].Limit != 0 || levels[0].Used == 0 {
		t.Errorf("levels %v", levels)
	}
	gone := NewDisk(filepath.Join(dir, "gone"), 0)
	if err := gone.Room(); !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrNoRoom) {
		t.Errorf("a directory that is not there: error %v", err)
	}
	if levels := gone.Levels(t.Context()); levels != nil {
		t.Errorf("a directory that is not there: levels %v", levels)
	}
}

func TestSQLFiles(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"a.db": 10, "a.db-wal": 5, "a.db-shm": 100, "a.db.lock": 1, "b.db": 3, "other": 7} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := []Level{{Kind: "sql", Name: "a", Used: 15}, {Kind: "sql", Name: "b", Used: 3}}
	if diff := cmp.Diff(want, SQLFiles(dir)(t.Context())); diff != "" {
		t.Errorf("levels (-want +got):\n%s", diff)
	}
	if levels := SQLFiles(filepath.Join(dir, "gone"))(t.Context()); levels != nil {
		t.Errorf("a directory that is not there: levels %v", levels)
	}
}

func TestNear(t *testing.T) {
	for _, l := range []struct {
		Level
		want bool
	}{
		{Level{Used: 79_999, Limit: 100_000}, false},
		{Level{Used: 80_000, Limit: 100_000}, true},
		{Level{Used: 1 << 60}, false},
	} {
		if l.Near() != l.want {
			t.Errorf("%v is near: %v", l.Level, l.Near())
		}
	}
}

// TestWatch reads the metrics and the log of something that fills up.
func TestWatch(t *testing.T) {
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	otel.SetMeterProvider(provider)
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var held atomic.Uint64
		held.Store(10)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- Watch(ctx, slog.New(slog.NewTextHandler(&log, nil)),
				func(context.Context) []Level {
					return []Level{{Kind: "stream", Name: "KYC_HELD", Used: held.Load(), Limit: 100}, {Kind: "sql", Name: "a", Used: 7}}
				})
		}()
		synctest.Wait()
		if log.Len() > 0 {
			t.Errorf("log %s", &log)
		}
		want := map[string]int64{
			"verdict_capacity_used_bytes KYC_HELD": 10, "verdict_capacity_used_bytes a": 7, "verdict_capacity_limit_bytes KYC_HELD": 100,
		}
		if diff := cmp.Diff(want, gauges(t, reader)); diff != "" {
			t.Errorf("metrics (-want +got):\n%s", diff)
		}
		held.Store(90)
		time.Sleep(interval)
		synctest.Wait()
		if !strings.Contains(log.String(), "stream KYC_HELD is nearly full") {
			t.Errorf("log %s", &log)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func gauges(t *testing.T, reader *metric.ManualReader) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	values := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			for _, point := range m.Data.(metricdata.Gauge[int64]).DataPoints {
				name, _ := point.Attributes.Value("name")
				values[m.Name+" "+name.AsString()] = point.Value
			}
		}
	}
	return values
}
