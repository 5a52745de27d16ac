package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/failpoint"
	"github.com/verdict-stream/verdict/pkg/relay"
	"github.com/verdict-stream/verdict/pkg/store"
)

// outbox is the events of one provider that wait for one stream, as the relay sees them. They
// are fenced by the last sequence that this state has read.
type outbox struct {
	*worker
	stream  string
	sandbox bool
	filter  string
	relay   *relay.Relay

	// caughtUp is the fence that was read before the relay ran, until the relay takes it.
	caughtUp bus.Fence

	// through is the last row that the stream is known to hold. The state records it a little later: see marks.
	through int64
	marks   marks
}

var _ relay.Source = (*outbox)(nil)

func newOutbox(w *worker, stream string, sandbox bool) *outbox {
	o := &outbox{
		worker: w, stream: stream, sandbox: sandbox, filter: event.VerificationFilter(sandbox, w.provider.Name),
		marks: marks{wake: make(chan struct{}, 1)},
	}
	o.relay = relay.New(o, w.alarm.With("stream", stream))
	return o
}

// Waiting returns the first events that wait.
func (o *outbox) Waiting(ctx context.Context, limit int) (rows []relay.Row, more bool, err error) {
	waiting, err := o.state.Waiting(ctx, o.stream, o.through, limit)
	if err != nil {
		return nil, false, err
	}
	rows = make([]relay.Row, len(waiting))
	for i := range waiting {
		row := &waiting[i]
		rows[i] = relay.Row{ID: uint64(row.ID), Message: bus.Message{Subject: row.Subject, Header: row.Header, Data: row.Data}}
	}
	return rows, len(rows) == limit, nil
}

// Published forgets the events. What comes behind them is published meanwhile: where the record of it
// is lost in a crash, the stream is read from the one before.
func (o *outbox) Published(ctx context.Context, rows []relay.Row, last uint64) error {
	failpoint.Hit(failpoint.LifecyclePublished)
	o.through = int64(rows[len(rows)-1].ID)
	o.marks.put(mark{through: o.through, position: last})
	o.metrics.published(ctx, len(rows))
	return nil
}

// causeUnpublishable is the cause of the dead letter of an event that no stream can take.
const causeUnpublishable = "unpublishable"

// Refused moves an event to the dead letters.
func (o *outbox) Refused(ctx context.Context, row relay.Row, cause error) error {
	var data event.Verification
	if err := json.Unmarshal(row.Message.Data, &data); err != nil {
		return fmt.Errorf("row %d of the outbox: %w", row.ID, err)
	}
	now := time.Now().UTC()
	letter := bus.DeadLetter{
		Consumer: o.consumer(), Stream: bus.Webhooks, Sequence: data.CausationSequence, Subject: row.Message.Subject,
		EventID: data.CausationID, Provider: o.provider.Name, Cause: causeUnpublishable,
		Error:    event.VerificationEventID(data.ID, data.Version) + ": " + cause.Error(),
		Attempts: 1, FirstErrorAt: now, LastErrorAt: now,
	}
	if err := o.Bus.Bury(ctx, letter); err != nil {
		return err
	}
	return o.state.DropRow(ctx, int64(row.ID))
}

// Resync reads the stream, unless that has just been done.
func (o *outbox) Resync(ctx context.Context) (fence bus.Fence, err error) {
	if fence, o.caughtUp = o.caughtUp, fence; fence.Filter != "" {
		return fence, nil
	}
	return o.resync(ctx)
}

// Final ends the relay where another process works for the provider now, or where the state has
// to be made anew.
func (o *outbox) Final(err error) bool { return final(err) }

func final(err error) bool {
	return errors.Is(err, store.ErrLeaseLost) || errors.Is(err, store.ErrDamaged)
}
