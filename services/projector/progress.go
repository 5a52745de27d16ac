package projector

import (
	"context"
	"errors"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/store"
)

const (
	progressInterval = time.Second
	// lastProgressTimeout bounds what the stop waits for the last figures.
	lastProgressTimeout = time.Second
)

// progress writes how far the tables hold each stream without a gap.
func (p *projector) progress(ctx context.Context) {
	p.gate.RLock()
	defer p.gate.RUnlock()
	for _, c := range p.consumers() {
		if err := p.putProgress(ctx, c.Stream, c.Name); err != nil && ctx.Err() == nil {
			p.logger.Warn("progress not written", "stream", c.Stream, "error", err)
		}
	}
}

// lastProgress writes the figures with which the projector stops.
func (p *projector) lastProgress(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastProgressTimeout)
	defer cancel()
	p.progress(ctx)
}

// errMadeAnew means that the tables may hold messages of two streams. They are put right by the next start.
var errMadeAnew = errors.New("the stream was made anew: the projector has to be started again")

func (p *projector) putProgress(ctx context.Context, stream, consumer string) error {
	identity, resumed := p.streams[stream]
	if !resumed {
		return nil
	}
	floor, err := p.bus.AckFloor(ctx, stream, consumer)
	if errors.Is(err, bus.ErrNotFound) {
		return nil // It has never run.
	}
	if err != nil {
		return err
	}
	// Asked after the position, which so is not that of a later stream.
	now, err := p.bus.StreamIdentity(ctx, stream)
	if err != nil {
		return err
	}
	if now != identity {
		return errMadeAnew
	}
	return p.model.PutProgress(ctx, store.Progress{
		Stream: stream, Identity: identity, Sequence: floor.Seq, Pending: floor.Pending, At: time.Now().UTC(),
	})
}
