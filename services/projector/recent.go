package projector

import (
	"sync"

	"github.com/verdict-stream/verdict/pkg/event"
)

const (
	// recentBytes bounds what the latest deliveries take in memory. Their events come soon after them.
	recentBytes = 16 << 20
	// recentOverhead is about what a delivery takes besides its body.
	recentOverhead = 1 << 10
)

// recent are the latest deliveries as they came, sealed, so that an event need not ask the broker for the delivery that caused it. What
// it does not have is in the stream. It is safe for concurrent use.
type recent struct {
	mu         sync.Mutex
	deliveries map[uint64]event.Webhook
	order      []uint64 // of the positions, as they came
	bytes      int
}

// add keeps a delivery in place of the oldest ones.
func (r *recent) add(seq uint64, webhook event.Webhook) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, again := r.deliveries[seq]; again {
		return
	}
	if r.deliveries == nil {
		r.deliveries = map[uint64]event.Webhook{}
	}
	r.deliveries[seq] = webhook
	r.order = append(r.order, seq)
	r.bytes += size(webhook)
	for r.bytes > recentBytes {
		oldest := r.order[0]
		r.order = r.order[1:]
		r.bytes -= size(r.deliveries[oldest])
		delete(r.deliveries, oldest)
	}
}

// get returns the delivery of a position, if it is one of the latest. A stream that was made anew has another one there, with another id.
func (r *recent) get(seq uint64, id string) (event.Webhook, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	webhook, ok := r.deliveries[seq]
	return webhook, ok && webhook.ID == id
}

func size(webhook event.Webhook) int { return len(webhook.Sealed) + recentOverhead }
