package verification

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// copyOf draws a copy of one signal. What the body says depends on the decoder and the name
// of the event alone, and the time on the decoder and the delivery alone, as with a real one.
func copyOf(t *rapid.T) Signal {
	seq := rapid.IntRange(1, 4).Draw(t, "seq")
	s := Signal{
		ID: "s", Decoder: rapid.IntRange(1, 3).Draw(t, "decoder"), Rank: seq % 3,
		At: noon.Add(time.Duration(seq*seq%5) * 3 * time.Minute),
	}
	s.At = s.At.Add(time.Duration(s.Decoder) * time.Second)
	s.Says = fmt.Sprintf("%d by %d", s.Rank, s.Decoder)
	s.Anomalies = []string{s.Says}
	s.Received(uint64(seq), noon.Add(time.Duration(seq)*time.Second), fmt.Sprintf("d%d", seq))
	return s
}

func TestMergeIsAJoin(t *testing.T) {
	same := func(t *rapid.T, what string, one, other Signal) {
		if diff := cmp.Diff(one, other, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("not %s (-one +other):\n%s", what, diff)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := copyOf(t), copyOf(t), copyOf(t)
		same(t, "idempotent", a, merged(t, a, a))
		same(t, "commutative", merged(t, a, b), merged(t, b, a))
		same(t, "associative", merged(t, merged(t, a, b), c), merged(t, a, merged(t, b, c)))
		same(t, "absorbing", merged(t, a, b), merged(t, merged(t, a, b), a))
	})
}

func merged(t *rapid.T, a, b Signal) Signal {
	s, err := merge(a, b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMerge(t *testing.T) {
	first := Signal{ID: "s", Seq: 1, At: noon, ReceivedAt: noon, Delivery: "d1", Event: "e1", Says: "one", Rank: 1, Decoder: 1}
	change := func(f func(*Signal)) Signal {
		s := first
		s.Seq, s.At, s.ReceivedAt, s.Delivery, s.Event, s.Says = 2, noon.Add(-time.Hour), noon.Add(time.Hour), "d2", "e2", "two"
		f(&s)
		return s
	}
	for _, c := range []struct {
		name        string
		second      Signal
		says, event string
	}{
		{"the earlier copy's content", change(func(*Signal) {}), "one", "e1"},
		{"the better name's", change(func(s *Signal) { s.Rank = 0 }), "two", "e2"},
		{"the worse name's", change(func(s *Signal) { s.Rank = 2 }), "one", "e1"},
		{"the newer decoder's", change(func(s *Signal) { s.Decoder, s.Rank = 2, 2 }), "two", "e2"},
		{"the older decoder's", change(func(s *Signal) { s.Decoder, s.Rank = 0, 0 }), "one", "e1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := merge(first, c.second)
			if err != nil {
				t.Fatal(err)
			}
			if got.Says != c.says || got.Event != c.event {
				t.Errorf("says %s of %s, want %s of %s", got.Says, got.Event, c.says, c.event)
			}
			// A captured payload sent again with an earlier time changes no order.
			if got.Seq != 1 || !got.At.Equal(noon) || !got.ReceivedAt.Equal(noon) || got.Delivery != "d1" {
				t.Errorf("stands at %d, %s, %s, want the earlier copy's", got.Seq, got.At, got.Delivery)
			}
		})
	}
}

// A newer decoder's reading of one delivery stands, its time included.
func TestMergeOfOneDelivery(t *testing.T) {
	old := Signal{ID: "s", Seq: 1, At: noon, ReceivedAt: noon, Decoder: 1}
	better := old
	better.At, better.Decoder = noon.Add(time.Minute), 2
	for _, order := range [][2]Signal{{old, better}, {better, old}} {
		got, err := merge(order[0], order[1])
		if err != nil {
			t.Fatal(err)
		}
		if !got.At.Equal(better.At) || got.Decoder != 2 {
			t.Errorf("stands with the time %s of decoder %d", got.At, got.Decoder)
		}
	}
}

func TestMergeKeepsWhoIsDisowned(t *testing.T) {
	known := Signal{ID: "s", Seq: 2, Disowned: true, Decoder: 1}
	again := Signal{ID: "s", Seq: 1, Decoder: 2}
	if got, err := merge(known, again); err != nil || !got.Disowned {
		t.Errorf("a copy took the disowning back: %+v, %v", got, err)
	}
	if got, err := merge(again, known); err != nil || got.Disowned {
		t.Errorf("a copy disowned the signal: %+v, %v", got, err)
	}
}

func TestMergeRefusesDifferentSignals(t *testing.T) {
	if _, err := merge(Signal{ID: "a"}, Signal{ID: "b"}); !errors.Is(err, errNotCopies) {
		t.Errorf("error is %v", err)
	}
}
