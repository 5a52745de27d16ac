// Package lifecycle turns deliveries into verdicts. For each provider it reads the sealed
// deliveries in the order of their stream, decodes them into signals, adds each to the set of
// its verification, folds the set and publishes what changed.
//
// Its invariants:
//
//   - State and event are written in one transaction; a delivery is acked only after its
//     events are in the stream. So a crash at any moment repeats work and loses none.
//   - One process at a time works for a provider: it holds a lease, and its publishes carry the
//     last sequence that it knows of. The stream never holds two events of one version, nor
//     versions out of order.
//   - The state is a cache of the stream: lost, behind or of another stream, it is made anew.
//   - Every delivery ends in exactly one outcome. One that leaves no event is told in the
//     stream of outcomes; one that cannot be decoded goes to the dead letters.
package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/telemetry"
)

// Config is what the lifecycle needs.
type Config struct {
	Bus       *bus.Bus
	Keys      *seal.Keyring
	Store     store.Location
	Instance  string
	Providers []provider.Provider
	// Retention is how long a provider's raw deliveries and claims are kept.
	Retention func(provider string) time.Duration
	Logger    *slog.Logger
	// Archive is the directory of what was taken out of the stream of events, for a state that is made anew; it may not be there.
	Archive string
}

// retryPause is between two attempts to start working for a provider.
const retryPause = time.Second

// Run works for all providers until ctx ends, then returns nil. Whatever keeps it from working
// for one of them, it tries again: the others and the receiver go on meanwhile, and what they
// accept waits in the stream.
func Run(ctx context.Context, cfg Config) error {
	var providers sync.WaitGroup
	for i := range cfg.Providers {
		p := &cfg.Providers[i]
		logger := cfg.Logger.With("provider", p.Name)
		alarm := telemetry.Every(logger, alarmInterval)
		providers.Go(func() { runProvider(ctx, cfg, p, logger, alarm) })
		providers.Go(func() { destroyKeys(ctx, cfg, p, logger, alarm) })
	}
	providers.Wait()
	return nil
}

// runProvider works for one provider, and starts again after the lease or the database was
// lost. A state that is damaged is set aside: it is a cache of the stream.
func runProvider(ctx context.Context, cfg Config, p *provider.Provider, logger, alarm *slog.Logger) {
	for {
		err := work(ctx, cfg, p, logger, alarm)
		if ctx.Err() != nil {
			return
		}
		switch {
		case errors.Is(err, errAnew):
			continue
		case errors.Is(err, store.ErrDamaged):
			aside, asideErr := store.SetAside(cfg.Store, p.Name)
			logger.ErrorContext(ctx, "the state is damaged and made anew", "aside", aside, "error", errors.Join(err, asideErr))
		case errors.Is(err, store.ErrLeased):
			alarm.InfoContext(ctx, "another process works for this provider: standing by")
		case waits(err):
			alarm.WarnContext(ctx, "lifecycle starts again", "error", err)
		default:
			alarm.ErrorContext(ctx, "lifecycle cannot work", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryPause):
		}
	}
}

// waits reports whether an error passes by itself.
func waits(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrLeaseLost) || errors.Is(err, bus.ErrUnavailable)
}
