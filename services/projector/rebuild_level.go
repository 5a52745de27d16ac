package projector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/store"
)

// drain has the model in use handle what its consumers are not done with, up to the ends. They will handle it once more, which changes
// nothing.
func (r *rebuilding) drain(ctx context.Context, ends map[string]uint64) error {
	for _, c := range r.handlers() {
		floor, err := r.bus.AckFloor(ctx, c.Stream, c.Name)
		if err != nil && !errors.Is(err, bus.ErrNotFound) {
			return err
		}
		if floor.Seq >= ends[c.Stream] {
			continue
		}
		group, working := errgroup.WithContext(ctx)
		group.SetLimit(concurrency)
		_, err = r.bus.Read(ctx, c.Stream, c.Filter, floor.Seq+1, func(m bus.Stored) error {
			if m.Seq > ends[c.Stream] || working.Err() != nil {
				return errEnd
			}
			group.Go(func() error {
				err := c.Handle(working, m)
				if _, permanent := bus.PermanentCause(err); permanent {
					return nil // It is in the dead letters, or will be.
				}
				if err != nil {
					return fmt.Errorf("the model in use cannot take %s %d: %w", m.Stream, m.Seq, err)
				}
				return nil
			})
			return nil
		})
		if errors.Is(err, errEnd) {
			err = nil
		}
		if err := errors.Join(group.Wait(), err); err != nil {
			return err
		}
	}
	return nil
}

// differences sums up all tables of both, and looks closer at those that differ.
func (r *rebuilding) differences(ctx context.Context, now, made *store.Snapshot) error {
	var sums [2][]store.Sum
	var counting sync.Mutex
	group, working := errgroup.WithContext(ctx)
	for side, snapshot := range []*store.Snapshot{now, made} {
		group.Go(func() error {
			for _, table := range store.ComparedTables() {
				sum, err := snapshot.Sum(working, table, func(n int) error {
					counting.Lock()
					defer counting.Unlock()
					return r.report.compared(working, n)
				})
				if err != nil {
					return err
				}
				sums[side] = append(sums[side], sum)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	r.report.detail.Sums = sums[1]
	r.report.detail.Differences = nil
	for i, sum := range sums[1] {
		if sum == sums[0][i] {
			continue
		}
		d, err := made.Difference(ctx, now, sum.Table, exampleRows)
		if err != nil {
			return err
		}
		r.report.detail.Differences = append(r.report.detail.Differences, d)
	}
	r.report.detail.Differences = slices.Clip(r.report.detail.Differences)
	return nil
}
