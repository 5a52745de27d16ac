package bus

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Whatever is in a stream, a scan, a count and a look at the first message agree about every span of it.
func TestScanCountAndFirstAgree(t *testing.T) {
	b, stream := numbers(t, true)
	rapid.Check(t, func(rt *rapid.T) {
		if err := stream.Purge(t.Context()); err != nil {
			rt.Fatal(err)
		}
		state, err := b.StreamState(t.Context(), "NUMBERS")
		if err != nil {
			rt.Fatal(err)
		}
		kinds := rapid.SliceOfN(rapid.SampledFrom([]string{"one", "two", "three"}), 1, 40).Draw(rt, "kinds")
		chosen := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"number.one", "number.two", "number.four"}), rapid.ID).Draw(rt, "filters")
		span := Span{Stream: "NUMBERS", Filters: chosen, Ahead: rapid.IntRange(0, 5).Draw(rt, "ahead")}
		span.From = state.LastSeq + uint64(rapid.IntRange(0, len(kinds)+1).Draw(rt, "from"))
		span.Through = state.LastSeq + uint64(rapid.IntRange(1, len(kinds)).Draw(rt, "through"))
		var want []uint64
		for i, kind := range kinds {
			seq := state.LastSeq + uint64(i) + 1
			publish(t, b, "number."+kind, fmt.Sprint(seq), fmt.Sprint(seq))
			if seq >= span.From && seq <= span.Through && (len(chosen) == 0 || slices.Contains(chosen, "number."+kind)) {
				want = append(want, seq)
			}
		}
		var got []uint64
		last, err := b.Scan(t.Context(), span, func(m Stored) error {
			got = append(got, m.Seq)
			return nil
		})
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			rt.Fatalf("%v (-want +got)\n%s", err, diff)
		}
		if span.From > span.Through {
			return
		}
		if n, err := b.Count(t.Context(), span); err != nil || n != uint64(len(want)) {
			rt.Fatalf("count is %d, %v; want %d", n, err, len(want))
		}
		first, err := b.First(t.Context(), span)
		if len(want) == 0 {
			if !errors.Is(err, ErrNotFound) || last != 0 {
				rt.Fatalf("first of nothing: %d, %v; last %d", first.Seq, err, last)
			}
			return
		}
		if err != nil || first.Seq != want[0] || last != want[len(want)-1] {
			rt.Fatalf("first %d, last %d, %v; want %v", first.Seq, last, err, want)
		}
	})
}

// Messages that together are larger than what is asked for at a time come all the same.
func TestScanOfLargeMessages(t *testing.T) {
	b, _ := numbers(t, false)
	const total = 12
	large := strings.Repeat("x", 2<<20)
	for i := range total {
		publish(t, b, "number.one", fmt.Sprint(i), large)
	}
	count := 0
	last, err := b.Scan(t.Context(), Span{Stream: "NUMBERS"}, func(m Stored) error {
		count++
		if len(m.Data) != len(large) {
			return errors.New("not as stored")
		}
		return nil
	})
	if err != nil || count != total || last != total {
		t.Errorf("%d messages, the last %d, %v", count, last, err)
	}
}

func TestAScanThatEndsEarlyLeavesNothingBehind(t *testing.T) {
	b, stream := numbers(t, false)
	for i := range 5 {
		publish(t, b, "number.one", fmt.Sprint(i), "x")
	}
	enough := errors.New("enough")
	if _, err := b.Scan(t.Context(), Span{Stream: "NUMBERS"}, func(Stored) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("error: %v", err)
	}
	info, err := stream.Info(t.Context())
	if err != nil || info.State.Consumers != 0 {
		t.Errorf("%d consumers are left, %v", info.State.Consumers, err)
	}
}

// A reader may pause for so long that the broker forgets its position: it goes on behind what it has read.
func TestAScanOutlivesItsPosition(t *testing.T) {
	for _, ahead := range []int{0, 4} {
		b, stream := numbers(t, false)
		const total = 2*scanBatch + 10
		for i := range total {
			publish(t, b, "number.one", fmt.Sprint(i), "x")
		}
		forget := func() {
			for name := range stream.ConsumerNames(t.Context()).Name() {
				if err := stream.DeleteConsumer(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
		}
		next := uint64(1)
		last, err := b.Scan(t.Context(), Span{Stream: "NUMBERS", Ahead: ahead}, func(m Stored) error {
			if m.Seq != next {
				return fmt.Errorf("message %d, want %d", m.Seq, next)
			}
			if next++; m.Seq == 5 || m.Seq == scanBatch+5 {
				forget()
			}
			return nil
		})
		if err != nil || last != total {
			t.Errorf("ahead %d: the last is %d, %v", ahead, last, err)
		}
		if info, err := stream.Info(t.Context()); err != nil || info.State.Consumers != 0 {
			t.Errorf("%d consumers are left, %v", info.State.Consumers, err)
		}
	}
}

// The messages of a stream that was made anew are no continuation.
func TestAScanOfAStreamThatIsMadeAnew(t *testing.T) {
	b, stream := numbers(t, false)
	fill := func() {
		for i := range 20 {
			publish(t, b, "number.one", fmt.Sprint(i), "x")
		}
	}
	fill()
	last, err := b.Scan(t.Context(), Span{Stream: "NUMBERS", Ahead: 4}, func(m Stored) error {
		if m.Seq == 5 {
			if err := b.js.DeleteStream(t.Context(), "NUMBERS"); err != nil {
				return err
			}
			if _, err := b.js.CreateStream(t.Context(), stream.CachedInfo().Config); err != nil {
				return err
			}
			fill()
		}
		return nil
	})
	if !errors.Is(err, ErrUnavailable) || last > 10 {
		t.Errorf("it read up to %d, %v", last, err)
	}
}
