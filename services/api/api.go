// Package api answers questions about verifications from the read model, over HTTP, and lets an operator repair what could not be handled.
//
// Its invariants:
//
//   - What is asked with GET changes nothing. What changes something takes POST, with a body that no page of a stranger can send, and writes
//     into the audit who asked.
//   - Everything below /v1 needs the administrator's token; in development mode alone, a caller at this machine needs none.
//   - Personal data is in one answer only, that of the claims. It is never cached, and who asked is written to the log.
//   - No id, reference or parameter is part of a metric, of a span's name or attributes, or of an error's text.
//
// The address is meant to be private: /livez, /readyz and /metrics need no token, and hold no personal data.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/telemetry"
)

// Config is what the API works with.
type Config struct {
	// Addr is host:port where to listen; it is not used where Listener is set.
	Addr string
	// Listener is where to listen. Run closes it.
	Listener net.Listener
	// Model is the read model.
	Model *store.ReadModel
	// Keys open the claims; nil means that this process answers everything but them.
	Keys *seal.Keyring
	// Bus is the broker, which may be away at any time; nil means that this process answers nothing that needs one.
	Bus *bus.Bus
	// Providers are all that deliveries may be of, and Retention is how long the bodies of one can be read. They go with Bus.
	Providers []provider.Provider
	Retention func(provider string) time.Duration
	// ReplayDir is where replays that are asked for here write their files. It goes with Bus.
	ReplayDir string
	// AdminToken is what a caller has to show. It may be empty in development mode only.
	AdminToken string
	// Dev lets callers at this machine in without a token.
	Dev bool
	// Metrics answers /metrics; nil means that there is no such path.
	Metrics http.Handler
	// Logger gets what goes wrong and who read claims; nil means slog.Default.
	Logger *slog.Logger

	// pace is that of the streams; the zero value means livePace.
	pace pace
}

const (
	// The timeouts bound what a slow caller can hold.
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = time.Minute
	maxHeaderBytes    = 32 << 10

	// stopTimeout is how long answers under way may take when the API stops.
	stopTimeout = 4 * time.Second

	// logInterval is the least time between two log lines about the same trouble.
	logInterval = 10 * time.Second
)

// Run answers until ctx ends, ends the streams, finishes what else is under way, and returns nil. It returns an error where it cannot listen.
func Run(ctx context.Context, config Config) error {
	if config.AdminToken == "" && !config.Dev {
		return errors.New("run API: without an administrator's token nobody could ask anything")
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	listener := config.Listener
	if listener == nil {
		var err error
		if listener, err = net.Listen("tcp", config.Addr); err != nil {
			return fmt.Errorf("run API: %w", err)
		}
	}
	server := &http.Server{
		Handler:           newHandler(config, ctx.Done()),
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(telemetry.Every(config.Logger, logInterval).Handler(), slog.LevelWarn),
	}
	if config.Bus != nil {
		var repairs sync.WaitGroup
		working, stop := context.WithCancel(ctx)
		repairs.Go(func() { repair(working, config.Bus) })
		desk := newHeldDesk(config)
		repairs.Go(func() { decide(working, &desk) })
		repairs.Go(func() { replayed(working, config.Bus, config.ReplayDir, config.Logger) })
		defer repairs.Wait()
		defer stop()
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("run API: %w", err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		// Whoever is still being answered is cut off.
		_ = server.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("run API: %w", err)
	}
	return nil
}
