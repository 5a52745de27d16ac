package bus

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

const (
	// serverLinesPerSecond bounds how fast others can make the server write to the log, by failing to log in for example.
	serverLinesPerSecond = 1
	serverLinesAtOnce    = 20
	// writeError is in the line by which the server says that it closes a stream for writing.
	writeError = "ritical write error"
)

// serverLog writes the server's log lines to slog, remembers the one that says why it could not start, and passes on that a stream is closed
// for writing, which the server tells nobody else.
type serverLog struct {
	logger *slog.Logger
	limit  *rate.Limiter
	closed chan struct{} // gets a value when a stream was closed for writing

	mu    sync.Mutex
	cause string
}

func newServerLog(logger *slog.Logger) *serverLog {
	return &serverLog{logger: logger, limit: rate.NewLimiter(serverLinesPerSecond, serverLinesAtOnce), closed: make(chan struct{}, 1)}
}

func (l *serverLog) fatal() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// Noticef logs what the server does in the course of things.
func (l *serverLog) Noticef(format string, values ...any) {
	l.logger.Debug("nats-server", "line", fmt.Sprintf(format, values...))
}

// Warnf logs what an operator should look at.
func (l *serverLog) Warnf(format string, values ...any) {
	if l.limit.Allow() {
		l.logger.Warn("nats-server", "line", fmt.Sprintf(format, values...))
	}
}

// Errorf logs what went wrong.
func (l *serverLog) Errorf(format string, values ...any) {
	if strings.Contains(format, writeError) {
		select {
		case l.closed <- struct{}{}:
		default:
		}
	}
	if l.limit.Allow() {
		l.logger.Error("nats-server", "line", fmt.Sprintf(format, values...))
	}
}

// Fatalf is what the server calls where a server of its own would end its process.
func (l *serverLog) Fatalf(format string, values ...any) {
	l.mu.Lock()
	l.cause = fmt.Sprintf(format, values...)
	l.mu.Unlock()
	l.logger.Error("nats-server", "line", fmt.Sprintf(format, values...))
}

// Debugf is never called: the server's debug lines are off.
func (l *serverLog) Debugf(string, ...any) {}

// Tracef is never called: the server's traces hold payloads and are off.
func (l *serverLog) Tracef(string, ...any) {}
