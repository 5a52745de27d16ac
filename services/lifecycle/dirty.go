package lifecycle

import (
	"context"
	"sync"

	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// maxDirty bounds what is noted of what was written: where it is more, everything counts as written.
const maxDirty = 100_000

// dirty notes what transactions write while a state is compared with another. It may be used by many goroutines.
type dirty struct {
	mu       sync.Mutex
	records  map[store.RecordKey]bool
	payloads map[string]bool
	overflow bool
}

func newDirty() *dirty {
	return &dirty{records: map[store.RecordKey]bool{}, payloads: map[string]bool{}}
}

func (d *dirty) record(key store.RecordKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records[key] = true
	d.bound()
}

func (d *dirty) payload(signal string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.payloads[signal] = true
	d.bound()
}

// bound is called with the lock.
func (d *dirty) bound() {
	if len(d.records)+len(d.payloads) > maxDirty {
		clear(d.records)
		clear(d.payloads)
		d.overflow = true
	}
}

// take returns what was noted, and forgets it. overflow means that there was too much to be noted.
func (d *dirty) take() (records map[store.RecordKey]bool, payloads map[string]bool, overflow bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	records, payloads, overflow = d.records, d.payloads, d.overflow
	d.records, d.payloads, d.overflow = map[store.RecordKey]bool{}, map[string]bool{}, false
	return records, payloads, overflow
}

// noting is a ledger whose writes are noted.
type noting struct {
	ledger
	dirty *dirty
}

func (n noting) Save(ctx context.Context, r *verification.Record, dates store.Dates) error {
	n.dirty.record(store.KeyOf(r))
	return n.ledger.Save(ctx, r, dates)
}

func (n noting) SetOwner(ctx context.Context, signal string, owner store.Owner) error {
	n.dirty.payload(signal)
	return n.ledger.SetOwner(ctx, signal, owner)
}

func (n noting) DropOwner(ctx context.Context, signal string) error {
	n.dirty.payload(signal)
	return n.ledger.DropOwner(ctx, signal)
}

func (n noting) AddSighting(ctx context.Context, signal string, s store.Sighting) error {
	n.dirty.payload(signal)
	return n.ledger.AddSighting(ctx, signal, s)
}
