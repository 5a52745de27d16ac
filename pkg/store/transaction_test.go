package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// caller is one of those who share a transaction.
type caller struct {
	ctx context.Context
	fn  func(tx *Tx) error

	runs   int
	err    error
	thrown any
}

// share has all of them wait, commits them together as the first of them would, and lets each finish.
func share(l *Lifecycle, callers ...*caller) {
	works := make([]*work, len(callers))
	for i, c := range callers {
		works[i] = newWork(c.ctx, func(s statements) error {
			c.runs++
			return c.fn(&Tx{statements: s, key: l.key, numbers: s.numbers})
		})
	}
	l.db.commit(works)
	for i, c := range callers {
		func() {
			defer func() { c.thrown = recover() }()
			c.err = l.db.finish(works[i])
		}()
	}
}

// count raises the version of a record by one, and appends that to the outbox.
func count(ctx context.Context, tx *Tx, reference string) error {
	rec, err := tx.Record(ctx, testID(reference), false)
	if err != nil {
		return err
	}
	rec.Version++
	rec.State.Status = verification.Pending
	if err := tx.Save(ctx, rec, Dates{}); err != nil {
		return err
	}
	return tx.Append(ctx, OutboxRow{Lane: "L", EventID: fmt.Sprintf("%s@%d", rec.ID, rec.Version)})
}

// counted checks how often each reference was counted.
func counted(t *testing.T, l *Lifecycle, want map[string]int) {
	t.Helper()
	rows := 0
	for reference, n := range want {
		rows += n
		if got := load(t, l, testID(reference), false).Version; got != n {
			t.Errorf("%s was counted %d times, want %d", reference, got, n)
		}
	}
	waiting, err := l.Waiting(t.Context(), "L", 0, 10*rows+10)
	must(t, err)
	if len(waiting) != rows {
		t.Errorf("%d rows in the outbox, want %d", len(waiting), rows)
	}
	for i := 1; i < len(waiting); i++ {
		if waiting[i].ID <= waiting[i-1].ID {
			t.Errorf("row %d comes after %d", waiting[i].ID, waiting[i-1].ID)
		}
	}
}

// counter is a caller that counts and then returns end's result.
func counter(ctx context.Context, reference string, end func() error) *caller {
	c := &caller{ctx: ctx}
	c.fn = func(tx *Tx) error {
		if err := count(c.ctx, tx, reference); err != nil {
			return err
		}
		return end()
	}
	return c
}

func noUpdate(*Tx) error { return nil }

func succeed() error { return nil }

func testFailureIsOfOne(t *testing.T, at place) {
	l := newLifecycle(t, at(t))
	failure, refusedRow := errors.New("failure"), &caller{ctx: t.Context()}
	refusedRow.fn = func(tx *Tx) error {
		// The database refuses the second row of one event, and PostgreSQL then whatever else the transaction does.
		return errors.Join(count(t.Context(), tx, "refused"), tx.Append(t.Context(), OutboxRow{Lane: "L", EventID: testID("refused").String() + "@1"}))
	}
	callers := []*caller{
		counter(t.Context(), "a", succeed),
		counter(t.Context(), "failed", func() error { return failure }),
		counter(t.Context(), "a", succeed),
		refusedRow,
		counter(t.Context(), "b", succeed),
	}
	share(l, callers...)
	for i, c := range callers {
		switch {
		case i == 1 && !errors.Is(c.err, failure):
			t.Errorf("the one that failed got %v", c.err)
		case i == 3 && (c.err == nil || errors.Is(c.err, ErrUnavailable)):
			t.Errorf("the one whose row was refused got %v", c.err)
		case i != 1 && i != 3 && (c.err != nil || c.runs > 2):
			t.Errorf("caller %d ran %d times and got %v", i, c.runs, c.err)
		}
	}
	counted(t, l, map[string]int{"a": 2, "b": 1, "failed": 0, "refused": 0})
}

func testAllFail(t *testing.T, at place) {
	l := newLifecycle(t, at(t))
	var callers []*caller
	failures := map[*caller]error{}
	for i := range 20 {
		failure := fmt.Errorf("failure %d", i)
		c := counter(t.Context(), fmt.Sprint("r", i), func() error { return failure })
		callers, failures[c] = append(callers, c), failure
	}
	share(l, callers...)
	for i, c := range callers {
		if !errors.Is(c.err, failures[c]) || c.runs > 2 {
			t.Errorf("caller %d ran %d times and got %v", i, c.runs, c.err)
		}
		counted(t, l, map[string]int{fmt.Sprint("r", i): 0})
	}
}

