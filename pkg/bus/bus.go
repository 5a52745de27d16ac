// Package bus carries messages durably from one part of Verdict to another. It is the only package that knows NATS and Watermill.
//
// Its invariants:
//
//   - A publish that returned no error is on disk, and on a majority of disks where streams are replicated.
//   - A batch is stored whole and in order, or not at all, and a fence keeps a publisher that has missed something from storing anything.
//   - A message leaves a consumer in one of two ways: its handler returned nil, or its dead letter is durable. Everything else is redelivered,
//     so a handler may see one message several times and must be idempotent.
//   - A failure of the infrastructure (ErrUnavailable) is never held against a message.
//   - No subject, header, error or log line that this package makes holds a body.
package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/verdict-stream/verdict/pkg/telemetry"
)

const (
	// defaultTimeout bounds one request to the broker where the caller's context has no deadline.
	defaultTimeout = 5 * time.Second
	// flushTimeout bounds how long Close waits for the last acks to be on their way.
	flushTimeout = time.Second
	// connectRetryWait is the pause between two attempts to connect, at start and after a loss.
	connectRetryWait = 250 * time.Millisecond
	// logInterval is the least time between two log lines about the same trouble.
	logInterval = 10 * time.Second
)

// Config says which broker to use.
type Config struct {
	// Server is the in-process server. Where it is set, URL is not used.
	Server *Server
	// URL is the broker's address, several separated by commas; user and password are part of it and never appear in an error or a log line.
	URL string
	// Name is shown in the broker's list of connections.
	Name string
	// Logger gets what happens to the connection and the consumers; nil means slog.Default.
	Logger *slog.Logger
	// Background has Connect return at once. Until the broker answers, whatever is called returns ErrUnavailable.
	Background bool
	// FetchWait is how long one request for messages stays open, and so how long an idle consumer may take to stop; 0 means half a second.
	// Tests that stop and start consumers again and again shorten it.
	FetchWait time.Duration
}

// Bus is one connection to the broker. It may be used by many goroutines.
type Bus struct {
	conn   *nats.Conn
	js     jetstream.JetStream
	timing timing
	// handles are those of the streams that messages were read from by their sequence, by name.
	handles sync.Map
	// streams is what the streams were ensured with, nil where they were not.
	streams atomic.Pointer[StreamSettings]
	// logger writes no line about the same trouble twice within logInterval.
	logger *slog.Logger
}

// timing is what the tests of this package shorten.
type timing struct {
	// ackWait is how long after a crash the messages that were being handled come again. Handlers may take longer: the broker is kept informed.
	ackWait time.Duration
	// fetchWait is how long one request for messages stays open, and so how long an idle consumer may take to stop.
	fetchWait time.Duration
	// grace is how long a consumer that stops waits for its handlers, whose context has ended.
	grace time.Duration
	// backoffBase and backoffMax are the pauses before a failed message comes again: the first, doubled each time, and the longest.
	backoffBase time.Duration
	backoffMax  time.Duration
	// pauseMax is the longest pause of a consumer whose infrastructure is away; the first is backoffBase.
	pauseMax time.Duration
}

var defaultTiming = timing{
	ackWait: 5 * time.Second, fetchWait: 500 * time.Millisecond, grace: 3 * time.Second,
	backoffBase: 250 * time.Millisecond, backoffMax: 30 * time.Second, pauseMax: 5 * time.Second,
}

// backoff returns the pause after the given number of failures, from 1.
func backoff(base, longest time.Duration, failures int) time.Duration {
	pause := base
	for i := 1; i < failures && pause < longest; i++ {
		pause *= 2
	}
	return min(pause, longest)
}

