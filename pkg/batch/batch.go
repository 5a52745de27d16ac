// Package batch lets many callers share one commit.
//
// Where a commit costs the same for one item as for a hundred, as a sync of a disk and a
// transaction do, those that come while a commit is under way wait for its end and are then
// committed together:
//
//	caller A ──▶ commit(A) ──────┐
//	caller B ───── waits ────────┤
//	caller C ───── waits ────────┴─▶ commit(B, C) ──▶
//
// Its invariants:
//
//   - A caller who comes while nothing is under way is committed at once: nobody is kept waiting
//     so that a batch becomes larger.
//   - Items are committed in the order in which they came, each in one commit, and one commit is
//     under way at a time.
//   - Each caller gets the result of its own item, or leaves when its context ends, whoever's
//     commit is under way then.
package batch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
)

// ErrPanicked means that the commit panicked: the item may have been committed or not.
var ErrPanicked = errors.New("the commit panicked")

// Result is what came of one item.
type Result[R any] struct {
	Value R
	Err   error
}

// Group commits the items of many callers. It may be used by many goroutines.
type Group[T, R any] struct {
	limit  int
	commit func([]T) []Result[R]

	mu      sync.Mutex
	busy    bool // the committer runs
	waiting []*call[T, R]
}

// call is one item that waits for its result, which is sent once.
type call[T, R any] struct {
	item T
	done chan Result[R]
}

// New returns a group. commit gets between 1 and limit items, in the order in which they came,
// and returns a result for each, in the same order. It is never called twice at a time.
func New[T, R any](limit int, commit func(items []T) []Result[R]) *Group[T, R] {
	return &Group[T, R]{limit: limit, commit: commit}
}

// Do commits an item, with what else waits, and returns its result. Where ctx ends while the
// item waits, its error is returned and the item is not committed; where it ends during the
// commit, its error is returned too and the item may have been committed or not.
func (g *Group[T, R]) Do(ctx context.Context, item T) (R, error) {
	c := &call[T, R]{item: item, done: make(chan Result[R], 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, c)
	if !g.busy {
		g.busy = true
		go g.run()
	}
	g.mu.Unlock()

	select {
	case r := <-c.done:
		return r.Value, r.Err
	case <-ctx.Done():
	}
	g.withdraw(c)
	var none R
	return none, ctx.Err()
}

// run commits until nobody waits.
func (g *Group[T, R]) run() {
	for {
		calls := g.take()
		if len(calls) == 0 {
			return
		}
		items := make([]T, len(calls))
		for i, c := range calls {
			items[i] = c.item
		}
		for i, r := range g.attempt(items) {
			calls[i].done <- r
		}
	}
}

// take returns who is committed next, and nobody where nobody waits: then the committer ends.
func (g *Group[T, R]) take() []*call[T, R] {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), g.limit)
	taken := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	g.busy = n > 0
	return taken
}

// attempt commits, and turns a panic into everybody's error: it is nobody's in particular.
func (g *Group[T, R]) attempt(items []T) (results []Result[R]) {
	defer func() {
		// What was thrown may hold a part of an item. The stack does not.
		if recover() != nil {
			err := fmt.Errorf("%w: %s", ErrPanicked, debug.Stack())
			results = make([]Result[R], len(items))
			for i := range results {
				results[i].Err = err
			}
		}
	}()
	return g.commit(items)
}

// withdraw takes back an item whose caller waits no more.
func (g *Group[T, R]) withdraw(c *call[T, R]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.waiting, c); i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
}
