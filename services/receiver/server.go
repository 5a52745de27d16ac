package receiver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/relay"
	"github.com/verdict-stream/verdict/pkg/telemetry"
)

const (
	// headerTimeout is what a sender may take for the header; the budget counts from its end.
	headerTimeout = 2 * time.Second
	// answerTimeout is what a sender may take to read the answer.
	answerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
	// maxHeader is far above the header of any webhook.
	maxHeader = 16 << 10

	// stopGrace is how long requests that are under way may go on, and abortGrace how long
	// they have to say that they could not be finished. flushGrace is left for the records of
	// refusals.
	stopGrace  = 3 * time.Second
	abortGrace = 500 * time.Millisecond
	flushGrace = 500 * time.Millisecond

	// complainEvery is the least time between two log lines about the same trouble.
	complainEvery = time.Minute
)

// receiver is a running receiver.
type receiver struct {
	config    Config
	instance  string
	endpoints map[string]*endpoint
	refusals  *refusals
	metrics   *metrics
	tracer    trace.Tracer
	logger    *slog.Logger
	// complaints writes no line about the same trouble twice within complainEvery.
	complaints *slog.Logger

	broker *connection
	// limit is that of a body, in bytes. Until the broker is known it is what every broker takes.
	limit atomic.Int64

	// recalled is closed once it is known which webhooks the stream got last, or is given up.
	recalled chan struct{}
	// opened is closed once what follows may be read.
	opened   chan struct{}
	stores   Stores
	journal  journal
	canary   *canary
	outgoing *outgoing    // nil without a spool
	relay    *relay.Relay // nil without a spool

	// work ends when requests under way must come to an end; it outlives the context of Run.
	work   context.Context
	abort  context.CancelFunc
	access sync.RWMutex // held for reading by every request that is under way
	closed bool
}

func newReceiver(config Config) (*receiver, error) {
	logger := config.Logger
	if logger == nil {
		logger = slog.Default()
	}
	counters, err := newMetrics()
	if err != nil {
		return nil, err
	}
	r := &receiver{
		config: config, instance: config.Instance, endpoints: map[string]*endpoint{}, broker: newConnection(),
		refusals: newRefusals(config.Providers, counters.drop), metrics: counters,
		tracer: otel.Tracer(scope), logger: logger, complaints: telemetry.Every(logger, complainEvery),
		opened: make(chan struct{}), recalled: make(chan struct{}),
	}
	r.limit.Store(smallBody)
	r.work, r.abort = context.WithCancel(context.Background())
	for _, s := range config.Providers {
		r.endpoints[s.Provider.Name] = newEndpoint(s)
	}
	return r, nil
}

// ServeHTTP serves webhooks and health checks. Once finish has returned nothing in it uses the
// stores.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.access.RLock()
	defer r.access.RUnlock()
	if r.closed {
		problem(w, event.CauseUnavailable, http.StatusServiceUnavailable, "")
		return
	}
	switch req.URL.Path {
	case "/livez":
		r.live(w, req)
	case "/readyz":
		r.ready(w, req)
	default:
		r.webhook(w, req)
	}
}

// serve answers requests until ctx ends, and returns when no request uses the stores any more.
func (r *receiver) serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           r,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       headerTimeout + r.longestBudget(),
		WriteTimeout:      headerTimeout + r.longestBudget() + answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(r.complaints.Handler(), slog.LevelDebug),
	}
	writing, stopWriting := context.WithCancel(context.Background())
	defer stopWriting()
	written := make(chan struct{})
	go func() {
		defer close(written)
		r.refusals.write(writing, r.broker.await)
	}()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	r.logger.Info("receiver listens", "addr", listener.Addr().String())

	var err error
	select {
	case err = <-failed:
		err = fmt.Errorf("serve webhooks: %w", err)
		r.finish(server)
	case <-ctx.Done():
		r.finish(server)
		if ended := <-failed; !errors.Is(ended, http.ErrServerClosed) {
			err = fmt.Errorf("serve webhooks: %w", ended)
		}
	}
	r.refusals.close()
	timer := time.AfterFunc(flushGrace, stopWriting)
	defer timer.Stop()
	<-written
	r.logger.Info("receiver stopped")
	return err
}

// finish accepts no more requests and returns when none is under way. The connections that are
// closed by force are those of senders that do not send.
func (r *receiver) finish(server *http.Server) {
	if shutdown(server, stopGrace) != nil {
		r.abort()
		if shutdown(server, abortGrace) != nil {
			_ = server.Close()
		}
	}
	r.abort()
	r.access.Lock()
	defer r.access.Unlock()
	r.closed = true
}

func shutdown(server *http.Server, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	return server.Shutdown(ctx)
}

func (r *receiver) longestBudget() time.Duration {
	longest := time.Duration(0)
	for _, e := range r.endpoints {
		longest = max(longest, e.Provider.Budget)
	}
	return longest
}