// Connect waits until the broker answers and has JetStream, or until ctx ends. Wrong credentials are reported at once.
// A connection that is lost later comes back by itself; what is called meanwhile returns ErrUnavailable.
func Connect(ctx context.Context, config Config) (*Bus, error) {
	logger := config.Logger
	if logger == nil {
		logger = slog.Default()
	}
	logger = telemetry.Every(logger, logInterval)
	target, where, err := config.target()
	if err != nil {
		return nil, fmt.Errorf("connect to the broker: %w", err)
	}
	options := append(target, connectionOptions(config.Name, where, logger)...)
	if config.Background {
		b, err := connectInBackground(config.URL, options, logger)
		if err == nil {
			b.timing.fetchWait = cmp.Or(config.FetchWait, b.timing.fetchWait)
		}
		return b, err
	}
	for {
		b, err := connectOnce(ctx, config.URL, options, logger)
		if err == nil {
			b.timing.fetchWait = cmp.Or(config.FetchWait, b.timing.fetchWait)
			return b, nil
		}
		if refused(err) {
			return nil, fmt.Errorf("connect to the broker at %s: %w", where, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to the broker at %s: %w: %w", where, ErrUnavailable, err)
		case <-time.After(connectRetryWait):
		}
	}
}

func connectOnce(ctx context.Context, address string, options []nats.Option, logger *slog.Logger) (*Bus, error) {
	conn, err := nats.Connect(address, options...)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	if _, err := js.AccountInfo(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("ask for JetStream: %w", err)
	}
	b := &Bus{conn: conn, js: js, timing: defaultTiming, logger: logger}
	conn.SetReconnectHandler(func(*nats.Conn) { b.restored() })
	return b, nil
}

// connectInBackground returns a connection that may not be one yet.
func connectInBackground(address string, options []nats.Option, logger *slog.Logger) (*Bus, error) {
	conn, err := nats.Connect(address, append(options, nats.RetryOnFailedConnect(true))...)
	if err != nil {
		return nil, fmt.Errorf("connect to the broker: %w", err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to the broker: %w", err)
	}
	return &Bus{conn: conn, js: js, timing: defaultTiming, logger: logger}, nil
}

// target returns the options that name the broker, and how to call it in messages.
func (c Config) target() ([]nats.Option, string, error) {
	if c.Server != nil {
		return []nats.Option{nats.InProcessServer(c.Server), nats.UserInfo(adminUser, c.Server.password)}, "the in-process server", nil
	}
	var shown []string
	for _, one := range strings.Split(c.URL, ",") {
		parsed, err := url.Parse(strings.TrimSpace(one))
		if err != nil || parsed.Host == "" {
			// The parser's own error would repeat the address with its password.
			return nil, "", errors.New("the address is not of the form nats://user:password@host:port")
		}
		shown = append(shown, parsed.Scheme+"://"+parsed.Host)
	}
	return nil, strings.Join(shown, ","), nil
}

func connectionOptions(name, where string, logger *slog.Logger) []nats.Option {
	return []nats.Option{
		nats.Name(name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(connectRetryWait),
		nats.RetryOnFailedConnect(false),
		// Who refuses the password twice while it restarts may take it the third time. A connection that gave up would never come back.
		nats.IgnoreAuthErrorAbort(),
		// A publish during an outage fails at once: what is kept in memory and sent later could neither be waited for nor taken back.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				logger.Warn("broker connection lost", "broker", where, "error", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			logger.Warn("broker reported an error", "broker", where, "error", err)
		}),
	}
}

// refused tells whether waiting cannot help.
func refused(err error) bool {
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, jetstream.ErrJetStreamNotEnabled) ||
		errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount)
}

// MaxPayload is the size in bytes of the largest message, headers included, that the broker takes.
func (b *Bus) MaxPayload() int64 { return b.conn.MaxPayload() }

// Connected tells whether the broker can be reached now.
func (b *Bus) Connected() bool { return b.conn.IsConnected() }

// Close ends the connection. Consumers must have been stopped before, by ending the context of Run.
func (b *Bus) Close() {
	// Acks are sent without waiting for an answer; a flush sees to it that the last ones arrive.
	if b.conn.IsConnected() {
		ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
		defer cancel()
		if err := b.conn.FlushWithContext(ctx); err != nil {
			b.logger.Debug("flush before close", "error", err)
		}
	}
	b.conn.Close()
}

// withTimeout gives ctx a deadline if it has none.
func withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, defaultTimeout)
}
