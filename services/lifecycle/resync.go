package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// adoptChunk bounds the events of one transaction while the stream is read.
const adoptChunk = 1000

// catchUp brings the state up to the streams before anything else is done. A state that is
// empty, or that belongs to another stream than the one there is, is made anew from it.
func (w *worker) catchUp(ctx context.Context) error {
	for _, lane := range w.lanes {
		known, err := lane.knows(ctx)
		if err != nil {
			return err
		}
		if !known {
			return w.rebuild(ctx)
		}
	}
	for _, lane := range w.lanes {
		if err := lane.readArchive(ctx); err != nil {
			return err
		}
		if err := lane.catchUp(ctx); err != nil {
			return err
		}
	}
	return nil
}

// rebuild forgets the state and makes it anew from the streams. The consumer is reset first:
// a crash on the way then repeats the rebuild, or only reads the deliveries again.
func (w *worker) rebuild(ctx context.Context) error {
	for _, lane := range w.lanes {
		if _, err := lane.archive(ctx, 1); err != nil {
			return err
		}
	}
	w.logger.InfoContext(ctx, "state is made anew from the stream")
	if err := w.Bus.ResetConsumer(ctx, bus.Webhooks, w.consumer()); err != nil {
		return err
	}
	if err := w.state.Reset(ctx); err != nil {
		return err
	}
	// All that is written from now on follows from the settings in force.
	if err := w.reschedule(ctx); err != nil {
		return err
	}
	for _, lane := range w.lanes {
		identity, err := w.Bus.StreamIdentity(ctx, lane.stream)
		if err != nil {
			return err
		}
		if err := w.state.SetPosition(ctx, lane.stream, store.Position{Stream: identity}); err != nil {
			return err
		}
		if err := lane.readArchive(ctx); err != nil {
			return err
		}
		if err := lane.catchUp(ctx); err != nil {
			return err
		}
	}
	return nil
}

// catchUp reads the stream for the relay, before it runs.
func (o *outbox) catchUp(ctx context.Context) (err error) {
	o.caughtUp, err = o.resync(ctx)
	return err
}

// knows reports whether the recorded position is one of the stream that there is.
func (o *outbox) knows(ctx context.Context) (bool, error) {
	position, err := o.state.Position(ctx, o.stream)
	if err != nil {
		return false, err
	}
	identity, err := o.Bus.StreamIdentity(ctx, o.stream)
	if err != nil {
		return false, err
	}
	state, err := o.Bus.StreamState(ctx, o.stream)
	return position.Stream == identity && position.Seq <= state.LastSeq, err
}

// resync reads the stream from the recorded position on, and returns the fence of the next
// publish. Events of our own outbox are marked as published; all others are merged into the
// state, which was behind.
func (o *outbox) resync(ctx context.Context) (bus.Fence, error) {
	o.marks.recording.Lock()
	defer o.marks.recording.Unlock()
	position, err := o.state.Position(ctx, o.stream)
	if err != nil {
		return bus.Fence{}, err
	}
	// Asked before the stream is read: what is published by another behind it breaks the fence.
	// It is the position, unless everything up to there has expired.
	last, err := o.Bus.LastSequence(ctx, o.stream, o.filter)
	if err != nil {
		return bus.Fence{}, err
	}
	var chunk []bus.Stored
	adopt := func() error {
		err := o.adopt(ctx, position.Stream, chunk)
		chunk = chunk[:0]
		return err
	}
	_, err = o.Bus.Read(ctx, o.stream, o.filter, position.Seq+1, func(m bus.Stored) error {
		chunk = append(chunk, m)
		if len(chunk) < adoptChunk {
			return nil
		}
		return adopt()
	})
	if err != nil {
		return bus.Fence{}, fmt.Errorf("read %s: %w", o.stream, err)
	}
	return bus.Fence{Filter: o.filter, LastSeq: last}, adopt()
}

