package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// StreamState is what a stream holds now. FirstSeq is above LastSeq where it holds nothing.
type StreamState struct {
	Messages  uint64
	Bytes     uint64
	FirstSeq  uint64
	LastSeq   uint64
	FirstTime time.Time
	LastTime  time.Time
	Created   time.Time // whatever was stored before it belongs to another stream of that name; a restored stream has that of the one that was backed up
}

// Read hands every message of the stream from sequence `from` on whose subject matches filter to fn, in order, up to the last that exists at the time of the call,
// and returns the sequence of the last one handed over, 0 if there was none. It stops at the first error of fn and returns it as it is.
// Messages that expire meanwhile are left out. Errors of its own: ErrUnavailable; what fn has seen by then is in order and without gaps.
func (b *Bus) Read(ctx context.Context, stream, filter string, from uint64, fn func(Stored) error) (last uint64, err error) {
	return b.read(ctx, stream, filter, from, false, fn)
}

// ReadHeaders is Read without the data of the messages, which is left out by the broker.
func (b *Bus) ReadHeaders(ctx context.Context, stream, filter string, from uint64, fn func(Stored) error) (last uint64, err error) {
	return b.read(ctx, stream, filter, from, true, fn)
}

func (b *Bus) read(ctx context.Context, stream, filter string, from uint64, headersOnly bool, fn func(Stored) error) (last uint64, err error) {
	return b.Scan(ctx, Span{Stream: stream, Filters: []string{filter}, From: from}, fn)
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

// StreamIdentity returns a word that stays the same for as long as the stream exists and differs once it was deleted and made anew, or restored.
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
		FirstTime: info.State.FirstTime, LastTime: info.State.LastTime, Created: begun(info),
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
