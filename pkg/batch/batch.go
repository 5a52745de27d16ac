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
//   - A caller who comes while nothing is under way is committed at once, on its own goroutine:
//     nobody is kept waiting so that a batch becomes larger.
//   - Items are committed in the order in which they came, each in one commit, and one commit is
//     under way at a time.
//   - Each caller gets the result of its own item.
package batch

import (
	"context"
	"slices"
	"sync"
)

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
	busy    bool // a commit is under way, or somebody was told to begin one
	waiting []*call[T, R]
}

// call is one item that waits.
type call[T, R any] struct {
	item T
	// lead tells the caller to commit what waits, its own item first; done is its result. Each
	// is sent to once at most.
	lead chan struct{}
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
	g.mu.Lock()
	if !g.busy {
		g.busy = true
		g.mu.Unlock()
		return g.run(nil, item)
	}
	c := &call[T, R]{item: item, lead: make(chan struct{}, 1), done: make(chan Result[R], 1)}
	g.waiting = append(g.waiting, c)
	g.mu.Unlock()

	select {
	case <-c.lead:
		return g.run(c, item)
	case r := <-c.done:
		return r.Value, r.Err
	case <-ctx.Done():
	}
	g.withdraw(c)
	var none R
	return none, ctx.Err()
}

// run commits the caller's item together with those that wait, and passes the lead on. The
// caller is the first of those that wait, or nobody waited when it came.
func (g *Group[T, R]) run(own *call[T, R], item T) (R, error) {
	items, others := []T{item}, []*call[T, R](nil)
	if own != nil {
		items, others = g.take()
	}
	var results []Result[R]
	defer func() {
		// A commit that panicked has committed nothing that anybody could rely on. The others
		// wait for the panic's end elsewhere: they lead a commit of their own.
		if results == nil {
			g.giveBack(others)
		}
		g.next()
	}()
	results = g.commit(items)
	for i, c := range others {
		c.done <- results[i+1]
	}
	return results[0].Value, results[0].Err
}

// take returns the items of the next commit, and the callers but for the first, who takes them.
func (g *Group[T, R]) take() ([]T, []*call[T, R]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), g.limit)
	taken := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	items := make([]T, n)
	for i, c := range taken {
		items[i] = c.item
	}
	return items, taken[1:]
}

// giveBack lets callers wait again, before all others.
func (g *Group[T, R]) giveBack(calls []*call[T, R]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.Insert(g.waiting, 0, calls...)
}

// next tells the first caller who waits to commit.
func (g *Group[T, R]) next() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.busy = false
		return
	}
	g.waiting[0].lead <- struct{}{}
}

// withdraw takes back an item whose caller waits no more. Who was told to lead meanwhile passes
// that on.
func (g *Group[T, R]) withdraw(c *call[T, R]) {
	g.mu.Lock()
	i := slices.Index(g.waiting, c)
	if i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
	g.mu.Unlock()
	select {
	case <-c.lead:
		g.next()
	default:
	}
}
