package batch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// gate is a commit that waits to be let through and notes what it got.
type gate struct {
	enter   chan struct{}
	batches [][]int
}

func (g *gate) commit(items []int) []Result[string] {
	g.batches = append(g.batches, items)
	<-g.enter
	results := make([]Result[string], len(items))
	for i, item := range items {
		results[i].Value = fmt.Sprint("result of ", item)
		if item < 0 {
			results[i].Err = fmt.Errorf("no %d", item)
		}
	}
	return results
}

// do begins a call and returns how to wait for its end.
func do(ctx context.Context, g *Group[int, string], item int) func() (string, error) {
	var value string
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		value, err = g.Do(ctx, item)
	}()
	synctest.Wait() // Until it commits or waits for one who does.
	return func() (string, error) {
		<-done
		return value, err
	}
}

func TestThoseWhoWaitAreCommittedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := &gate{enter: make(chan struct{})}
		g := New(3, gate.commit)
		items := []int{1, 2, -3, 4, 5}
		var calls []func() (string, error)
		for _, item := range items {
			calls = append(calls, do(t.Context(), g, item))
		}
		for range 3 {
			gate.enter <- struct{}{}
		}
		for i, item := range items {
			value, err := calls[i]()
			if value != fmt.Sprint("result of ", item) || (err != nil) != (item < 0) {
				t.Errorf("item %d: %q, %v", item, value, err)
			}
		}
		if diff := cmp.Diff([][]int{{1}, {2, -3, 4}, {5}}, gate.batches); diff != "" {
			t.Errorf("commits (-want +got):\n%s", diff)
		}
		synctest.Wait()
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.busy || len(g.waiting) > 0 {
			t.Error("it waits for nobody, and does not know")
		}
	})
}

func TestWhoWaitsNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := &gate{enter: make(chan struct{})}
		g := New(10, gate.commit)
		ctx, cancel := context.WithCancel(t.Context())
		first := do(ctx, g, 1)
		withdrawn := do(ctx, g, 2)
		last := do(t.Context(), g, 3)
		cancel()
		if _, err := withdrawn(); !errors.Is(err, context.Canceled) {
			t.Errorf("one who waited: error %v", err)
		}
		// Its commit is under way, and may take as long as it likes.
		if _, err := first(); !errors.Is(err, context.Canceled) {
			t.Errorf("one whose commit is under way: error %v", err)
		}
		gate.enter <- struct{}{}
		gate.enter <- struct{}{}
		if value, err := last(); value != "result of 3" || err != nil {
			t.Errorf("one behind them: %q, %v", value, err)
		}
		if diff := cmp.Diff([][]int{{1}, {3}}, gate.batches); diff != "" {
			t.Errorf("commits (-want +got):\n%s", diff)
		}
	})
}

// TestLeaveDuringTheCommit leaves while another commits the item.
func TestLeaveDuringTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := &gate{enter: make(chan struct{})}
		g := New(10, gate.commit)
		ctx, cancel := context.WithCancel(t.Context())
		first := do(t.Context(), g, 1)
		other := do(t.Context(), g, 2)
		left := do(ctx, g, 3)
		gate.enter <- struct{}{}
		_, _ = first()
		synctest.Wait()
		cancel()
		if _, err := left(); !errors.Is(err, context.Canceled) {
			t.Errorf("one who left: error %v", err)
		}
		gate.enter <- struct{}{}
		if value, err := other(); value != "result of 2" || err != nil {
			t.Errorf("one who stayed: %q, %v", value, err)
		}
		if diff := cmp.Diff([][]int{{1}, {2, 3}}, gate.batches); diff != "" {
			t.Errorf("commits (-want +got):\n%s", diff)
		}
	})
}

// TestPanic gives all of a commit its panic, and goes on with those behind them.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		enter := make(chan struct{})
		g := New(2, func(items []int) []Result[string] {
			<-enter
			if items[0] == 2 {
				panic("broken")
			}
			return make([]Result[string], len(items))
		})
		ctx, cancel := context.WithCancel(t.Context())
		first, second := do(t.Context(), g, 1), do(t.Context(), g, 2)
		left, behind := do(ctx, g, 3), do(t.Context(), g, 4)
		enter <- struct{}{}
		synctest.Wait()
		cancel() // while it is committed
		if _, err := left(); !errors.Is(err, context.Canceled) {
			t.Errorf("one who left: error %v", err)
		}
		enter <- struct{}{}
		enter <- struct{}{}
		if _, err := first(); err != nil {
			t.Error(err)
		}
		if _, err := second(); !errors.Is(err, ErrPanicked) || strings.Contains(err.Error(), "broken") {
			t.Errorf("one whose commit panicked: error %v", err)
		}
		if _, err := behind(); err != nil {
			t.Error(err)
		}
	})
}

// TestEachItemOnce has many callers come and leave as they like.
func TestEachItemOnce(t *testing.T) {
	const callers, rounds = 16, 200
	committed := map[int]int{}
	var committing sync.Mutex // for the race detector, and for a commit that goes on when all have left
	g := New(5, func(items []int) []Result[int] {
		committing.Lock()
		defer committing.Unlock()
		results := make([]Result[int], len(items))
		for i, item := range items {
			committed[item]++
			results[i].Value = item
		}
		return results
	})
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for round := range rounds {
				ctx, cancel := context.WithCancel(t.Context())
				if round%3 == 0 {
					cancel()
				}
				item := caller*rounds + round
				if got, err := g.Do(ctx, item); err == nil && got != item {
					t.Errorf("%d got the result of %d", item, got)
				} else if err != nil && round%3 != 0 {
					t.Errorf("%d: %v", item, err)
				}
				cancel()
			}
		})
	}
	all.Wait()
	if _, err := g.Do(t.Context(), -1); err != nil { // behind everything that was begun
		t.Fatal(err)
	}
	committing.Lock()
	defer committing.Unlock()
	for item := range callers * rounds {
		if n := committed[item]; n > 1 || n == 0 && item%rounds%3 != 0 {
			t.Errorf("%d was committed %d times", item, n)
		}
	}
}

func BenchmarkDo(b *testing.B) {
	g := New(1000, func(items []int) []Result[int] { return make([]Result[int], len(items)) })
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			_, _ = g.Do(b.Context(), 1)
		}
	})
	b.Run("many", func(b *testing.B) {
		b.SetParallelism(64)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_, _ = g.Do(b.Context(), 1)
			}
		})
	})
}