// adopt merges a run of events into the state and moves the position behind it.
func (o *outbox) adopt(ctx context.Context, identity string, chunk []bus.Stored) error {
	if len(chunk) == 0 {
		return nil
	}
	last := chunk[len(chunk)-1].Seq
	err := o.adopting(ctx, identity, last, func(a *adoption) error {
		for _, m := range chunk {
			if err := a.event(ctx, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || o.adopted == nil {
		return err
	}
	return o.adopted(last)
}

// adopting merges events in one transaction, and moves the position to the last of them.
func (o *outbox) adopting(ctx context.Context, identity string, last uint64, merge func(*adoption) error) error {
	return o.state.Update(ctx, func(tx *store.Tx) error {
		a := &adoption{outbox: o, tx: tx, change: o.change(tx, "")}
		if err := merge(a); err != nil {
			return err
		}
		if err := a.announce(ctx); err != nil {
			return err
		}
		return tx.SetPosition(ctx, o.stream, store.Position{Stream: identity, Seq: last})
	})
}

// adoption is one transaction that merges events of the stream.
type adoption struct {
	*outbox
	tx      *store.Tx
	change  *change
	foreign bool
}

// event merges one event. One that cannot be read was not written by a lifecycle; it is left
// where it is.
func (a *adoption) event(ctx context.Context, m bus.Stored) error {
	envelope, err := event.Decode(m.Header, m.Data)
	if err != nil {
		a.logger.ErrorContext(ctx, "foreign message among the events", "stream", m.Stream, "sequence", m.Seq, "error", err)
		return nil
	}
	data, published, err := event.VerificationOf(envelope)
	if err != nil {
		a.logger.ErrorContext(ctx, "foreign message among the events", "stream", m.Stream, "sequence", m.Seq, "error", err)
		return nil
	}
	return a.published(ctx, &data, published)
}

// published merges what an event says.
func (a *adoption) published(ctx context.Context, data *event.Verification, published string) error {
	id, err := verification.ParseID(data.ID)
	if err != nil {
		return err
	}
	waiting, err := a.tx.Outbox(ctx, a.stream, id)
	if err != nil {
		return err
	}
	for _, row := range waiting {
		if row.EventID == event.VerificationEventID(data.ID, data.Version) && sameSignal(row.Data, data.Signal.ID) {
			return a.tx.DropOutbox(ctx, a.stream, row.EventID)
		}
	}
	return a.merge(ctx, id, data, published, waiting)
}

// merge takes over an event that this state has not made, and takes back what it has
// announced and not published.
func (a *adoption) merge(ctx context.Context, id verification.ID, data *event.Verification, published string, waiting []store.OutboxRow) error {
	if err := a.behind(ctx); err != nil {
		return err
	}
	kind, ok := a.provider.Kind(id.Kind)
	if !ok {
		a.logger.ErrorContext(ctx, "event of a kind that is not known", "verification", data.ID)
		return nil
	}
	t, err := a.change.record(ctx, kind, id, data.Signal.Sandbox)
	if err != nil {
		return err
	}
	t.changed, t.now = true, nil
	for _, row := range waiting {
		t.record.Retract(versionOf(row.Data))
		if err := a.tx.DropOutbox(ctx, a.stream, row.EventID); err != nil {
			return err
		}
	}
	if err := kind.Adopt(t.record, data.Change(published)); err != nil {
		return err
	}
	return a.owner(ctx, id, &data.Signal)
}

// behind notes that the state is older than the stream: deliveries that were acked since may
// be missing in it, so all that are kept are read again.
func (a *adoption) behind(ctx context.Context) error {
	if a.foreign || a.adopted != nil {
		return nil
	}
	a.foreign = true
	return a.Bus.ResetConsumer(ctx, bus.Webhooks, a.consumer())
}

// owner restores which verification a signed payload belongs to.
func (a *adoption) owner(ctx context.Context, id verification.ID, s *verification.Signal) error {
	if !a.provider.OwnedPayloads || s.Disowned || s.Delivery == "" {
		return nil
	}
	owner, known, err := a.tx.Owner(ctx, s.ID)
	if err != nil || known && owner.Seq <= s.Seq {
		return err
	}
	return a.tx.SetOwner(ctx, s.ID, store.Owner{Verification: id, Event: s.Event, Seq: s.Seq})
}

// announce makes the events of what was taken back, behind those of the stream, and saves.
func (a *adoption) announce(ctx context.Context) error {
	for _, t := range a.change.order {
		changes := t.kind.Reannounce(t.record)
		for i := range changes {
			if err := a.change.event(ctx, t, &changes[i]); err != nil {
				return err
			}
		}
	}
	return a.change.save(ctx)
}

func sameSignal(row []byte, signal string) bool {
	var data event.Verification
	return json.Unmarshal(row, &data) == nil && data.Signal.ID == signal
}

func versionOf(row []byte) int {
	var data event.Verification
	if json.Unmarshal(row, &data) != nil {
		return 0
	}
	return data.Version
}
