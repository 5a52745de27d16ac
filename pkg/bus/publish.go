package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// MaxBatch is the largest number of messages that are stored as one.
const MaxBatch = 1000

// Headers of an atomic batch that the client has no name for.
const (
	batchIDHeader       = "Nats-Batch-Id"
	batchSequenceHeader = "Nats-Batch-Sequence"
	batchCommitHeader   = "Nats-Batch-Commit"
)

// Publish stores m and returns once it is durable. A message whose id is within the stream's deduplication window is not stored again:
// Ack.Duplicate says so. Errors: ErrUnavailable, ErrRejected.
func (b *Bus) Publish(ctx context.Context, m Message) (Ack, error) {
	ack, err := b.publish(ctx, m)
	if err != nil {
		return Ack{}, fmt.Errorf("publish: %w", classify(err))
	}
	return ack, nil
}

func (b *Bus) publish(ctx context.Context, m Message, options ...jetstream.PublishOpt) (Ack, error) {
	msg, err := m.outgoing(ctx)
	if err != nil {
		return Ack{}, err
	}
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	ack, err := b.js.PublishMsg(ctx, msg, options...)
	if err != nil {
		return Ack{}, err
	}
	return Ack{Stream: ack.Stream, Seq: ack.Sequence, Duplicate: ack.Duplicate}, nil
}

// PublishBatch stores all messages or none, in order and next to each other, if the fence holds, and returns the sequence of the last one.
// All must belong to one stream that allows atomic batches; there may be at most MaxBatch.
//
// Errors: ErrConflict, ErrDuplicate, ErrRejected, and ErrUnavailable, after which the batch may or may not have been stored: the caller reads the stream to know.
// Neither ErrDuplicate nor ErrRejected names the message; publishing one by one does.
func (b *Bus) PublishBatch(ctx context.Context, messages []Message, fence Fence) (uint64, error) {
	var (
		ack Ack
		err error
	)
	switch {
	case len(messages) == 0:
		err = fmt.Errorf("%w: a batch of no messages", ErrRejected)
	case len(messages) > MaxBatch:
		err = fmt.Errorf("%w: a batch of more than %d messages", ErrRejected, MaxBatch)
	case len(messages) == 1:
		ack, err = b.publishFenced(ctx, messages[0], fence)
	default:
		ack, err = b.publishAtomic(ctx, messages, fence)
	}
	if err != nil {
		return 0, fmt.Errorf("publish a batch of %d: %w", len(messages), classify(err))
	}
	return ack.Seq, nil
}

func (b *Bus) publishFenced(ctx context.Context, m Message, fence Fence) (Ack, error) {
	var options []jetstream.PublishOpt
	if fence.Filter != "" {
		options = append(options, jetstream.WithExpectLastSequenceForSubject(fence.LastSeq, fence.Filter))
	}
	ack, err := b.publish(ctx, m, options...)
	if err == nil && ack.Duplicate {
		err = ErrDuplicate
	}
	return ack, err
}

// publishAtomic sends all but the last message without waiting: whatever goes wrong with one of them, the commit reports it or the batch is incomplete.
func (b *Bus) publishAtomic(ctx context.Context, messages []Message, fence Fence) (Ack, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	prepared, err := b.prepareBatch(ctx, messages, fence)
	if err != nil {
		return Ack{}, err
	}
	last := len(prepared) - 1
	for _, msg := range prepared[:last] {
		if err := b.conn.PublishMsg(msg); err != nil {
			return Ack{}, err
		}
	}
	reply, err := b.conn.RequestMsgWithContext(ctx, prepared[last])
	if err != nil {
		return Ack{}, err
	}
	var response struct {
		Stream string              `json:"stream"`
		Seq    uint64              `json:"seq"`
		Count  int                 `json:"count"`
		Error  *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &response); err != nil {
		return Ack{}, errors.New("the broker's answer to a batch is not readable")
	}
	if response.Error != nil {
		return Ack{}, response.Error
	}
	if response.Count != len(messages) {
		return Ack{}, fmt.Errorf("the broker stored %d messages of the batch", response.Count)
	}
	return Ack{Stream: response.Stream, Seq: response.Seq}, nil
}

// prepareBatch checks every message before the first is sent, so that a batch that cannot be stored leaves no trace.
func (b *Bus) prepareBatch(ctx context.Context, messages []Message, fence Fence) ([]*nats.Msg, error) {
	id := nuid.Next()
	prepared := make([]*nats.Msg, len(messages))
	for i, m := range messages {
		msg, err := m.outgoing(ctx)
		if err != nil {
			return nil, err
		}
		msg.Header.Set(batchIDHeader, id)
		msg.Header.Set(batchSequenceHeader, strconv.Itoa(i+1))
		if i == 0 && fence.Filter != "" {
			msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(fence.LastSeq, 10))
			msg.Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, fence.Filter)
		}
		if i == len(messages)-1 {
			msg.Header.Set(batchCommitHeader, "1")
		}
		if int64(msg.Size()) > b.MaxPayload() {
			return nil, nats.ErrMaxPayload
		}
		prepared[i] = msg
	}
	return prepared, nil
}
