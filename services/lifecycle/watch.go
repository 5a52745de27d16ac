package lifecycle

import (
	"context"
	"log/slog"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
)

const (
	// keyInterval is between two looks for keys whose time is over.
	keyInterval = time.Minute
	// alarmShare is the part of its retention that a delivery may wait for its outcome before
	// that is an alarm.
	alarmShare = 2
	// alarmInterval is between two log lines about the same trouble.
	alarmInterval = time.Minute
)

// destroyKeys destroys the keys of deliveries whose retention is over, until ctx ends. It needs
// neither the broker nor the database nor the lease: whatever is away, no key outlives its time.
func destroyKeys(ctx context.Context, cfg Config, p *provider.Provider, logger, alarm *slog.Logger) {
	next := time.NewTimer(tick)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		destroyed, err := cfg.Keys.DestroyExpired(p.Name, cfg.Retention(p.Name), time.Now())
		for _, key := range destroyed {
			logger.InfoContext(ctx, "key destroyed", "key", key)
		}
		if err != nil {
			alarm.ErrorContext(ctx, "keys of expired deliveries are not destroyed", "error", err)
		}
		next.Reset(keyInterval)
	}
}

// watch tells of deliveries that wait for too long, until ctx ends. While the broker is away,
// they are those that waited when it was there last.
func (w *worker) watch(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if wait := w.metrics.waited(ctx, time.Now()); wait > w.Retention(w.provider.Name)/alarmShare {
			w.alarm.ErrorContext(ctx, "a delivery has waited for more than half of its retention", "waited", wait.Round(time.Second))
		}
	}
}
