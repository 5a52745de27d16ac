// Package projector keeps the read model: it reads every stream and writes what it finds into tables that can be asked.
//
// Its invariants:
//
//   - Everything that it writes follows from what the streams hold, and from nothing else: messages in any order, twice, or again after
//     a crash lead to the same rows.
//   - A message is acked only after its rows are committed. Many are in work at the same time, and share their commits: none waits for
//     others to come.
//   - The claims of a verification are settled one event after the other, and for all events known by then. Where the row has moved, they
//     are settled again at once.
//   - A read model that is made anew is written by nobody else until it is taken into use, and nobody writes either at that moment.
//   - Personal data is written only because of a verification event, since the lifecycle alone knows to whom a payload belongs; and never
//     again once it was anonymized.
package projector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/telemetry"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// Config is what a projector works with. Nothing in it may be nil or empty but for the logger, and where that is said.
type Config struct {
	Bus *bus.Bus
	// Keys open the deliveries and seal the claims.
	Keys *seal.Keyring
	// Model is the read model; this process is its only writer.
	Model *store.ReadModel
	// Providers are all that events may tell of. Claims of others are not read.
	Providers []provider.Provider
	// Retention is how long the bodies of a provider's deliveries can be read.
	Retention func(provider string) time.Duration
	// Room returns an error unless the disk has room for so many bytes more than must stay free; nil where the read model is on none.
	Room func(more uint64) error
	// Logger gets what nobody else reports; nil means slog.Default.
	Logger *slog.Logger
}

// logInterval is the least time between two log lines about the same trouble.
const logInterval = time.Minute

// Run keeps the read model until ctx ends; it returns nil then, after the work in hand is done. It returns an error where a consumer
// cannot work at all.
func Run(ctx context.Context, config Config) error {
	p := newProjector(config)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if err := p.resume(ctx); err != nil {
		return fmt.Errorf("run projector: %w", err)
	}
	if ctx.Err() != nil {
		return nil // Where the consumers are says nothing of the tables yet.
	}
	var background sync.WaitGroup
	background.Go(func() { every(ctx, progressInterval, p.progress) })
	background.Go(func() { every(ctx, sweepInterval, p.sweep) })
	background.Go(func() { p.serve(ctx) })
	err := p.bus.Run(ctx, p.consumers()...)
	stop()
	background.Wait()
	p.lastProgress(ctx)
	if err != nil {
		return fmt.Errorf("run projector: %w", err)
	}
	return nil
}

type projector struct {
	bus       *bus.Bus
	keys      *seal.Keyring
	model     *store.ReadModel
	providers map[string]*provider.Provider
	retention func(provider string) time.Duration
	room      func(more uint64) error
	claimless claimless
	bases     bases
	recent    recent
	// streams are the identities of the streams that it reads, by name, and webhooksSince is when KYC_WEBHOOKS was made. Both are known
	// once resume has returned.
	streams       map[string]string
	webhooksSince time.Time
	// gate is held for reading by whoever writes the model, and for writing while it must not change.
	gate sync.RWMutex
	// sweeping is held by a sweep, and by a rebuild, with whose comparison sweeps would interfere.
	sweeping sync.Mutex
	// logger writes no line about the same trouble twice within logInterval.
	logger *slog.Logger
}

func newProjector(config Config) *projector {
	logger := config.Logger
	if logger == nil {
		logger = slog.Default()
	}
	p := &projector{
		bus: config.Bus, keys: config.Keys, model: config.Model, retention: config.Retention, room: config.Room,
		providers: map[string]*provider.Provider{}, logger: telemetry.Every(logger, logInterval), streams: map[string]string{},
	}
	if p.room == nil {
		p.room = func(uint64) error { return nil }
	}
	for i := range config.Providers {
		p.providers[config.Providers[i].Name] = &config.Providers[i]
	}
	return p
}

// concurrency bounds the messages of one stream in work. Those that wait for the writer of the read model share its transactions, so it is
// how many rows a commit is shared by.
const concurrency = 128

// consumers lists what is read, each stream as a whole. What they handle waits while the model must not change.
func (p *projector) consumers() []bus.Consumer {
	list := p.handlers()
	for i := range list {
		handle := list[i].Handle
		list[i].Concurrency = concurrency
		list[i].Handle = func(ctx context.Context, message bus.Stored) error {
			p.gate.RLock()
			defer p.gate.RUnlock()
			return handle(ctx, message)
		}
	}
	return list
}

// handlers are the consumers without the gate.
func (p *projector) handlers() []bus.Consumer {
	return []bus.Consumer{
		{Name: ownConsumers + "verifications", Stream: bus.Verifications, Filter: "kyc.v1.>", Handle: p.verification},
		{Name: ownConsumers + "sandbox", Stream: bus.Sandbox, Filter: "kyc.sandbox.v1.>", Handle: p.sandbox},
		{Name: ownConsumers + "webhooks", Stream: bus.Webhooks, Filter: "kyc.webhook.>", Handle: p.webhook},
		{Name: ownConsumers + "held", Stream: bus.Held, Filter: "kyc.held.>", Handle: p.delivery},
		{Name: ownConsumers + "rejected", Stream: bus.Rejected, Filter: "kyc.rejected.>", Handle: p.delivery},
		{Name: ownConsumers + "outcomes", Stream: bus.Outcomes, Filter: "kyc.outcome.>", Handle: p.delivery},
		{Name: ownConsumers + "dead", Stream: bus.Dead, Filter: "kyc.dead.>", Handle: p.delivery},
	}
}

// causeUnreadable is the cause of a dead letter for a message that is not what its stream holds.
const causeUnreadable = "unreadable"

// unreadable gives a message up that no further attempt can read.
func unreadable(what string, err error) error {
	return bus.Permanent(causeUnreadable, fmt.Errorf("read %s: %w", what, err))
}

// unavailable returns an error of the read model as consumers understand it: a database that is away is no fault of the message.
func unavailable(err error) error {
	if errors.Is(err, store.ErrUnavailable) {
		return fmt.Errorf("%w: %w", bus.ErrUnavailable, err)
	}
	return err
}

// kind returns the table of an event's kind, if this program knows it.
func (p *projector) kind(providerName, kindName string) (*provider.Provider, *verification.Kind, bool) {
	known, ok := p.providers[providerName]
	if !ok {
		return nil, nil, false
	}
	kind, ok := known.Kind(kindName)
	return known, kind, ok
}

// every calls do again and again until ctx ends, the first time after one interval.
func every(ctx context.Context, interval time.Duration, do func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do(ctx)
		}
	}
}