func testPanicIsOfOne(t *testing.T, at place) {
	l := newLifecycle(t, at(t))
	panics := counter(t.Context(), "c", func() error { panic("thrown") })
	callers := []*caller{counter(t.Context(), "a", succeed), panics, counter(t.Context(), "b", succeed)}
	share(l, callers...)
	for i, c := range callers {
		if want := any(nil); c.err != nil || c != panics && c.thrown != want || c == panics && c.thrown != "thrown" {
			t.Errorf("caller %d got %v and %v was thrown", i, c.err, c.thrown)
		}
	}
	counted(t, l, map[string]int{"a": 1, "b": 1, "c": 0})
	must(t, l.Update(t.Context(), noUpdate))
}

// testCallerLeaves is about contexts that end: before the transaction, within it, and before a second try.
func testCallerLeaves(t *testing.T, at place) {
	l := newLifecycle(t, at(t))
	during, leave := context.WithCancel(t.Context())
	again, leaveAgain := context.WithCancel(t.Context())
	leaves := &caller{ctx: during}
	leaves.fn = func(tx *Tx) error {
		leave()
		return count(during, tx, "during")
	}
	fails := counter(again, "again", func() error { leaveAgain(); return errors.New("failure") })
	callers := []*caller{counter(t.Context(), "a", succeed), leaves, fails, counter(t.Context(), "b", succeed)}
	share(l, callers...)
	if callers[0].err != nil || callers[3].err != nil || leaves.err != nil {
		t.Errorf("the others got %v and %v, the one who left during the transaction %v", callers[0].err, callers[3].err, leaves.err)
	}
	if !errors.Is(fails.err, context.Canceled) || fails.runs != 1 {
		t.Errorf("one who left before the second try ran %d times and got %v", fails.runs, fails.err)
	}
	counted(t, l, map[string]int{"a": 1, "b": 1, "during": 1, "again": 0})

	// One who waits while another transaction is under way leaves at once, and what it would have done never happens.
	inside, release := make(chan struct{}), make(chan struct{})
	var first sync.WaitGroup
	first.Go(func() {
		check(t, l.Update(t.Context(), func(*Tx) error { close(inside); <-release; return nil }))
	})
	<-inside
	waiting, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		result <- l.Update(waiting, func(*Tx) error { t.Error("it ran after it had left"); return nil })
	}()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("one who waited got %v", err)
	}
	close(release)
	first.Wait()
	must(t, l.Update(t.Context(), noUpdate))
}

// testManyCallers has many callers come at the same time, of whom some fail and some leave.
func testManyCallers(t *testing.T, at place) {
	l := newLifecycle(t, at(t))
	const goroutines, each = 16, 15
	failure := errors.New("failure")
	var succeeded, left [goroutines]atomic.Int64
	var group sync.WaitGroup
	for g := range goroutines {
		group.Go(func() {
			for i := range each {
				ctx, cancel := context.WithCancel(t.Context())
				mine := fmt.Errorf("%d of %d: %w", i, g, failure)
				if i%5 == 4 {
					go cancel()
				}
				err := l.Update(ctx, func(tx *Tx) error {
					if err := count(ctx, tx, fmt.Sprint("g", g)); err != nil || i%5 != 3 {
						return err
					}
					return mine
				})
				cancel()
				switch {
				case err == nil && i%5 != 3:
					succeeded[g].Add(1)
				case i%5 == 3 && errors.Is(err, mine), i%5 == 4 && errors.Is(err, context.Canceled):
					left[g].Add(1)
				default:
					t.Errorf("call %d of %d: %v", i, g, err)
				}
			}
		})
	}
	group.Wait()
	for g := range goroutines {
		got := int64(load(t, l, testID(fmt.Sprint("g", g)), false).Version)
		// What became of one who left is not known.
		if atLeast, atMost := succeeded[g].Load(), int64(each-each/5); got < atLeast || got > atMost {
			t.Errorf("%d counted %d times, want %d to %d", g, got, atLeast, atMost)
		}
	}
}

// testNoTransaction is about a database that is away for all callers alike.
func testNoTransaction(t *testing.T, at place) {
	l, err := OpenLifecycle(t.Context(), at(t), testProvider)
	must(t, err)
	must(t, l.Close())
	callers := []*caller{counter(t.Context(), "a", succeed), counter(t.Context(), "b", succeed)}
	share(l, callers...)
	for i, c := range callers {
		if !errors.Is(c.err, ErrUnavailable) || c.runs > 0 {
			t.Errorf("caller %d ran %d times and got %v", i, c.runs, c.err)
		}
	}
}
