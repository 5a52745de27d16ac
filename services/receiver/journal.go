package receiver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/capacity"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/spool"
)

// SpoolMode says where a webhook is durable before it is answered.
type SpoolMode string

// The modes.
const (
	// SpoolAlways answers once the webhook is in the spool, whose sync many share. The broker may
	// be away.
	SpoolAlways SpoolMode = "always"
	// SpoolOff answers once the broker has acked the webhook.
	SpoolOff SpoolMode = "off"
	// SpoolOnOutage is like SpoolOff while the broker acks, and like SpoolAlways while it does not.
	SpoolOnOutage SpoolMode = "on_outage"
)

const (
	// storePause is the first pause before a webhook that could not be stored is tried again,
	// within the provider's budget; it doubles up to storePauseMax.
	storePause    = 10 * time.Millisecond
	storePauseMax = 250 * time.Millisecond
	// directShare is the part of what is left of the budget that the broker may take where the
	// spool can have the rest.
	directShare = 2
)

// journal is what makes webhooks durable. It is the one place that knows how.
type journal struct {
	mode   SpoolMode
	window *window
	spool  *spool.Spool   // not used with SpoolOff
	disk   *capacity.Disk // nil where nothing of it is on a disk of this machine
	wake   func()         // tells the relay that there is something in the spool
	broker *connection
}

// append returns once the webhook is durable. One that is there already, and durable, is a
// duplicate and not stored again. What goes to the stream of held webhooks never goes through
// the spool: that stream may be full, which must be known before the answer.
//
// It tries until ctx ends. After an error nothing is known: the webhook may have been stored,
// and its next delivery is recognised by its key.
func (j *journal) append(ctx context.Context, subject, key string, held bool, w event.Webhook) (duplicate bool, err error) {
	header, data, err := w.Encode()
	if err != nil {
		return false, fmt.Errorf("append to the journal: %w", err)
	}
	header[event.MessageID] = []string{key}
	entry := spool.Entry{Subject: subject, Key: key, Header: header, Data: data, At: w.ReceivedAt}
	store := j.direct
	remembered := key
	switch {
	case held:
		remembered = "held " + key
	case j.mode == SpoolAlways:
		store = j.spooled
	case j.mode == SpoolOnOutage:
		store = j.either
	}
	duplicate, err = j.window.once(ctx, remembered, func() (bool, error) { return j.try(ctx, store, remembered, entry) })
	if err != nil {
		return false, fmt.Errorf("append to the journal: %w", err)
	}
	return duplicate, nil
}

// try stores an entry, again and again until ctx ends.
func (j *journal) try(ctx context.Context, store func(context.Context, spool.Entry) (stored, error), key string, e spool.Entry) (duplicate bool, err error) {
	for pause := storePause; ; pause = min(2*pause, storePauseMax) {
		var s stored
		if err = j.room(); err == nil {
			s, err = store(ctx, e)
		}
		if err == nil {
			if s.published {
				j.window.published(time.Now(), key)
			}
			return s.duplicate, nil
		}
		if errors.Is(err, bus.ErrRejected) {
			return false, err
		}
		select {
		case <-ctx.Done():
			return false, err
		case <-time.After(pause):
		}
	}
}

// room tells whether what is accepted now has room, also in everything that it leads to.
func (j *journal) room() error {
	if j.disk == nil {
		return nil
	}
	return j.disk.Room()
}

// stored is what became of an entry.
type stored struct {
	published bool // the stream has it
	duplicate bool // and had it before
}

func (j *journal) spooled(ctx context.Context, e spool.Entry) (stored, error) {
	err := j.spool.Append(ctx, e)
	// Also where there is no room: what keeps it full may not know that it should go.
	j.wake()
	return stored{}, err
}

func (j *journal) direct(ctx context.Context, e spool.Entry) (stored, error) {
	b, err := j.broker.await(ctx)
	if err != nil {
		return stored{}, err
	}
	ack, err := b.Publish(ctx, message(e))
	return stored{published: err == nil, duplicate: ack.Duplicate}, err
}

// either stores in the stream, or in the spool while the broker is away and until what came
// meanwhile is published: else what comes then would overtake it.
func (j *journal) either(ctx context.Context, e spool.Entry) (stored, error) {
	if j.spool.Size().Entries > 0 || !j.broker.connected() {
		return j.spooled(ctx, e)
	}
	short := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		short, cancel = context.WithTimeout(ctx, time.Until(deadline)/directShare)
		defer cancel()
	}
	s, err := j.direct(short, e)
	if errors.Is(err, bus.ErrUnavailable) {
		return j.spooled(ctx, e)
	}
	return s, err
}

func message(e spool.Entry) bus.Message {
	return bus.Message{Subject: e.Subject, Header: e.Header, Data: e.Data}
}
