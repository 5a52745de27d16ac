package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// Runs is the key-value bucket of the book of long-running work. Its stream is named after it.
const Runs = "KYC_RUNS"

// Entry is one value of the bucket, under its key. The revision grows with every change.
type Entry struct {
	Key      string
	Value    []byte
	Revision uint64
}

// ensureEntries makes the bucket, or changes its settings in place.
func (b *Bus) ensureEntries(ctx context.Context, replicas int) error {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	_, err := b.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: Runs, Description: "Long-running work: what was asked for and how far it is.", Storage: jetstream.FileStorage, Replicas: replicas,
	})
	if err != nil {
		return fmt.Errorf("ensure bucket %s: %w", Runs, classify(err))
	}
	return nil
}

// Entry returns the value under a key. Errors: ErrNotFound, ErrUnavailable.
func (b *Bus) Entry(ctx context.Context, key string) (Entry, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	bucket, err := b.js.KeyValue(ctx, Runs)
	if err != nil {
		return Entry{}, fmt.Errorf("entry %s: %w", key, classify(err))
	}
	value, err := bucket.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		err = ErrNotFound
	}
	if err != nil {
		return Entry{}, fmt.Errorf("entry %s: %w", key, classify(err))
	}
	return Entry{Key: key, Value: value.Value(), Revision: value.Revision()}, nil
}

// Entries returns all values whose keys begin with a prefix, by key. Errors: ErrUnavailable.
func (b *Bus) Entries(ctx context.Context, prefix string) ([]Entry, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	bucket, err := b.js.KeyValue(ctx, Runs)
	if err != nil {
		return nil, fmt.Errorf("entries: %w", classify(err))
	}
	watcher, err := bucket.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("entries: %w", classify(err))
	}
	defer func() { _ = watcher.Stop() }() // What it leaves at the broker is forgotten by itself.
	var entries []Entry
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("entries: %w: %w", ErrUnavailable, ctx.Err())
		case value := <-watcher.Updates():
			if value == nil { // all that there were
				slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
				return entries, nil
			}
			if strings.HasPrefix(value.Key(), prefix) {
				entries = append(entries, Entry{Key: value.Key(), Value: value.Value(), Revision: value.Revision()})
			}
		}
	}
}

// EntriesRevision returns a number that has grown when any entry has changed. Errors: ErrUnavailable.
func (b *Bus) EntriesRevision(ctx context.Context) (uint64, error) {
	state, err := b.StreamState(ctx, "KV_"+Runs)
	return state.LastSeq, err
}

// PutEntry stores a value under a key if its revision is still that one, 0 meaning that there is none, and returns the new revision.
// Errors: ErrConflict where it has changed since, ErrUnavailable.
func (b *Bus) PutEntry(ctx context.Context, e Entry) (uint64, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	bucket, err := b.js.KeyValue(ctx, Runs)
	if err != nil {
		return 0, fmt.Errorf("put entry %s: %w", e.Key, classify(err))
	}
	var revision uint64
	if e.Revision == 0 {
		revision, err = bucket.Create(ctx, e.Key, e.Value)
	} else {
		revision, err = bucket.Update(ctx, e.Key, e.Value, e.Revision)
	}
	if errors.Is(err, jetstream.ErrKeyExists) {
		err = fmt.Errorf("%w: %w", ErrConflict, err)
	}
	if err != nil {
		return 0, fmt.Errorf("put entry %s: %w", e.Key, classify(err))
	}
	return revision, nil
}

// DropEntry removes the entry if its revision is still that one. Errors: ErrConflict, ErrUnavailable.
func (b *Bus) DropEntry(ctx context.Context, key string, revision uint64) error {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	bucket, err := b.js.KeyValue(ctx, Runs)
	if err == nil {
		err = bucket.Purge(ctx, key, jetstream.LastRevision(revision))
	}
	if err != nil {
		return fmt.Errorf("drop entry %s: %w", key, classify(err))
	}
	return nil
}
