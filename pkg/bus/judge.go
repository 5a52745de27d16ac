package bus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// maxAttempts is how often a message may fail before it goes to the dead letters.
const maxAttempts = 8

// judge is the middleware that decides what a handler's error means for its message.
type judge struct {
	bus      *Bus
	consumer Consumer
	// bury makes it durable that a message is given up.
	bury func(ctx context.Context, m Stored, cause string, err error, known failures) error

	mu       sync.Mutex
	failures map[uint64]*failures
}

// failures is what is known about a message that has failed.
type failures struct {
	attempts    int
	first, last time.Time
}

func newJudge(bus *Bus, consumer Consumer) *judge {
	dead := &publisher{bus: bus}
	bury := func(ctx context.Context, m Stored, cause string, err error, known failures) error {
		return newDeadLetter(consumer.Name, m, cause, err, known).publish(ctx, dead)
	}
	return &judge{bus: bus, consumer: consumer, bury: bury, failures: map[uint64]*failures{}}
}

// middleware returns nil where the message is done, be it handled or dead, and an error where it is to come again.
func (j *judge) middleware(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		_, err := next(msg)
		d := deliveryOf(msg)
		switch {
		case err == nil:
			d.result = resultDone
			j.forget(d.stored.Seq)
			return nil, nil
		case msg.Context().Err() != nil:
			d.result = resultInterrupted
			return nil, err
		case errors.Is(err, ErrUnavailable):
			return nil, j.postpone(d, err)
		}
		return nil, j.failed(msg, d, err)
	}
}

func (j *judge) failed(msg *message.Message, d *delivery, err error) error {
	known := j.count(d.stored.Seq)
	cause, permanent := PermanentCause(err)
	log := []any{"consumer", j.consumer.Name, "stream", d.stored.Stream, "sequence", d.stored.Seq, "attempts", known.attempts, "error", err}
	if !permanent {
		cause = CauseAttemptsExhausted
		if known.attempts < maxAttempts {
			d.result = resultRetried
			d.retryAfter = backoff(j.bus.timing.backoffBase, j.bus.timing.backoffMax, known.attempts)
			j.bus.logger.WarnContext(msg.Context(), "message failed, will be tried again", log...)
			return err
		}
	}
	if err := j.bury(msg.Context(), d.stored, cause, err, known); err != nil {
		return j.postpone(d, err)
	}
	d.result = resultDead
	j.bus.logger.ErrorContext(msg.Context(), "message given up", append(log, "cause", cause)...)
	j.forget(d.stored.Seq)
	return nil
}

// postpone has the message come again without counting the attempt.
func (j *judge) postpone(d *delivery, err error) error {
	d.result, d.unavailable = resultUnavailable, true
	j.bus.logger.Warn("consumer pauses", "consumer", j.consumer.Name, "error", err)
	return err
}

func (j *judge) count(seq uint64) failures {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now().UTC()
	known := j.failures[seq]
	if known == nil {
		// Where processes share a consumer, messages that failed here may be done elsewhere, and stay in the map. Counting anew bounds it.
		if len(j.failures) >= 2*maxUnacked {
			clear(j.failures)
		}
		known = &failures{first: now}
		j.failures[seq] = known
	}
	known.attempts++
	known.last = now
	return *known
}

func (j *judge) forget(seq uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.failures, seq)
}
