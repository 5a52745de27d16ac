package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
)

// Consumer is a durable position in a stream and what to do with each message from there on.
type Consumer struct {
	// Name is the durable name at the broker and the last token of the dead letters' subject: letters, digits, - and _.
	Name string
	// Stream is the stream that is read.
	Stream string
	// Filter matches the subjects that are read.
	Filter string
	// Concurrency is how many messages are handled at the same time. With 1, which 0 stands for, they come in order unless one comes again.
	Concurrency int
	// Handle does the work. The context carries the trace that the message belongs to, and ends when the consumer is to stop.
	Handle func(ctx context.Context, message Stored) error
	// Gone is told of a dead letter whose message is no more in the stream when it was to be handled once more, before the letter is closed. It may be nil.
	Gone func(ctx context.Context, letter DeadLetter) error
}

var consumerNamePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// closeTimeout bounds how long Run waits for handlers that do not return although their context has ended. It is longer than their time of grace.
const closeTimeout = 4 * time.Second

// Run handles the messages of the consumers until ctx ends, and returns once every message that was not done is back at the broker and no handler
// runs any more; one that does not heed its context is waited for a few seconds. While the broker is away it waits and then goes on. An error is returned only for consumers that cannot work at all.
//
// The error of Handle decides:
//
//   - nil: the message is done.
//   - ErrUnavailable, however wrapped, or any error once ctx has ended: it comes again, and the attempt does not count. The consumer pauses,
//     a little longer each time, up to some seconds.
//   - Permanent: it goes to the dead letters now.
//   - any other error, or a panic: it comes again later, each time later than before, and goes to the dead letters after maxAttempts.
//
// A message that goes to the dead letters is done once its dead letter is durable. Attempts are counted in this process: a restart starts anew.
// Who asks with Redrive has a message handled once more, by the same rules.
func (b *Bus) Run(ctx context.Context, consumers ...Consumer) error {
	if err := b.run(ctx, consumers); err != nil {
		return fmt.Errorf("run consumers: %w", err)
	}
	return nil
}

func (b *Bus) run(ctx context.Context, consumers []Consumer) error {
	sources, err := sourcesOf(consumers)
	if err != nil {
		return err
	}
	judges := make(map[string]*judge, 2*len(consumers))
	for _, c := range consumers {
		judges[c.Name] = newJudge(b, c)
		again := &redriver{bus: b, consumer: c}
		redrives := again.requests()
		judges[redrives.Name] = newJudge(b, redrives)
		judges[redrives.Name].bury = again.bury
		consumers = append(consumers, redrives)
		sources[redrives.Name] = redrives.source()
	}
	for _, from := range sources {
		// The router could not take back the subscriptions that it has already made when one of the later ones fails.
		if _, err := b.ensureConsumer(ctx, from); err != nil && !errors.Is(err, ErrUnavailable) {
			return err
		}
	}
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: closeTimeout}, b.routerLogger())
	if err != nil {
		return err
	}
	subscriber := newSubscriber(b, func(name string) (source, error) { return sources[name], nil })
	for _, c := range consumers {
		metrics, err := newConsumerMetrics(c)
		if err != nil {
			return err
		}
		stopObserving, err := b.observePending(c)
		if err != nil {
			return err
		}
		defer stopObserving()
		router.AddConsumerHandler(c.Name, c.Name, subscriber, c.handle).AddMiddleware(
			traced(c, metrics),
			judges[c.Name].middleware,
			recovered,
		)
	}
	err = router.Run(ctx)
	return errors.Join(err, subscriber.Close())
}

// handle is the innermost part of what the router calls.
func (c Consumer) handle(msg *message.Message) error {
	return c.Handle(msg.Context(), deliveryOf(msg).stored)
}

func sourcesOf(consumers []Consumer) (map[string]source, error) {
	if len(consumers) == 0 {
		return nil, errors.New("there are none")
	}
	sources := make(map[string]source, len(consumers))
	for _, c := range consumers {
		switch _, twice := sources[c.Name]; {
		case !consumerNamePattern.MatchString(c.Name):
			return nil, fmt.Errorf("%q is not a name for a consumer", c.Name)
		case twice:
			return nil, fmt.Errorf("consumer %s is given twice", c.Name)
		case c.Stream == "" || c.Filter == "" || c.Handle == nil:
			return nil, fmt.Errorf("consumer %s lacks a stream, a filter or a handler", c.Name)
		}
		sources[c.Name] = c.source()
	}
	return sources, nil
}

func (c Consumer) source() source {
	return source{stream: c.Stream, filter: c.Filter, durable: c.Name, concurrency: max(c.Concurrency, 1)}
}

// routerLogger keeps the router's lines for debugging: what matters is logged by the middleware, once and without floods. Nothing is kept of
// the two lines that the router has for every message.
type routerLogger struct{ watermill.LoggerAdapter }

func (b *Bus) routerLogger() watermill.LoggerAdapter {
	return routerLogger{watermill.NewSlogLoggerWithLevelMapping(b.logger, map[slog.Level]slog.Level{
		slog.LevelInfo: slog.LevelDebug, slog.LevelError: slog.LevelDebug,
	})}
}

// Trace writes nothing.
func (routerLogger) Trace(string, watermill.LogFields) {}

// With returns the same for derived loggers.
func (l routerLogger) With(fields watermill.LogFields) watermill.LoggerAdapter {
	return routerLogger{l.LoggerAdapter.With(fields)}
}
