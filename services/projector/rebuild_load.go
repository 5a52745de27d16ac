package projector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/store"
)

const (
	// loadBatch is how many messages one transaction writes.
	loadBatch = 4096
	// aheadMessages and aheadBytes bound what is read of one stream before the others have come as far.
	aheadMessages, aheadBytes = 256, 1 << 20
	// decoders is how many goroutines read what messages say.
	decoders = 2
)

// load writes what the streams hold behind what was read, up to the given ends. The streams are read side by side, in the order in which
// their messages were stored: what several of them tell of one delivery mostly comes together and is written once. settle is called
// with the verifications that events were written of; nil is nobody.
func (r *rebuilding) load(ctx context.Context, ends map[string]uint64, settle func(context.Context, []store.VerificationKey) error) error {
	group, ctx := errgroup.WithContext(ctx)
	var sources []*source
	for _, c := range r.consumers() {
		s := &source{consumer: c, from: r.through[c.Stream] + 1, end: ends[c.Stream], ahead: r.batch(aheadMessages), chunks: make(chan []bus.Stored, 1)}
		if s.from > s.end {
			continue
		}
		sources = append(sources, s)
		group.Go(func() error { return s.read(ctx, r.bus) })
	}
	batches, loads := make(chan []bus.Stored), make(chan *load)
	group.Go(func() error {
		defer close(batches)
		return merge(ctx, sources, r.batch(loadBatch), batches)
	})
	var decoding sync.WaitGroup
	for range decoders {
		decoding.Add(1)
		group.Go(func() error {
			defer decoding.Done()
			return r.decode(ctx, batches, loads)
		})
	}
	group.Go(func() error {
		decoding.Wait()
		close(loads)
		return nil
	})
	group.Go(func() error {
		for l := range loads {
			if err := r.put(ctx, l, settle); err != nil {
				return err
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return r.reached(ctx, ends)
}

// reached records that all up to the ends is written.
func (r *rebuilding) reached(ctx context.Context, ends map[string]uint64) error {
	var b store.Bulk
	now := time.Now().UTC()
	for stream, end := range ends {
		b.Progress = append(b.Progress, store.Progress{Stream: stream, Identity: r.streams[stream], Sequence: end, At: now})
		r.through[stream] = end
	}
	return r.made.Put(context.WithoutCancel(ctx), b)
}

// put writes what a batch of messages says.
func (r *rebuilding) put(ctx context.Context, l *load, settle func(context.Context, []store.VerificationKey) error) error {
	if err := r.made.Put(ctx, l.bulk); err != nil {
		return err
	}
	r.report.detail.Unreadable += l.unreadable
	if settle != nil {
		var keys []store.VerificationKey
		known := map[store.VerificationKey]bool{}
		for i := range l.bulk.Events {
			key := store.VerificationKey{ID: l.bulk.Events[i].Data.ID, Sandbox: l.bulk.Events[i].Sandbox}
			if !known[key] {
				known[key] = true
				keys = append(keys, key)
			}
		}
		if err := settle(ctx, keys); err != nil {
			return err
		}
	}
	return r.report.read(ctx, l.messages)
}

// source is what is read of one stream.
type source struct {
	consumer  bus.Consumer
	from, end uint64
	ahead     int // how many messages are read in one go
	chunks    chan []bus.Stored
	now       []bus.Stored // what merge has of it
}

// errEnd ends a reading.
var errEnd = errors.New("the end is reached")

// read passes the messages on in chunks.
func (s *source) read(ctx context.Context, b *bus.Bus) error {
	defer close(s.chunks)
	var chunk []bus.Stored
	size := 0
	pass := func() error {
		select {
		case s.chunks <- chunk:
			chunk, size = nil, 0
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	span := bus.Span{Stream: s.consumer.Stream, Filters: []string{s.consumer.Filter}, From: s.from, Through: s.end}
	if s.ahead < aheadMessages {
		span.Ahead = s.ahead
	}
	_, err := b.Scan(ctx, span, func(m bus.Stored) error {
		chunk, size = append(chunk, m), size+len(m.Data)
		if len(chunk) < s.ahead && size < aheadBytes {
			return nil
		}
		return pass()
	})
	if err != nil {
		return err
	}
	if len(chunk) > 0 {
		return pass()
	}
	return nil
}

// merge puts the messages of all sources in the order in which they were stored, in batches of no more than limit.
func merge(ctx context.Context, sources []*source, limit int, batches chan<- []bus.Stored) error {
	var batch []bus.Stored
	size := 0
	pass := func() error {
		select {
		case batches <- batch:
			batch, size = nil, 0
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for {
		var next *source
		for _, s := range sources {
			if len(s.now) == 0 {
				s.now = <-s.chunks
			}
			if len(s.now) > 0 && (next == nil || s.now[0].Time.Before(next.now[0].Time)) {
				next = s
			}
		}
		if next == nil {
			break
		}
		batch, size = append(batch, next.now[0]), size+len(next.now[0].Data)
		next.now = next.now[1:]
		if len(batch) == limit || size >= loadBytes {
			if err := pass(); err != nil {
				return err
			}
		}
	}
	if len(batch) > 0 {
		return pass()
	}
	return ctx.Err()
}

// loadBytes bounds what a batch holds of messages.
const loadBytes = 16 << 20

// load is what a batch of messages says.
type load struct {
	bulk                 store.Bulk
	messages, unreadable int
}

// decode reads what batches of messages say.
func (r *rebuilding) decode(ctx context.Context, batches <-chan []bus.Stored, loads chan<- *load) error {
	for batch := range batches {
		l := &load{messages: len(batch)}
		for _, m := range batch {
			err := l.add(r, m)
			if _, permanent := bus.PermanentCause(err); permanent {
				l.unreadable++
				continue
			}
			if err != nil {
				return fmt.Errorf("%s %d: %w", m.Stream, m.Seq, err)
			}
		}
		if err := r.sealEarly(ctx, l); err != nil {
			return err
		}
		select {
		case loads <- l:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// add reads one message as the consumer of its stream does, and keeps what that would write.
func (l *load) add(r *rebuilding, m bus.Stored) error {
	switch m.Stream {
	case bus.Verifications, bus.Sandbox:
		row, err := r.eventRow(m, m.Stream == bus.Sandbox)
		if err == nil {
			l.bulk.Events = append(l.bulk.Events, row)
		}
		return err
	case bus.Webhooks:
		webhook, row, err := sealedDelivery(m, "")
		if err == nil {
			r.lately.add(m.Seq, webhook)
			l.bulk.Deliveries = append(l.bulk.Deliveries, row)
		}
		return err
	}
	row, err := r.deliveryRow(m)
	if err == nil && row != nil {
		l.bulk.Deliveries = append(l.bulk.Deliveries, *row)
	}
	return err
}
