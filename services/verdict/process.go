package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/capacity"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/pkg/spool"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/telemetry"
	"github.com/verdict-stream/verdict/services/api"
	"github.com/verdict-stream/verdict/services/lifecycle"
	"github.com/verdict-stream/verdict/services/projector"
	"github.com/verdict-stream/verdict/services/receiver"
)

// process is one running Verdict: all services, or one of them.
type process struct {
	role      Role
	cfg       *Config
	providers []provider.Provider
	out       io.Writer
	telemetry *telemetry.Telemetry
	logger    *slog.Logger

	// local is closed once the parts are there that need no broker, and opened once all are that
	// the services share.
	local, opened chan struct{}

	server *bus.Server    // nil with a broker elsewhere
	bus    *bus.Bus       // nil for an API that knows no broker
	spool  *spool.Spool   // nil where webhooks are not received, or not spooled
	disk   *capacity.Disk // of the data directory
	keys   *seal.Keyring
	// keysOpened is when the keys were opened, and the directory made where there was none.
	keysOpened time.Time
}

func newProcess(role Role, cfg *Config, providers []provider.Provider, out io.Writer) *process {
	return &process{
		role: role, cfg: cfg, providers: withDeadlines(providers, cfg.Deadlines), out: out,
		local: make(chan struct{}), opened: make(chan struct{}), disk: capacity.NewDisk(cfg.DataDir, cfg.DiskMark),
	}
}

// stopTimeout bounds what is done after the services have stopped.
const stopTimeout = time.Second

// run is the wiring, the same for one service as for all of them:
//
//	            ┌────────── nats-server (in process, or elsewhere) ──────────┐
//	            │ KYC_WEBHOOKS      KYC_VERIFICATIONS  KYC_SANDBOX  KYC_DEAD │
//	            └──▲──────────┬──────▲──────────┬───────────────────────────┘
//	               │relay     │      │relay     │
//	 webhooks    spool        │      │          │                        questions
//	───────▶ receiver      lifecycle ┘      projector ──▶ read model ──▶ api ◀──────
//	                          │                 ▲
//	                state, outbox (SQL)    claims, sealed
//
// The receiver listens before anything else is open, and takes webhooks as soon as keys and spool
// are. When ctx ends every service finishes what it has begun; then the broker's connection, the
// server, the spool and the telemetry are closed.
func (p *process) run(ctx context.Context) (err error) {
	if err := os.MkdirAll(p.cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if err := refuseUnfinishedRestore(p.cfg.DataDir); err != nil {
		return err
	}
	p.telemetry, err = telemetry.Start(ctx, telemetry.Config{
		Service: "verdict-" + string(p.role), Version: version, Instance: p.cfg.Instance, LogLevel: p.cfg.LogLevel,
		LogFormat: p.cfg.LogFormat, LogWriter: os.Stderr, OTLPEndpoint: p.cfg.OTLPEndpoint,
	})
	if err != nil {
		return err
	}
	p.logger = p.telemetry.Logger()
	defer p.close()

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.open(ctx) })
	for _, service := range p.services() {
		g.Go(func() error { return service(ctx) })
	}
	return g.Wait()
}

// services are the parts that this role runs.
func (p *process) services() []func(context.Context) error {
	all := map[Role]func(context.Context) error{
		RoleReceiver: p.receive, RoleLifecycle: p.afterOpen(p.fold), RoleProjector: p.afterOpen(p.project), RoleAPI: p.afterOpen(p.answer),
	}
	services := []func(context.Context) error{p.serveMetrics, p.watch}
	for role, service := range all {
		if p.role == role || p.role == RoleAll || (p.role == RoleIngest && role == RoleReceiver) {
			services = append(services, service)
		}
	}
	return services
}

// open opens what the services share. Where something is away it waits until ctx ends.
func (p *process) open(ctx context.Context) (err error) {
	p.keysOpened = time.Now()
	if p.cfg.MasterKey.IsSet() {
		if p.keys, err = seal.Open(p.cfg.KeyDir, []byte(p.cfg.MasterKey.Reveal())); err != nil {
			return err
		}
	}
	if err := p.openSpool(); err != nil {
		return err
	}
	// With keys made just now it is not known whether they are the right ones: see checkKeys.
	early := p.keys == nil || !p.keys.Fresh() || p.cfg.AcceptLostKeys
	if early {
		close(p.local)
	}
	if p.role != RoleAPI {
		if err := p.connect(ctx); err != nil {
			return unlessStopped(ctx, err)
		}
	} else if p.cfg.NATSURL.IsSet() {
		// What it answers without the broker, it answers while the broker is away.
		p.bus, err = bus.Connect(ctx, bus.Config{URL: p.cfg.NATSURL.Reveal(), Name: "verdict-" + string(p.role), Logger: p.logger, Background: true})
		if err != nil {
			return err
		}
	}
	if !early {
		close(p.local)
	}
	close(p.opened)
	return p.announce()
}

