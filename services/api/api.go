// Package api answers questions about verifications from the read model, over HTTP.
//
// Its invariants:
//
//   - It only reads. Nothing that a caller sends changes anything.
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
	"time"

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
