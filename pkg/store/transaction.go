package store

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/verdict-stream/verdict/pkg/batch"
)

// maxShared bounds the callers of one transaction, so that the first of them does not wait long for the last.
const maxShared = 256

// work is what one caller does in a transaction.
type work struct {
	ctx    context.Context
	do     func(statements) error
	stage  atomic.Int32
	done   chan struct{} // closed when do runs no more
	result error         // errAlone until there is another
}

// The stages of a work. One whose caller leaves before it has begun never begins.
const (
	stageWaits int32 = iota
	stageBegun
	stageLeft
)

// errAlone is the result of a work that failed in a transaction with others: its caller does it again.
var errAlone = errors.New("has to be done alone")

// update runs fn in one transaction: all that it wrote takes effect, or nothing does. While one is under way, those who come share the
// next one. Where fn fails in that, the others go on without it, and fn runs again alone: each caller gets the result of its own fn,
// which must leave nothing behind but what it wrote. When update returns, fn runs no more. An error of fn is returned as it is.
func (d *database) update(ctx context.Context, fn func(statements) error) error {
	if d.writer == nil {
		return errReadOnly
	}
	if err := classifyEnd(ctx); err != nil {
		return err
	}
	w := newWork(ctx, fn)
	if _, err := d.shared.Do(ctx, w); err != nil && w.stage.CompareAndSwap(stageWaits, stageLeft) {
		return classifyEnd(ctx)
	}
	return d.finish(w)
}

func newWork(ctx context.Context, do func(statements) error) *work {
	return &work{ctx: ctx, do: do, done: make(chan struct{}), result: errAlone}
}

// finish waits for the end of a work that has begun, and does it alone where it has to be.
func (d *database) finish(w *work) error {
	<-w.done
	if errors.Is(w.result, errAlone) {
		return d.alone(w.ctx, w.do)
	}
	return w.result
}

// alone runs fn in a transaction of its own.
func (d *database) alone(ctx context.Context, fn func(statements) error) error {
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return classifyEnd(ctx)
	}
	defer func() { <-d.turn }()
	return d.transact(ctx, fn)
}

// transact runs fn in a transaction. The caller has the turn.
func (d *database) transact(ctx context.Context, fn func(statements) error) error {
	tx, err := d.writer.BeginTx(ctx, nil)
	if err != nil {
		return classify(ctx, err)
	}
	s := statements{on: tx, numbers: &numbers{}}
	if !d.postgres() {
		prepared := d.prepared.within(tx)
		defer prepared.learn(d.writer)
		s.on = prepared
	}
	defer func() { _ = tx.Rollback() }() // after a commit this does nothing
	if d.guard != nil {
		if err := d.guard(ctx, s); err != nil {
			return err
		}
	}
	if err := fn(s); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return classify(ctx, err)
	}
	if d.committed != nil {
		d.committed(s.numbers.given)
	}
	return nil
}

// commit is the transaction of all that have waited, but for those who left. One who waited alone is no exception: what fails, fails again
// where its caller does it.
func (d *database) commit(waited []*work) []batch.Result[struct{}] {
	works := slices.DeleteFunc(slices.Clone(waited), func(w *work) bool { return !w.stage.CompareAndSwap(stageWaits, stageBegun) })
	defer func() {
		for _, w := range works {
			close(w.done)
		}
	}()
	if len(works) > 0 {
		ctx, end := d.untilAllEnd(works)
		defer end()
		d.turn <- struct{}{} // who has it needs nobody's help to go on
		defer func() { <-d.turn }()
		d.together(ctx, works)
	}
	return make([]batch.Result[struct{}], len(waited))
}

// together does all works in one transaction. Where one fails, those before it are done again, and then those behind it: whatever
// fails, most are done twice at most. Where the transaction does not begin, may not write or does not commit, that is the result of all.
func (d *database) together(ctx context.Context, works []*work) {
	if len(works) == 0 {
		return
	}
	failed := -1
	err := d.transact(ctx, func(s statements) error {
		for i, w := range works {
			if !w.succeeds(ctx, s) {
				failed = i
				return errAlone
			}
		}
		return nil
	})
	if failed >= 0 {
		works[failed].result = errAlone
		d.together(ctx, works[:failed])
		d.together(ctx, works[failed+1:])
		return
	}
	for _, w := range works {
		w.result = err
	}
}

// succeeds runs the work in a transaction with others. A panic is a failure: it happens again where the work is done alone, and is its
// caller's there.
func (w *work) succeeds(ctx context.Context, s statements) (ok bool) {
	defer func() {
		if !ok {
			_ = recover()
		}
	}()
	s.ends = ctx
	return w.do(s) == nil
}

// untilAllEnd returns a context that ends when the last of the callers' contexts has. On SQLite it never does: a statement there does
// not wait for anybody for long, and to watch a context costs as much as the statement.
func (d *database) untilAllEnd(works []*work) (context.Context, func()) {
	if !d.postgres() {
		return context.Background(), func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running atomic.Int32
	running.Store(int32(len(works)))
	stops := make([]func() bool, len(works))
	for i, w := range works {
		stops[i] = context.AfterFunc(w.ctx, func() {
			if running.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}
