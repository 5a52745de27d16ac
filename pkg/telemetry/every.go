package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Every returns a logger that writes one message at most once in every d, so
// that a broker that is away does not fill the disk with the same line. A message
// that was held back is counted, and the next one written has the count as
// "suppressed". Messages are told apart by level and text; their attributes, and
// those of loggers derived with With, make no difference. So a logger from Every
// is kept, not made anew for each use.
func Every(log *slog.Logger, d time.Duration) *slog.Logger {
	return slog.New(&everyHandler{next: log.Handler(), limit: &limit{every: d, seen: map[string]*occurrence{}}})
}

type everyHandler struct {
	next  slog.Handler
	limit *limit
}

func (h *everyHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h *everyHandler) Handle(ctx context.Context, record slog.Record) error {
	suppressed, ok := h.limit.take(record.Level.String() + " " + record.Message)
	if !ok {
		return nil
	}
	if suppressed > 0 {
		record = record.Clone()
		record.AddAttrs(slog.Int64("suppressed", suppressed))
	}
	return h.next.Handle(ctx, record)
}

func (h *everyHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &everyHandler{next: h.next.WithAttrs(attrs), limit: h.limit}
}

func (h *everyHandler) WithGroup(name string) slog.Handler {
	return &everyHandler{next: h.next.WithGroup(name), limit: h.limit}
}

type limit struct {
	every time.Duration
	mu    sync.Mutex
	seen  map[string]*occurrence
}

type occurrence struct {
	written    time.Time
	suppressed int64
}

// maxSeen bounds the memory when a program logs texts that it makes up. Those
// beyond it count as one message.
const maxSeen = 1000

// take reports whether the message may be written now, and if so how many of it
// were not since the last time.
func (l *limit) take(message string) (suppressed int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if _, known := l.seen[message]; !known && len(l.seen) >= maxSeen {
		l.forget(now)
		if len(l.seen) >= maxSeen {
			message = ""
		}
	}
	last, known := l.seen[message]
	if known && now.Sub(last.written) < l.every {
		last.suppressed++
		return 0, false
	}
	if known {
		suppressed = last.suppressed
	}
	l.seen[message] = &occurrence{written: now}
	return suppressed, true
}

// forget drops the messages that may be written again anyway.
func (l *limit) forget(now time.Time) {
	for message, last := range l.seen {
		if now.Sub(last.written) >= l.every {
			delete(l.seen, message)
		}
	}
}
