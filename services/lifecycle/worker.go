package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/verdict-stream/verdict/pkg/batch"
	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/telemetry"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// concurrency bounds the deliveries of one provider in work. Those that wait for a transaction
// share the next one, and those whose events wait to be published share a batch.
//
// In bytes the bus bounds them: it holds at most 32 MiB of sealed bodies for a consumer, so a
// provider has that, as much again of opened bodies, and what is decoded from those. A delivery
// has a place in both bounds until it is acked.
const concurrency = 512

// worker works for one provider while it holds the lease.
type worker struct {
	Config
	provider *provider.Provider
	state    *store.Lifecycle
	lanes    []*outbox // one for each stream that events go to
	told     *batch.Group[bus.Message, struct{}]
	metrics  *metrics
	logger   *slog.Logger
	alarm    *slog.Logger // for what would be said again and again

	// handled is a time before which no delivery was received that is not handled, and watermark what
	// the next one waits for. They are for whoever keeps the time.
	handled   time.Time
	watermark watermark

	// dirty notes what is written; nil while nobody asks.
	dirty atomic.Pointer[dirty]
	// halt stops everything but what was asked for by runs, and returns once it has; halted is whether it was called.
	halt   func()
	halted bool
	// adopted is told how far a stream was read; nil is nobody. Whoever sets it is making a state beside the one in use.
	adopted func(seq uint64) error
}

// errAnew ends the work for a provider so that it begins again at once: its state is another one now.
var errAnew = errors.New("begin again")

// work opens the state, brings it up to the stream and consumes until ctx ends, the lease is
// lost or something fails that only a new start can mend.
func work(ctx context.Context, cfg Config, p *provider.Provider, logger, alarm *slog.Logger) error {
	state, err := store.OpenLifecycle(ctx, cfg.Store, p.Name)
	if err != nil {
		return fmt.Errorf("open state: %w", err)
	}
	defer state.Close()
	w, err := newWorker(cfg, p, state, logger, alarm)
	if err != nil {
		return err
	}
	if err := w.catchUp(ctx); err != nil {
		return fmt.Errorf("bring the state up to the stream: %w", err)
	}
	return w.run(ctx)
}

func newWorker(cfg Config, p *provider.Provider, state *store.Lifecycle, logger, alarm *slog.Logger) (*worker, error) {
	m, err := newMetrics(p.Name)
	if err != nil {
		return nil, err
	}
	w := &worker{Config: cfg, provider: p, state: state, metrics: m, logger: logger, alarm: alarm}
	w.told = batch.New(bus.MaxBatch, w.publishOutcomes)
	w.lanes = []*outbox{newOutbox(w, bus.Verifications, false), newOutbox(w, bus.Sandbox, true)}
	return w, nil
}

// run works until ctx ends.
func (w *worker) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	live, stop := context.WithCancel(ctx)
	defer stop()
	stopped := make(chan struct{})
	w.halt = func() {
		w.halted = true
		stop()
		<-stopped
	}
	g.Go(func() error {
		defer close(stopped)
		return w.live(live)
	})
	g.Go(func() error { return w.serve(ctx) })
	g.Go(func() error {
		select {
		case <-w.state.Lost():
			return store.ErrLeaseLost
		case <-ctx.Done():
			return nil
		}
	})
	return g.Wait()
}

// live handles deliveries as they come, until ctx ends.
func (w *worker) live(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, lane := range w.lanes {
		g.Go(func() error { return lane.relay.Run(ctx, w.Bus) })
		g.Go(func() error { return lane.keepMarks(ctx) })
	}
	g.Go(func() error {
		return w.Bus.Run(ctx, bus.Consumer{
			Name: w.consumer(), Stream: bus.Webhooks, Filter: event.WebhookFilter(w.provider.Name),
			Concurrency: concurrency, Handle: w.handle, Gone: w.gone,
		})
	})
	g.Go(func() error { return w.keepTime(ctx) })
	g.Go(func() error {
		w.watch(ctx)
		return nil
	})
	return g.Wait()
}

// consumer is the name of the provider's durable consumer, and of its dead letters.
func (w *worker) consumer() string { return "lifecycle-" + w.provider.Name }

// lane is where the events of production or of the sandbox go.
func (w *worker) lane(sandbox bool) *outbox {
	if sandbox {
		return w.lanes[1]
	}
	return w.lanes[0]
}

// row makes the outbox row of a change.
func (w *worker) row(ctx context.Context, r *verification.Record, kind *verification.Kind, c *verification.Change, begun string) (store.OutboxRow, error) {
	data := event.NewVerification(r.ID, kind.Scope, *c)
	header, body, err := data.Encode(w.Instance, c.Event, begun)
	if err != nil {
		return store.OutboxRow{}, err
	}
	// The hop: the event is published later, when this span has ended.
	telemetry.Inject(ctx, header)
	return store.OutboxRow{
		Lane: w.lane(r.Sandbox).stream, EventID: event.VerificationEventID(data.ID, data.Version), Header: header, Data: body,
		Subject: event.VerificationSubject(r.Sandbox, w.provider.Name, kind.Name, c.Event),
	}, nil
}
