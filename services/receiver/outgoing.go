package receiver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/durable"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/failpoint"
	"github.com/verdict-stream/verdict/pkg/relay"
	"github.com/verdict-stream/verdict/pkg/spool"
)

const (
	// webhooksFilter matches all that the spool publishes.
	webhooksFilter = "kyc.webhook.>"
	// readBytes bounds what is read of the spool at a time.
	readBytes = 8 << 20
	// causeUnpublishable is the cause of the dead letter of a webhook that no stream can take.
	causeUnpublishable = "unpublishable"
	// deadLetters is the name under which the receiver's dead letters are filed.
	deadLetters = "receiver"
	// clockSkew is how far the clocks of this machine and of the broker may differ.
	clockSkew = time.Minute
)

// outgoing is the spool as the relay sees it: webhooks that wait for their stream.
//
// Several receivers publish to that stream, each from a spool of its own, so there is no fence:
// the ids of the messages keep them from being stored twice within the deduplication window.
// What may be older than that is found by reading the stream from the position on that was
// recorded with the last webhook that is known to be in it.
type outgoing struct {
	spool  *spool.Spool
	broker *bus.Bus
	window *window
	logger *slog.Logger

	aside string // the directory for what cannot be published

	stream string // the identity of the stream
	// there counts the messages behind the recorded position, by key, that entries up to the index
	// known may be; what was accepted later is another message.
	there map[digest]int
	known uint64
	// read is the position up to which they were counted.
	read uint64
}

var _ relay.Source = (*outgoing)(nil)

// Waiting leaves out what the stream has.
func (o *outgoing) Waiting(ctx context.Context, limit int) (rows []relay.Row, more bool, err error) {
	for len(rows) == 0 {
		entries, err := o.spool.Read(ctx, o.spool.First(), limit, readBytes)
		if err != nil || len(entries) == 0 {
			return nil, false, err
		}
		last := entries[len(entries)-1].Index
		for _, e := range entries {
			if len(rows) > 0 && o.is(&e) {
				// It is left out once those before it are forgotten, and is forgotten then itself.
				last = e.Index - 1
				break
			}
			if o.published(&e) {
				continue
			}
			rows = append(rows, relay.Row{ID: e.Index, Message: message(e.Entry)})
		}
		more = last < o.spool.Last()
		if len(rows) == 0 {
			if err := o.trim(last, 0); err != nil {
				return nil, false, err
			}
		}
	}
	return rows, more, nil
}

// published reports whether an entry is one of the messages that the stream was found to have. Each
// of them stands for one entry: the same webhook accepted again is a delivery of its own.
func (o *outgoing) published(e *spool.Indexed) bool {
	if !o.is(e) {
		return false
	}
	o.there[digestOf(e.Key)]--
	o.window.published(time.Now(), e.Key)
	return true
}

// is reports whether one of the messages that were found is left for an entry.
func (o *outgoing) is(e *spool.Indexed) bool {
	return e.Index <= o.known && o.there[digestOf(e.Key)] > 0
}

// Published forgets the rows, and what was left out before them.
func (o *outgoing) Published(_ context.Context, rows []relay.Row, last uint64) error {
	failpoint.Hit(failpoint.ReceiverPublished)
	keys := make([]string, len(rows))
	for i := range rows {
		keys[i] = rows[i].Message.Header[event.MessageID][0]
	}
	o.window.published(time.Now(), keys...)
	return o.trim(rows[len(rows)-1].ID, last)
}

// trim forgets the entries up to an index. Where it is not known at which position the stream
// has the last of them, the position stays; with the last entry that a message was counted for, all
// that were counted are behind it, and are not counted again.
func (o *outgoing) trim(index, sequence uint64) error {
	if index >= o.known {
		sequence = max(sequence, o.read)
		o.there = nil
	}
	position := o.spool.Position()
	return o.spool.Trim(spool.Position{Stream: o.stream, Sequence: max(position.Sequence, sequence), Index: index})
}

