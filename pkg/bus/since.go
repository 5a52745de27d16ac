package bus

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// allSubjects matches every message of a stream.
const allSubjects = ">"

// FirstSince returns the sequence of the first message that the stream stored at the given time or later; where there is none, that of the next one. Errors: ErrUnavailable.
func (b *Bus) FirstSince(ctx context.Context, stream string, since time.Time) (uint64, error) {
	state, err := b.StreamState(ctx, stream)
	if err != nil {
		return 0, fmt.Errorf("first since: %w", err)
	}
	if state.Messages == 0 {
		return state.LastSeq + 1, nil
	}
	// The messages are stored in the order of their times.
	n, err := search(int(state.LastSeq-state.FirstSeq+1), func(i int) (bool, error) {
		m, err := b.get(ctx, stream, state.FirstSeq+uint64(i), jetstream.WithGetMsgSubject(allSubjects))
		if errors.Is(err, ErrNotFound) {
			return true, nil
		}
		return err != nil || !m.Time.Before(since), err
	})
	if err != nil {
		return 0, fmt.Errorf("first since: %w", err)
	}
	return state.FirstSeq + uint64(n), nil
}

// search is sort.Search with a condition that may fail.
func search(n int, holds func(int) (bool, error)) (int, error) {
	var failed error
	found := sort.Search(n, func(i int) bool {
		if failed != nil {
			return true
		}
		ok, err := holds(i)
		failed = err
		return ok
	})
	return found, failed
}
