package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Trim has a stream forget everything up to a position; what comes later keeps its sequence. Errors: ErrUnavailable, ErrRejected.
func (b *Bus) Trim(ctx context.Context, stream string, through uint64) error {
	ctx, cancel := context.WithTimeout(ctx, trimPatience)
	defer cancel()
	handle, err := b.js.Stream(ctx, stream)
	if err == nil {
		err = handle.Purge(ctx, jetstream.WithPurgeSequence(through+1))
	}
	if err != nil {
		return fmt.Errorf("trim stream %s: %w", stream, classify(err))
	}
	return nil
}

// trimPatience is how long a trim may take: the broker deletes files, and rewrites one.
const trimPatience = time.Minute

// Reader is a durable consumer as an operator sees it.
type Reader struct {
	Name string
	// Floor is the position up to which it is done with everything.
	Floor uint64
	// Next is the first position behind the floor that it still has to be done with, 0 where there is none.
	Next    uint64
	Pending uint64
	Filters []string
	// Acks tells whether it acks at all. Where it does not, what it was given counts as done.
	Acks bool
	// Explicit tells whether it acks every message by itself, and Attempts how often one comes to it, -1 for as often as it must.
	Explicit bool
	Attempts int
}

// Readers lists the durable consumers of a stream. Errors: ErrUnavailable.
func (b *Bus) Readers(ctx context.Context, stream string) ([]Reader, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	handle, err := b.js.Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("list consumers of %s: %w", stream, classify(err))
	}
	lister := handle.ListConsumers(ctx)
	var readers []Reader
	for info := range lister.Info() {
		if info.Config.Durable == "" {
			continue
		}
		r := readerOf(info)
		if r.Pending > 0 {
			if r.Next, err = b.nextFor(ctx, stream, r); err != nil {
				return nil, fmt.Errorf("list consumers of %s: %w", stream, err)
			}
		}
		readers = append(readers, r)
	}
	if err := lister.Err(); err != nil {
		return nil, fmt.Errorf("list consumers of %s: %w", stream, classify(err))
	}
	return readers, nil
}

func readerOf(info *jetstream.ConsumerInfo) Reader {
	r := Reader{
		Name: info.Name, Floor: info.AckFloor.Stream, Pending: info.NumPending + uint64(info.NumAckPending),
		Filters: info.Config.FilterSubjects, Acks: info.Config.AckPolicy != jetstream.AckNonePolicy,
		Explicit: info.Config.AckPolicy == jetstream.AckExplicitPolicy, Attempts: info.Config.MaxDeliver,
	}
	if info.Config.FilterSubject != "" {
		r.Filters = append(r.Filters, info.Config.FilterSubject)
	}
	if len(r.Filters) == 0 {
		r.Filters = []string{allSubjects}
	}
	if !r.Acks {
		r.Floor = info.Delivered.Stream
	}
	return r
}

// nextFor finds the first message behind the floor that the consumer reads.
func (b *Bus) nextFor(ctx context.Context, stream string, r Reader) (next uint64, err error) {
	for _, filter := range r.Filters {
		m, err := b.get(ctx, stream, r.Floor+1, jetstream.WithGetMsgSubject(filter))
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if next == 0 || m.Seq < next {
			next = m.Seq
		}
	}
	return next, nil
}

// RewindTo makes a durable consumer start again behind a position, with the settings that it has. One that does not exist stays so. Nothing may use it
// meanwhile. Errors: ErrUnavailable.
func (b *Bus) RewindTo(ctx context.Context, stream, durable string, position uint64) error {
	info, err := b.consumerInfo(ctx, stream, durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("rewind consumer %s: %w", durable, classify(err))
	}
	if err := b.ResetConsumer(ctx, stream, durable); err != nil {
		return err
	}
	config := info.Config
	config.DeliverPolicy, config.OptStartSeq, config.OptStartTime = jetstream.DeliverByStartSequencePolicy, position+1, nil
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	if _, err := b.js.CreateConsumer(ctx, stream, config); err != nil {
		return fmt.Errorf("rewind consumer %s: %w", durable, classify(err))
	}
	return nil
}