// Refused sets a webhook aside and files a dead letter. It was larger than what the broker
// takes now: the limit was lowered behind what had been accepted.
func (o *outgoing) Refused(ctx context.Context, row relay.Row, cause error) error {
	file, err := o.setAside(row)
	if err != nil {
		return fmt.Errorf("set a webhook aside: %w", err)
	}
	key := row.Message.Header[event.MessageID][0]
	o.logger.ErrorContext(ctx, "a webhook cannot be published and was set aside, sealed", "webhook", key, "file", file, "error", cause)
	now := time.Now().UTC()
	letter := bus.DeadLetter{
		Consumer: deadLetters, Stream: bus.Spool, Sequence: row.ID, Subject: row.Message.Subject, EventID: key,
		Provider: providerOf(row.Message.Subject),
		Cause:    causeUnpublishable, Error: cause.Error(), Attempts: 1, FirstErrorAt: now, LastErrorAt: now,
	}
	if err := o.broker.Bury(ctx, letter); err != nil {
		return err
	}
	return o.trim(row.ID, 0)
}

// providerOf returns the provider that a delivery's subject names.
func providerOf(subject string) string {
	rest := strings.TrimPrefix(subject, strings.TrimSuffix(webhooksFilter, ">"))
	name, _, _ := strings.Cut(rest, ".")
	return name
}

// setAside writes a webhook to a file of its own, durably, as it would have been published.
func (o *outgoing) setAside(row relay.Row) (file string, err error) {
	content, err := json.Marshal(row.Message)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(o.aside, 0o700); err != nil {
		return "", err
	}
	if err := durable.Sync(filepath.Dir(o.aside)); err != nil {
		return "", err
	}
	key := digestOf(row.Message.Header[event.MessageID][0])
	// The index alone would be that of another webhook once a damaged spool was moved away.
	file = filepath.Join(o.aside, fmt.Sprintf("unpublishable-%d-%x.json", row.ID, key[:4]))
	return file, durable.Replace(file, content)
}

// Resync reads which keys the stream has got since the recorded position. In a stream that is
// another than the recorded one, that is all of it.
func (o *outgoing) Resync(ctx context.Context) (bus.Fence, error) {
	identity, err := o.broker.StreamIdentity(ctx, bus.Webhooks)
	if err != nil {
		return bus.Fence{}, err
	}
	from, err := o.from(ctx, identity)
	if err != nil {
		return bus.Fence{}, err
	}
	// What is appended while the stream is read was not published yet.
	known, there := o.spool.Last(), map[digest]int{}
	last, err := o.broker.Read(ctx, bus.Webhooks, webhooksFilter, from, func(m bus.Stored) error {
		for _, key := range m.Header[event.MessageID] {
			there[digestOf(key)]++
		}
		return nil
	})
	if err != nil {
		return bus.Fence{}, fmt.Errorf("read what is published: %w", err)
	}
	o.stream, o.known, o.there, o.read = identity, known, there, last
	if o.spool.First() > known {
		// Nothing waits that could be there: the next time need not read this again.
		return bus.Fence{}, o.trim(known, last)
	}
	return bus.Fence{}, nil
}

// from is the first position that the stream may have a waiting webhook at.
func (o *outgoing) from(ctx context.Context, identity string) (uint64, error) {
	position := o.spool.Position()
	if position.Stream == identity {
		return position.Sequence + 1, nil
	}
	// Nothing of this stream is recorded: the spool is new, or the stream, or a power cut took
	// the record. Nothing was published before it was received.
	since := time.Now()
	if size := o.spool.Size(); size.Entries > 0 {
		since = size.Oldest
	}
	first, err := o.broker.FirstSince(ctx, bus.Webhooks, since.Add(-clockSkew))
	if err != nil {
		return 0, err
	}
	return first, o.spool.Trim(spool.Position{Stream: identity, Sequence: first - 1, Index: position.Index})
}

// Final ends the relay where the spool cannot be read: what is behind must not overtake it.
func (o *outgoing) Final(err error) bool {
	return errors.Is(err, spool.ErrDamaged) || errors.Is(err, spool.ErrClosed)
}
