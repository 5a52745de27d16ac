package store

import (
	"context"
	"errors"
)

// AsOf returns the sequence up to which every event is in the tables, of the stream of sandbox events or of the others; 0 where they
// hold none. What is read after it holds at least what it promises.
func (m *ReadModel) AsOf(ctx context.Context, sandbox bool) (uint64, error) {
	progress, err := m.Followed(ctx, sandbox)
	return progress.Sequence, err
}

// Followed returns how far the tables hold the stream of sandbox events or of the others; the zero value where they hold nothing of it.
func (m *ReadModel) Followed(ctx context.Context, sandbox bool) (Progress, error) {
	progress, err := m.Progress(ctx, streamOf(sandbox))
	if errors.Is(err, ErrNotFound) {
		return Progress{}, nil
	}
	return progress, err
}

// streamOf names the stream that the events of the one or the other kind are in.
func streamOf(sandbox bool) string {
	if sandbox {
		return sandboxStream
	}
	return verificationStream
}
