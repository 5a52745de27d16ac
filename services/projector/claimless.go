package projector

import (
	"sync"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// claimlessKept bounds what is remembered, at about 200 bytes each.
const claimlessKept = 100_000

// claimless remembers signals that have no claims, now or later, so that a verification with many of them costs one look at each and
// not one with every event. It may forget at any time: another look gives the same answer. It is safe for concurrent use.
type claimless struct {
	mu      sync.Mutex
	signals map[copyOf]struct{}
}

// copyOf is one copy of a signal. Another copy may be readable, or have come under a name that tells more.
type copyOf struct {
	signal string
	seq    uint64
}

func (c *claimless) has(s *verification.Signal) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.signals[copyOf{s.ID, s.Seq}]
	return ok
}

// add forgets all others first where there are too many: whoever still needs them looks once more.
func (c *claimless) add(s *verification.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.signals == nil || len(c.signals) >= claimlessKept {
		c.signals = map[copyOf]struct{}{}
	}
	c.signals[copyOf{s.ID, s.Seq}] = struct{}{}
}
