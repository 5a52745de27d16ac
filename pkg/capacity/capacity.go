// Package capacity tells how full the things are that grow: disks, streams, SQL files, the
// spool. Whoever accepts something asks before, so that nothing is accepted for which there is
// no room; operators see it coming.
package capacity

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/verdict-stream/verdict/pkg/telemetry"
)

const (
	scope = "github.com/verdict-stream/verdict/pkg/capacity"
	// interval is between two looks.
	interval = 10 * time.Second
	// alarmShare is the part of its limit, in percent, from which on a thing is an alarm.
	alarmShare = 80
	// alarmEvery is the least time between two log lines about the same thing.
	alarmEvery = 10 * time.Minute
)

// Level is how full one thing is. Both figures are bytes.
type Level struct {
	Kind string // disk, stream, account, sql or spool
	Name string // from a list of ours: it becomes a label
	Used uint64
	// Limit is where the thing is full; 0 where only its disk bounds it.
	Limit uint64
}

// Near reports whether the level is an alarm.
func (l Level) Near() bool {
	return l.Limit > 0 && l.Used >= l.Limit/100*alarmShare
}

// Source looks at some things. One that cannot be looked at now is left out.
type Source func(context.Context) []Level

// Watch looks at all sources again and again until ctx ends. It keeps the metrics
// verdict_capacity_used_bytes and verdict_capacity_limit_bytes, and logs what is near its limit.
func Watch(ctx context.Context, logger *slog.Logger, sources ...Source) error {
	meter := otel.Meter(scope)
	used, err := meter.Int64ObservableGauge("verdict_capacity_used_bytes", metric.WithUnit("By"),
		metric.WithDescription("What disks, streams, SQL files and the spool hold."))
	if err != nil {
		return fmt.Errorf("watch capacity: %w", err)
	}
	limit, err := meter.Int64ObservableGauge("verdict_capacity_limit_bytes", metric.WithUnit("By"),
		metric.WithDescription("Where they are full. Absent where only the disk bounds them."))
	if err != nil {
		return fmt.Errorf("watch capacity: %w", err)
	}
	w := &watch{logger: telemetry.Every(logger, alarmEvery), sources: sources}
	registration, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, l := range w.seen() {
			labels := metric.WithAttributes(attribute.String("kind", l.Kind), attribute.String("name", l.Name))
			o.ObserveInt64(used, int64(l.Used), labels)
			if l.Limit > 0 {
				o.ObserveInt64(limit, int64(l.Limit), labels)
			}
		}
		return nil
	}, used, limit)
	if err != nil {
		return fmt.Errorf("watch capacity: %w", err)
	}
	defer func() { _ = registration.Unregister() }()
	w.run(ctx)
	return nil
}

type watch struct {
	logger  *slog.Logger
	sources []Source

	mu     sync.Mutex
	levels []Level
}

func (w *watch) run(ctx context.Context) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		w.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (w *watch) look(ctx context.Context) {
	var levels []Level
	for _, source := range w.sources {
		levels = append(levels, source(ctx)...)
	}
	for _, l := range levels {
		if l.Near() {
			w.logger.ErrorContext(ctx, l.Kind+" "+l.Name+" is nearly full", "used", l.Used, "limit", l.Limit)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.levels = levels
}

func (w *watch) seen() []Level {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.levels
}
