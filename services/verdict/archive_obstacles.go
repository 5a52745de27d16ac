package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/runs"
	"github.com/verdict-stream/verdict/pkg/store"
)

// readingVerbs are those whose runs read the stream of events from where they stand.
var readingVerbs = []string{"replay", "rebuild", "rebuild-state", "reprocess"}

// readingRuns says which runs have not ended.
func (o *operator) readingRuns(ctx context.Context) ([]string, error) {
	var found []string
	for _, verb := range readingVerbs {
		list, err := runs.Open(o.bus).List(ctx, verb)
		if err != nil {
			return nil, err
		}
		for i := range list {
			if r := &list[i]; r.State == runs.Running || r.State == runs.Waiting || r.State == runs.Paused {
				found = append(found, fmt.Sprintf("%s %s is %s, and reads the stream: wait for its end, or cancel it", r.Verb, r.Name, r.State))
			}
		}
	}
	return found, nil
}

// lateStates says which of the lifecycle's states do not have all events up to a position.
func (o *operator) lateStates(ctx context.Context, through uint64) ([]string, error) {
	var found []string
	for i := range o.providers {
		name := o.providers[i].Name
		l, err := store.OpenLifecycleReader(ctx, o.place().location(), name)
		if errors.Is(err, store.ErrNotFound) {
			// It is made from the archive and the stream.
			continue
		}
		if err != nil {
			return nil, err
		}
		position, err := l.Position(ctx, bus.Verifications)
		if err := errors.Join(err, l.Close()); err != nil {
			return nil, err
		}
		last, err := o.bus.LastSequence(ctx, bus.Verifications, event.VerificationFilter(false, name))
		if err != nil {
			return nil, err
		}
		if position.Seq < min(last, through) {
			found = append(found, fmt.Sprintf("the state of %s is at %d: start `verdict lifecycle`, and wait until it has caught up", name, position.Seq))
		}
	}
	return found, nil
}
