package receiver

import (
	"context"
	"testing"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
)

// TestRecordsAreFair drops what one provider has too much of, and nothing of the others.
func TestRecordsAreFair(t *testing.T) {
	dropped := map[string]int{}
	q := newRefusals(served(), func(provider string) { dropped[provider]++ })
	const flood = 2 * recordsBurst
	for range flood {
		q.record(event.Rejection{Provider: "idenfy", Cause: event.CauseBadSignature})
	}
	q.record(event.Rejection{Provider: "kycaid", Cause: event.CauseBadSignature})
	if dropped["idenfy"] == 0 || dropped["kycaid"] != 0 {
		t.Errorf("dropped %v", dropped)
	}
	if len(q.queue)+dropped["idenfy"] != flood+1 {
		t.Errorf("%d records and %d dropped, of %d", len(q.queue), dropped["idenfy"], flood+1)
	}
}

// TestFullQueue drops what would have to wait for the broker.
func TestFullQueue(t *testing.T) {
	dropped := 0
	q := newRefusals(served(), func(string) { dropped++ })
	q.queue = make(chan event.Rejection) // Nobody reads it.
	q.record(event.Rejection{Provider: "kycaid", Cause: event.CauseTooLarge})
	if dropped != 1 {
		t.Errorf("%d dropped", dropped)
	}
}

// TestFlush writes what waits at the end, and counts what there is no time for.
func TestFlush(t *testing.T) {
	b := startBroker(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	const records = 20
	for _, c := range []struct {
		ctx              context.Context
		written, dropped int
	}{
		{t.Context(), records, 0},
		{ended, 0, records},
	} {
		before, dropped := len(b.messages(t, bus.Rejected)), 0
		q := newRefusals(served(), func(string) { dropped++ })
		for range records {
			q.record(event.Rejection{Provider: "kycaid", Cause: event.CauseTooLarge})
		}
		q.close()
		q.write(c.ctx, b.connect)
		if written := len(b.messages(t, bus.Rejected)) - before; written != c.written || dropped != c.dropped {
			t.Errorf("%d written and %d dropped, want %d and %d", written, dropped, c.written, c.dropped)
		}
	}
}
