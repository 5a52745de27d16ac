package consume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// open finds the position, or makes it, and handles the snapshot that comes before.
func (r *run) open(ctx context.Context) (*reader, error) {
	if r.config.Premade {
		return r.openPremade(ctx)
	}
	state, created, err := r.streamState(ctx)
	if err != nil {
		return nil, err
	}
	identity := "stream " + created.UTC().Format(time.RFC3339Nano)
	begun, err := r.recognise(ctx, identity)
	if err != nil {
		return nil, err
	}
	consumer, err := r.find(ctx)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound) && begun:
		return nil, fmt.Errorf("%w: %s has read this stream before, and was deleted; its position is lost: forget the identity to begin as Start says",
			ErrGone, r.config.Name)
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		consumer, err = r.begin(ctx, state, created)
	case err == nil:
		if at := consumer.CachedInfo().Delivered.Stream; at > state.LastSeq {
			// The stream was looked at first.
			if state, _, err = r.streamState(ctx); err == nil && at > state.LastSeq {
				err = fmt.Errorf("%w: %s ends at %d, and %s has read up to %d; compare what you hold with a Snapshot, under another name",
					ErrAhead, r.config.stream, state.LastSeq, r.config.Name, at)
			}
		}
		if err == nil {
			consumer, err = r.put(ctx, consumer.CachedInfo().Config)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := r.remember(ctx, begun, identity); err != nil {
		return nil, err
	}
	return r.newReader(ctx, consumer)
}

// begin handles the snapshot, if there is one, and makes the consumer.
func (r *run) begin(ctx context.Context, state jetstream.StreamState, created time.Time) (jetstream.Consumer, error) {
	start := r.config.Start
	if start.kind == startSnapshot {
		through, err := r.snapshot(ctx, 0)
		if err != nil {
			return nil, err
		}
		if err := r.sameStream(ctx, created, through); err != nil {
			return nil, err
		}
		start = FromSequence(through + 1)
		if state, _, err = r.streamState(ctx); err != nil {
			return nil, err
		}
	}
	if err := start.within(r.config.stream, state); err != nil {
		return nil, err
	}
	config := jetstream.ConsumerConfig{Description: "Made by pkg/consume."}
	start.apply(&config)
	return r.put(ctx, config)
}

// put makes the consumer, or updates everything of it that does not say where it begins.
func (r *run) put(ctx context.Context, config jetstream.ConsumerConfig) (consumer jetstream.Consumer, err error) {
	config.Durable, config.Name = r.config.Name, r.config.Name
	config.FilterSubject, config.FilterSubjects = "", r.config.Filter.subjects(r.config.Sandbox)
	config.AckPolicy, config.AckWait, config.MaxAckPending, config.MaxDeliver = jetstream.AckExplicitPolicy, r.config.AckWait, r.config.MaxUnacked, -1
	err = r.patiently(ctx, "the broker", func(ctx context.Context) error {
		consumer, err = r.js.CreateOrUpdateConsumer(ctx, r.config.stream, config)
		return r.classify(err)
	})
	var answered *jetstream.APIError
	if errors.As(err, &answered) && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("%w: what exists under the name cannot be changed into what is needed; use another name: %w", ErrUnfit, err)
	}
	return consumer, err
}

// openPremade binds to a consumer with no right but to read from it.
func (r *run) openPremade(ctx context.Context) (*reader, error) {
	consumer, err := r.find(ctx)
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("%w: %s has no consumer %s; have its administrator make it. If it was there before, it was deleted or the stream was made anew, and its position is lost: begin with Snapshot",
			ErrGone, r.config.stream, r.config.Name)
	}
	if err != nil {
		return nil, err
	}
	info := consumer.CachedInfo()
	if err := r.fit(info.Config); err != nil {
		return nil, err
	}
	identity := "consumer " + info.Created.UTC().Format(time.RFC3339Nano)
	begun, err := r.recognise(ctx, identity)
	if err != nil {
		return nil, err
	}
	// Nothing is read before every state was handled: as long as nothing was delivered the snapshot is not known to be complete.
	if r.config.Start.kind == startSnapshot && info.Delivered.Consumer == 0 {
		if _, err := r.snapshot(ctx, info.Delivered.Stream); err != nil {
			return nil, err
		}
	}
	if err := r.remember(ctx, begun, identity); err != nil {
		return nil, err
	}
	return r.newReader(ctx, consumer)
}

// fit checks that a consumer which somebody else has made loses nothing and delivers what is needed.
func (r *run) fit(c jetstream.ConsumerConfig) error {
	wrong := func(text string, args ...any) error {
		return fmt.Errorf("%w: "+text+"; have its administrator change that", append([]any{ErrUnfit}, args...)...)
	}
	switch {
	case c.AckPolicy != jetstream.AckExplicitPolicy:
		return wrong("its ack policy is %s, and must be explicit", c.AckPolicy)
	case c.MaxDeliver > 0:
		return wrong("it gives an event up after %d deliveries (max_deliver), and must never", c.MaxDeliver)
	case c.MaxAckPending <= 0 || c.MaxAckPending > largestUnacked:
		return wrong("its max_ack_pending is %d, and must be from 1 to %d", c.MaxAckPending, largestUnacked)
	}
	filters := c.FilterSubjects
	if c.FilterSubject != "" {
		filters = []string{c.FilterSubject}
	}
	for _, subject := range r.config.Filter.subjects(r.config.Sandbox) {
		if len(filters) > 0 && !slices.ContainsFunc(filters, func(filter string) bool { return covers(filter, subject) }) {
			return wrong("it delivers %q alone, and %s is needed", filters, subject)
		}
	}
	return nil
}

// find looks the consumer up.
func (r *run) find(ctx context.Context) (consumer jetstream.Consumer, err error) {
	err = r.patiently(ctx, "the broker", func(ctx context.Context) error {
		consumer, err = r.js.Consumer(ctx, r.config.stream, r.config.Name)
		if errors.Is(err, jetstream.ErrNotPullConsumer) {
			return fmt.Errorf("%w: it is a push consumer; use another name: %w", ErrUnfit, err)
		}
		return r.classify(err)
	})
	return consumer, err
}

// streamState asks what the stream holds, and when it was made.
func (r *run) streamState(ctx context.Context) (state jetstream.StreamState, created time.Time, err error) {
	err = r.patiently(ctx, "the broker", func(ctx context.Context) error {
		stream, err := r.js.Stream(ctx, r.config.stream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("there is no stream %s: is this the broker of a Verdict that has been started once? (%w)", r.config.stream, err)
		}
		if err == nil {
			state, created = stream.CachedInfo().State, stream.CachedInfo().Created
		}
		return r.classify(err)
	})
	return state, created, err
}
