package receiver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
)

const (
	// openPause is the pause before the stores are opened again; it doubles up to openPauseMax.
	openPause    = 250 * time.Millisecond
	openPauseMax = 5 * time.Second

	// envelope is the room that a message needs besides the body: the seal, the subject and
	// the headers. A fifth of it is used.
	envelope = 8 << 10
)

var errNotOpen = errors.New("the stores are not open yet")

// openStores opens the stores, again and again while the broker is away. It returns nil once
// they are open or ctx has ended.
func (r *receiver) openStores(ctx context.Context, open func(context.Context) (Stores, error)) error {
	for pause := openPause; ctx.Err() == nil; pause = min(2*pause, openPauseMax) {
		stores, err := open(ctx)
		switch {
		case err == nil:
			return r.use(stores)
		case errors.Is(err, bus.ErrUnavailable):
			r.complaints.Warn("the stores cannot be opened yet", "error", err)
		case ctx.Err() == nil:
			return fmt.Errorf("open the stores: %w", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

// use lets requests in. A broker whose messages cannot hold a webhook is an error.
func (r *receiver) use(stores Stores) error {
	r.limit = min(bodyLimit, stores.Bus.MaxPayload()-envelope)
	if r.limit < smallBody {
		return fmt.Errorf("the broker takes messages of at most %d bytes, too few for webhooks: set its max_payload to %d, or at the least to %d",
			stores.Bus.MaxPayload(), bodyLimit+envelope, smallBody+envelope)
	}
	if r.limit < bodyLimit {
		r.logger.Warn("the broker's max_payload lowers the limit of a webhook's body", "limit", r.limit, "max_payload", stores.Bus.MaxPayload())
	}
	r.stores = stores
	r.journal = journal{stores.Bus}
	r.canary = &canary{stores: stores}
	for name := range r.endpoints {
		r.canary.provider = name
	}
	close(r.opened)
	return nil
}

// await returns once the stores are open, or errNotOpen when ctx ends before.
func (r *receiver) await(ctx context.Context) error {
	select {
	case <-r.opened:
		return nil
	case <-ctx.Done():
		return errNotOpen
	}
}
