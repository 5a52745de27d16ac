package consume

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/verdict-stream/verdict/pkg/event"
)

// Whatever comes again, each version is handled once, and those in between too.
func TestOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		handled, failed := map[string][]int{}, errors.New("not now")
		var fails bool
		once := Once(NewMemory(100), func(_ context.Context, e Event) error {
			if fails {
				return failed
			}
			handled[e.ID] = append(handled[e.ID], e.Version)
			return nil
		})
		want := map[string][]int{}
		for range rapid.IntRange(1, 60).Draw(rt, "events") {
			id := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "id")
			fails = rapid.Bool().Draw(rt, "fails")
			version := rapid.IntRange(1, len(want[id])+1).Draw(rt, "version")
			news := version == len(want[id])+1
			err := once(t.Context(), Event{Verification: event.Verification{ID: id, Version: version}})
			if (err != nil) != (news && fails) {
				rt.Fatalf("version %d of %s: %v", version, id, err)
			}
			if news && !fails {
				want[id] = append(want[id], version)
			}
		}
		if diff := cmp.Diff(want, handled); diff != "" {
			rt.Error(diff)
		}
	})
}

// A Memory holds no more than its limit, and forgets what was not used for the longest time.
func TestMemoryIsBounded(t *testing.T) {
	m := NewMemory(3)
	for i := range 3 {
		m.put(fmt.Sprint(i), i+1)
	}
	m.version("0")
	m.put("3", 4)
	got := map[string]int{}
	for _, id := range []string{"0", "1", "2", "3"} {
		got[id] = m.version(id)
	}
	if diff := cmp.Diff(map[string]int{"0": 1, "1": 0, "2": 3, "3": 4}, got); diff != "" || len(m.byID) != 3 || m.order.Len() != 3 {
		t.Error(diff)
	}
	m.put("3", 2)
	if m.version("3") != 4 {
		t.Error("a lower version replaced a higher one")
	}
}
