package batch

import (
	"context"
	"errors"
	"fmt"
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
		gate.enter <- struct{}{}
		gate.enter <- struct{}{}
		// Its commit was under way: it is told what came of it.
		if value, err := first(); value != "result of 1" || err != nil {
			t.Errorf("one who committed: %q, %v", value, err)
		}
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
		leader := do(t.Context(), g, 2)
		left := do(ctx, g, 3)
		gate.enter <- struct{}{}
		_, _ = first()
		synctest.Wait()
		cancel()
		if _, err := left(); !errors.Is(err, context.Canceled) {
			t.Errorf("one who left: error %v", err)
		}
		gate.enter <- struct{}{}
		if value, err := leader(); value != "result of 2" || err != nil {
			t.Errorf("the leader: %q, %v", value, err)
		}
		if diff := cmp.Diff([][]int{{1}, {2, 3}}, gate.batches); diff != "" {
			t.Errorf("commits (-want +got):\n%s", diff)
		}
	})
}

// TestAPanicIsThatOfOneCaller commits those who waited with it again.
func TestAPanicIsThatOfOneCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		enter := make(chan struct{})
		g := New(10, func(items []int) []Result[string] {
			<-enter
			if items[0] == 2 {
				panic("2")
			}
			return make([]Result[string], len(items))
		})
		first := do(t.Context(), g, 1)
		thrown := make(chan any, 1)
		go func() {
			defer func() { thrown <- recover() }()
			_, _ = g.Do(t.Context(), 2)
		}()
		synctest.Wait()
		other := do(t.Context(), g, 3)
		for range 3 {
			enter <- struct{}{}
		}
		if _, err := first(); err != nil {
			t.Error(err)
		}
		if got := <-thrown; got != "2" {
			t.Errorf("thrown: %v", got)
		}
		if _, err := other(); err != nil {
			t.Error(err)
		}
	})
}

// TestEachItemOnce has many callers come and leave as they like.
func TestEachItemOnce(t *testing.T) {
	const callers, rounds = 16, 200
	committed := map[int]int{}
	g := New(5, func(items []int) []Result[int] {
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
