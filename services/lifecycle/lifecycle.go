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
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

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
}

// retryPause is between two attempts to start working for a provider.
const retryPause = time.Second

// Run works for all providers until ctx ends, then returns nil. Where a database or the
// broker is away it waits for it; a provider whose state cannot be used at all ends Run.
func Run(ctx context.Context, cfg Config) error {
	g, ctx := errgroup.WithContext(ctx)
	for i := range cfg.Providers {
		g.Go(func() error {
			if err := runProvider(ctx, cfg, &cfg.Providers[i]); err != nil {
				return fmt.Errorf("lifecycle of %s: %w", cfg.Providers[i].Name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// runProvider works for one provider, and starts again after the lease or the database was
// lost.
func runProvider(ctx context.Context, cfg Config, p *provider.Provider) error {
	logger := cfg.Logger.With("provider", p.Name)
	alarm := telemetry.Every(logger, alarmInterval)
	for {
		err := work(ctx, cfg, p, logger, alarm)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !recoverable(err) {
			return err
		}
		alarm.WarnContext(ctx, "lifecycle starts again", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryPause):
		}
	}
}

// recoverable reports whether an error says nothing about the state itself.
func recoverable(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrLeaseLost) || errors.Is(err, bus.ErrUnavailable)
}
