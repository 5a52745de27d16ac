package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/verdict-stream/verdict/pkg/event"
)

// ReplayStream is the name of the stream that a replay of this name fills.
func ReplayStream(name string) string { return "KYC_REPLAY_" + strings.ToUpper(name) }

// replayDefinition is the stream of a replay: file storage as the others have, and gone by itself, message by message.
func replayDefinition(name string, age time.Duration) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: ReplayStream(name), Description: "The replay " + name + ".", Storage: jetstream.FileStorage,
		Subjects: []string{event.ReplaySubject(name, "*", "*", "*")}, MaxAge: age, Discard: jetstream.DiscardNew, AllowAtomicPublish: true,
	}
}

// CreateReplayStream makes the stream that a replay of this name fills, whose messages are kept for the given time, on as many servers as the
// stream that is replayed. Errors: ErrConflict where there is a stream of that name, ErrUnavailable.
func (b *Bus) CreateReplayStream(ctx context.Context, name, source string, age time.Duration) error {
	info, err := b.streamInfo(ctx, source)
	if err != nil {
		return fmt.Errorf("create the stream of a replay: %w", err)
	}
	config := replayDefinition(name, age)
	config.Replicas = info.Config.Replicas
	config.Duplicates = min(info.Config.Duplicates, age)
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	if _, err := b.js.Stream(ctx, config.Name); err == nil {
		return fmt.Errorf("create stream %s: %w: there is one already", config.Name, ErrConflict)
	}
	if _, err := b.js.CreateStream(ctx, config); err != nil {
		return fmt.Errorf("create stream %s: %w", config.Name, classify(err))
	}
	return nil
}

// HasReplayStream reports whether there is a stream that a replay of this name fills. Errors: ErrUnavailable.
func (b *Bus) HasReplayStream(ctx context.Context, name string) (bool, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	_, err := b.js.Stream(ctx, ReplayStream(name))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("stream %s: %w", ReplayStream(name), classify(err))
	}
	return true, nil
}

// DropReplayStream removes the stream that a replay of this name has filled, with all that is in it. One that does not exist is no error.
// Errors: ErrUnavailable.
func (b *Bus) DropReplayStream(ctx context.Context, name string) error {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	if err := b.js.DeleteStream(ctx, ReplayStream(name)); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("drop stream %s: %w", ReplayStream(name), classify(err))
	}
	return nil
}
