package lifecycle

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
)

// TestOutcomesAreToldTogether publishes more outcomes than are published one by one, of which
// the stream knows one already, and refuses one that cannot be published.
func TestOutcomesAreToldTogether(t *testing.T) {
	h := newHarness(t)
	// What is published again must still be known, however busy the machine is.
	settings := bus.StreamSettings{Retention: retention, DeduplicationWindow: retention, Replicas: 1}
	if err := h.bus.EnsureStreams(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	message := func(i int) bus.Message {
		return bus.Message{
			Subject: event.OutcomeSubject("acme", string(event.Repeat)), Data: []byte(fmt.Sprintf(`{"sequence":%d}`, i)),
			Header: map[string][]string{event.MessageID: {fmt.Sprint("repeat:", i)}},
		}
	}
	h.asleep(func(w *worker) {
		for _, n := range []int{1, 3 * fewOutcomes} {
			messages := make([]bus.Message, n)
			for i := range messages {
				messages[i] = message(i)
			}
			refused := n - 1
			if n > 1 {
				messages[refused].Subject = "not a subject"
			}
			for i, result := range w.publishOutcomes(messages) {
				if (result.Err != nil) != (n > 1 && i == refused) {
					t.Errorf("%d of %d: %v", i, n, result.Err)
				}
			}
		}
	})
	told := map[uint64]int{}
	for _, o := range h.outcomes() {
		told[o.Sequence]++
	}
	want := map[uint64]int{}
	for i := range 3*fewOutcomes - 1 {
		want[uint64(i)] = 1
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

func TestManyOutcomes(t *testing.T) {
	h := newHarness(t)
	want := map[uint64]event.OutcomeName{}
	for range 5 * fewOutcomes {
		want[h.post(provider.EventOther, body{})] = event.Unhandled
	}
	h.settle()
	got := map[uint64]event.OutcomeName{}
	for _, o := range h.outcomes() {
		got[o.Sequence] = o.Outcome
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}
