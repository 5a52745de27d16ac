package bus

import (
	"errors"
	"testing"
)

func TestEntries(t *testing.T) {
	b := newTestBus(t)
	ctx := t.Context()
	if _, err := b.Entry(ctx, "replay.one"); !errors.Is(err, ErrNotFound) {
		t.Errorf("an entry that is not there: %v", err)
	}
	before, err := b.EntriesRevision(ctx)
	if err != nil {
		t.Fatal(err)
	}
	first, err := b.PutEntry(ctx, Entry{Key: "replay.one", Value: []byte("a")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.PutEntry(ctx, Entry{Key: "replay.one", Value: []byte("b")}); !errors.Is(err, ErrConflict) {
		t.Errorf("made a second time: %v", err)
	}
	second, err := b.PutEntry(ctx, Entry{Key: "replay.one", Value: []byte("b"), Revision: first})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.PutEntry(ctx, Entry{Key: "replay.one", Value: []byte("c"), Revision: first}); !errors.Is(err, ErrConflict) {
		t.Errorf("changed by one who has not seen the last change: %v", err)
	}
	if _, err := b.PutEntry(ctx, Entry{Key: "rebuild.one", Value: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	entries, err := b.Entries(ctx, "replay.")
	if err != nil || len(entries) != 1 || string(entries[0].Value) != "b" || entries[0].Revision != second {
		t.Errorf("entries are %+v, %v", entries, err)
	}
	if after, err := b.EntriesRevision(ctx); err != nil || after <= before {
		t.Errorf("the revision went from %d to %d, %v", before, after, err)
	}
	if err := b.DropEntry(ctx, "replay.one", first); !errors.Is(err, ErrConflict) {
		t.Errorf("dropped by one who has not seen the last change: %v", err)
	}
	if err := b.DropEntry(ctx, "replay.one", second); err != nil {
		t.Fatal(err)
	}
	if entries, err := b.Entries(ctx, "replay."); err != nil || len(entries) != 0 {
		t.Errorf("after it was dropped, entries are %+v, %v", entries, err)
	}
	if _, err := b.PutEntry(ctx, Entry{Key: "replay.one", Value: []byte("again")}); err != nil {
		t.Errorf("made again: %v", err)
	}
}
