package lifecycle

import (
	"context"
	"errors"
	"fmt"

	"github.com/verdict-stream/verdict/pkg/archive"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/store"
)

// ErrArchived means that a state has to take over events that the stream does not hold any more, and that are not in the archive
// directory. Going on without them would give versions twice.
var ErrArchived = errors.New("events are missing that were taken out of the stream")

// archive opens the archive where the stream does not reach back to a position, else it returns nil. The sandbox forgets
// by itself what is old.
func (o *outbox) archive(ctx context.Context, from uint64) (*archive.Archive, error) {
	if o.sandbox {
		return nil, nil //nolint:nilnil // There is none, and none is needed.
	}
	state, err := o.Bus.StreamState(ctx, o.stream)
	if err != nil || state.FirstSeq <= from {
		return nil, err
	}
	identity, err := o.Bus.StreamIdentity(ctx, o.stream)
	if err != nil {
		return nil, err
	}
	missing := func(why error) error {
		return fmt.Errorf("%w: %s begins at %d, and the state of %s needs what came from %d on. Put the archive that `verdict archive` has written into %s, "+
			"or restore the state's database from a backup with `verdict restore`, and this goes on by itself: %w",
			ErrArchived, o.stream, state.FirstSeq, o.provider.Name, from, o.Archive, why)
	}
	a, err := archive.Open(o.Archive)
	if err != nil {
		return nil, missing(err)
	}
	m := a.Manifest()
	switch {
	case m.Stream != o.stream || m.Identity != identity:
		return nil, missing(errors.New("the archive there is of another stream"))
	case m.First > from && m.First > 1:
		return nil, missing(fmt.Errorf("the archive there begins at %d", m.First))
	case m.Through+1 < state.FirstSeq:
		return nil, missing(fmt.Errorf("the archive there ends at %d", m.Through))
	}
	return a, nil
}

// readArchive takes over the events behind the recorded position that only the archive has.
func (o *outbox) readArchive(ctx context.Context) error {
	position, err := o.state.Position(ctx, o.stream)
	if err != nil {
		return err
	}
	from, err := o.archive(ctx, position.Seq+1)
	if err != nil || from == nil {
		return err
	}
	o.logger.InfoContext(ctx, "events are read from the archive", "archive", from.Dir(), "from", position.Seq+1)
	type said struct {
		data      event.Verification
		published string
	}
	var chunk []said
	last := position.Seq
	adopt := func() error {
		err := o.adopting(ctx, position.Stream, last, func(a *adoption) error {
			for i := range chunk {
				if err := a.published(ctx, &chunk[i].data, chunk[i].published); err != nil {
					return err
				}
			}
			return nil
		})
		chunk = chunk[:0]
		return err
	}
	err = from.Events(ctx, position.Seq+1, func(e *archive.Entry) error {
		last = e.Sequence
		if e.Data.Provider != o.provider.Name {
			return nil
		}
		if chunk = append(chunk, said{e.Data, e.Published}); len(chunk) < adoptChunk {
			return nil
		}
		return adopt()
	})
	if err != nil {
		return err
	}
	return adopt()
}

// followTrim moves the position of a state that is up to the stream to where the stream begins now: what was taken out of it is in the state.
func (o *outbox) followTrim(ctx context.Context) error {
	state, err := o.Bus.StreamState(ctx, o.stream)
	if err != nil {
		return err
	}
	return o.state.Update(ctx, func(tx *store.Tx) error {
		position, err := tx.Position(ctx, o.stream)
		if err != nil || state.FirstSeq <= position.Seq+1 {
			return err
		}
		position.Seq = state.FirstSeq - 1
		return tx.SetPosition(ctx, o.stream, position)
	})
}
