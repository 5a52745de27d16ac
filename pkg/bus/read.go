package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// readBatch is how many messages Read asks for at a time; it bounds what a read holds in memory.
	readBatch = 256
	// readIdle is how long the broker keeps the position of a read that has stopped asking.
	readIdle = 5 * time.Minute
)

// StreamState is what a stream holds now. FirstSeq is above LastSeq where it holds nothing.
type StreamState struct {
	Messages  uint64
	Bytes     uint64
	FirstSeq  uint64
	LastSeq   uint64
	FirstTime time.Time
	LastTime  time.Time
	Created   time.Time // whatever was stored before it belongs to another stream of that name
}

// Read hands every message of the stream from sequence `from` on whose subject matches filter to fn, in order, up to the last that exists at the time of the call,
// and returns the sequence of the last one handed over, 0 if there was none. It stops at the first error of fn and returns it as it is.
// Messages that expire meanwhile are left out. Errors of its own: ErrUnavailable; what fn has seen by then is in order and without gaps.
func (b *Bus) Read(ctx context.Context, stream, filter string, from uint64, fn func(Stored) error) (last uint64, err error) {
	state, err := b.StreamState(ctx, stream)
	if err != nil {
		return 0, fmt.Errorf("read: %w", err)
	}
	end := state.LastSeq
	if state.Messages == 0 || end < from {
		return 0, nil
	}
	reader, err := b.js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(from, 1),
		FilterSubject: filter, MemoryStorage: true, Replicas: 1, InactiveThreshold: readIdle,
	})
	if err != nil {
		return 0, fmt.Errorf("read stream %s: %w", stream, classify(err))
	}
	defer func() {
		// A position that stays behind costs nothing and is forgotten by itself.
		cleanup, cancel := withTimeout(context.WithoutCancel(ctx))
		defer cancel()
		_ = b.js.DeleteConsumer(cleanup, stream, reader.CachedInfo().Name)
	}()
	delivered := uint64(0)
	for {
		batch, err := reader.FetchNoWait(readBatch)
		if err != nil {
			return last, fmt.Errorf("read stream %s: %w", stream, classify(err))
		}
		count := 0
		for msg := range batch.Messages() {
			stored, meta, err := storedFromDelivery(msg)
			if err != nil {
				return last, fmt.Errorf("read stream %s: %w", stream, err)
			}
			delivered++
			count++
			if meta.Sequence.Consumer != delivered {
				return last, fmt.Errorf("read stream %s: %w: a message was lost on the way", stream, ErrUnavailable)
			}
			if stored.Seq > end {
				return last, nil
			}
			stored.Attempt = 0
			if err := fn(stored); err != nil {
				return last, err
			}
			last = stored.Seq
			if last == end {
				return last, nil
			}
			if err := ctx.Err(); err != nil {
				return last, fmt.Errorf("read stream %s: %w", stream, err)
			}
		}
		if err := batch.Error(); err != nil {
			return last, fmt.Errorf("read stream %s: %w", stream, classify(err))
		}
		if count > 0 {
			continue
		}
		// The broker may say that nothing is pending when it has only not counted yet.
		next, err := b.get(ctx, stream, max(from, last+1), jetstream.WithGetMsgSubject(filter))
		if errors.Is(err, ErrNotFound) || (err == nil && next.Seq > end) {
			return last, nil
		}
		if err != nil {
			return last, fmt.Errorf("read stream %s: %w", stream, err)
		}
	}
}

// Get returns the message with this sequence. Errors: ErrNotFound where it has expired or was never stored, ErrUnavailable.
func (b *Bus) Get(ctx context.Context, stream string, seq uint64) (Stored, error) {
	stored, err := b.get(ctx, stream, seq)
	if err != nil {
		return Stored{}, fmt.Errorf("get message %d of %s: %w", seq, stream, err)
	}
	return stored, nil
}

func (b *Bus) get(ctx context.Context, stream string, seq uint64, options ...jetstream.GetMsgOpt) (Stored, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	handle, err := b.handle(ctx, stream)
	if err != nil {
		return Stored{}, classify(err)
	}
	raw, err := handle.GetMsg(ctx, seq, options...)
	if err = classify(err); err != nil && !errors.Is(err, ErrNotFound) {
		b.handles.Delete(stream)
	}
	if err != nil {
		return Stored{}, err
	}
	return storedFromRaw(stream, raw), nil
}

// handle returns what asks a stream for its messages. It is made once, with a look at the stream's settings, and anew after a request that
// failed.
func (b *Bus) handle(ctx context.Context, stream string) (jetstream.Stream, error) {
	if known, ok := b.handles.Load(stream); ok {
		return known.(jetstream.Stream), nil
	}
	handle, err := b.js.Stream(ctx, stream)
	if err == nil {
		b.handles.Store(stream, handle)
	}
	return handle, err
}

// LastSequence returns the sequence of the last message on a subject that filter matches, 0 where there is none. The filter must be more than ">",
// for which the broker does not look behind a deleted message. Errors: ErrUnavailable.
func (b *Bus) LastSequence(ctx context.Context, stream, filter string) (uint64, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	handle, err := b.js.Stream(ctx, stream)
	if err != nil {
		return 0, fmt.Errorf("last sequence of %s: %w", stream, classify(err))
	}
	raw, err := handle.GetLastMsgForSubject(ctx, filter)
	if err = classify(err); errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("last sequence of %s: %w", stream, err)
	}
	return raw.Sequence, nil
}

// StreamIdentity returns a word that stays the same for as long as the stream exists and differs once it was deleted and made anew.
func (b *Bus) StreamIdentity(ctx context.Context, stream string) (string, error) {
	info, err := b.streamInfo(ctx, stream)
	if err != nil {
		return "", err
	}
	return info.Created.UTC().Format(time.RFC3339Nano), nil
}

// StreamState returns what the stream holds now. Errors: ErrUnavailable.
func (b *Bus) StreamState(ctx context.Context, stream string) (StreamState, error) {
	info, err := b.streamInfo(ctx, stream)
	if err != nil {
		return StreamState{}, err
	}
	return StreamState{
		Messages: info.State.Msgs, Bytes: info.State.Bytes,
		FirstSeq: info.State.FirstSeq, LastSeq: info.State.LastSeq,
		FirstTime: info.State.FirstTime, LastTime: info.State.LastTime, Created: info.Created,
	}, nil
}

func (b *Bus) streamInfo(ctx context.Context, stream string) (*jetstream.StreamInfo, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	handle, err := b.js.Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", stream, classify(err))
	}
	return handle.CachedInfo(), nil
}
