package receiver

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/verdict-stream/verdict/pkg/bus"
)

var errNoBroker = errors.New("the broker has not been reached yet")

// connection is that to the broker, from the moment on when there is one.
type connection struct {
	once  sync.Once
	found chan struct{} // closed once bus may be read
	bus   *bus.Bus
}

func newConnection() *connection { return &connection{found: make(chan struct{})} }

// use sets the connection, once.
func (b *connection) use(broker *bus.Bus) {
	b.once.Do(func() {
		b.bus = broker
		close(b.found)
	})
}

// get returns the connection, nil where there was none yet.
func (b *connection) get() *bus.Bus {
	select {
	case <-b.found:
		return b.bus
	default:
		return nil
	}
}

// await returns the connection once there is one. When ctx ends before, it returns
// bus.ErrUnavailable.
func (b *connection) await(ctx context.Context) (*bus.Bus, error) {
	select {
	case <-b.found:
		return b.bus, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", bus.ErrUnavailable, errNoBroker)
	}
}

// connected tells whether the broker can be reached now.
func (b *connection) connected() bool {
	broker := b.get()
	return broker != nil && broker.Connected()
}