// openSpool opens the spool where webhooks go through one.
func (p *process) openSpool() (err error) {
	dir := filepath.Join(p.cfg.DataDir, "spool")
	if !p.role.receives() {
		return nil
	}
	if p.cfg.spoolMode() == receiver.SpoolOff {
		// What was accepted when the mode was another still has to be published.
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	p.spool, err = spool.Open(dir, spool.Limits{Bytes: int64(p.cfg.SpoolMark), Age: p.cfg.SpoolAge})
	return err
}

// connect starts the in-process server where no other is named, and makes the streams.
func (p *process) connect(ctx context.Context) (err error) {
	if !p.cfg.NATSURL.IsSet() {
		addr := p.cfg.NATSAddr
		if addr == "" {
			addr = "off"
		}
		p.server, err = bus.StartServer(bus.ServerConfig{
			Dir: filepath.Join(p.cfg.DataDir, "nats"), Addr: addr, Dev: p.cfg.Dev, Logger: p.logger,
			PasswordFile: filepath.Join(p.cfg.DataDir, "nats-admin-password"),
		})
		if err != nil {
			return err
		}
	}
	p.bus, err = bus.Connect(ctx, bus.Config{
		Server: p.server, URL: p.cfg.NATSURL.Reveal(), Name: "verdict-" + string(p.role), Logger: p.logger,
	})
	if err != nil {
		return err
	}
	err = p.untilAvailable(ctx, "streams", func() error {
		return p.bus.EnsureStreams(ctx, bus.StreamSettings{
			Retention: p.longestRetention(), DeduplicationWindow: p.cfg.DeduplicationWindow, Replicas: p.cfg.Replicas,
		})
	})
	if err != nil {
		return err
	}
	return p.checkKeys(ctx)
}

// close closes what open has opened, in the reverse order.
func (p *process) close() {
	if p.bus != nil {
		p.bus.Close()
	}
	if p.server != nil {
		p.server.Shutdown()
	}
	if p.spool != nil {
		if err := p.spool.Close(); err != nil {
			p.logger.Warn("the spool was not closed well", "error", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := p.telemetry.Shutdown(ctx); err != nil {
		p.logger.Warn("telemetry is not complete", "error", err)
	}
}

// afterOpen lets a service begin once the parts are there.
func (p *process) afterOpen(service func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-p.opened:
			return service(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

func (p *process) receive(ctx context.Context) error {
	return receiver.Run(ctx, receiver.Config{
		Addr: p.cfg.HTTPAddr, Instance: p.cfg.Instance, Providers: p.served(), Logger: p.logger,
		Spool: p.cfg.spoolMode(), Aside: filepath.Join(p.cfg.DataDir, "aside"), DeduplicationWindow: p.cfg.DeduplicationWindow,
		Open: func(ctx context.Context) (receiver.Stores, error) {
			select {
			case <-p.local:
				return receiver.Stores{Keys: p.keys, Spool: p.spool, Disk: p.disk}, nil
			case <-ctx.Done():
				return receiver.Stores{}, ctx.Err()
			}
		},
		Connect: func(ctx context.Context) (*bus.Bus, error) {
			select {
			case <-p.opened:
				return p.bus, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
	})
}

func (p *process) fold(ctx context.Context) error {
	return lifecycle.Run(ctx, lifecycle.Config{
		Bus: p.bus, Keys: p.keys, Store: p.location(), Instance: p.cfg.Instance,
		Providers: p.providers, Retention: p.retention, Logger: p.logger, Archive: filepath.Join(p.cfg.DataDir, "archive"),
	})
}

func (p *process) project(ctx context.Context) error {
	var model *store.ReadModel
	err := p.untilAvailable(ctx, "read model", func() (err error) {
		model, err = store.OpenReadModel(ctx, p.location())
		return err
	})
	if err != nil || model == nil {
		return err
	}
	defer model.Close()
	config := projector.Config{
		Bus: p.bus, Keys: p.keys, Model: model, Providers: p.providers, Retention: p.retention, Logger: p.logger,
	}
	if at := p.location(); at.URL == "" {
		config.Room = func(more uint64) error { return capacity.NewDisk(at.Dir, p.cfg.DiskMark+more).Room() }
	}
	return projector.Run(ctx, config)
}

func (p *process) answer(ctx context.Context) error {
	var model *store.ReadModel
	err := p.untilAvailable(ctx, "read model", func() (err error) {
		model, err = store.OpenReader(ctx, p.location())
		return err
	})
	if err != nil || model == nil {
		return err
	}
	defer model.Close()
	return api.Run(ctx, api.Config{
		Addr: p.cfg.APIAddr, Model: model, Keys: p.keys, AdminToken: p.cfg.AdminToken.Reveal(), Dev: p.cfg.Dev,
		Bus: p.bus, Providers: p.providers, Retention: p.retention, ReplayDir: p.cfg.replayDir(),
		Metrics: p.telemetry.MetricsHandler(), Logger: p.logger,
	})
}
