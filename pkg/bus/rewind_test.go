package bus

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRewind(t *testing.T) {
	b := newTestBus(t)
	if err := b.EnsureStreams(t.Context(), StreamSettings{Retention: webhooksGrace, DeduplicationWindow: webhooksGrace, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		publish(t, b, "kyc.dead.someone", fmt.Sprint(n), "{}")
	}
	consumer := Consumer{Name: "reader", Stream: Dead, Filter: "kyc.dead.>"}
	// read runs the consumer until it is done with everything, and returns what it was given.
	read := func() []uint64 {
		t.Helper()
		var mu sync.Mutex
		var seen []uint64
		c := consumer
		c.Handle = func(_ context.Context, m Stored) error {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, m.Seq)
			return nil
		}
		stop := runConsumers(t, b, c)
		eventually(t, "the end of the stream", func() bool {
			_, waits, err := b.FirstUnacked(t.Context(), c.Stream, c.Name, c.Filter)
			return err == nil && !waits
		})
		stop()
		return seen
	}
	if diff := cmp.Diff([]uint64{1, 2, 3, 4, 5}, read()); diff != "" {
		t.Fatalf("first run (-want +got):\n%s", diff)
	}
	for _, step := range []struct {
		position uint64
		want     []uint64
	}{
		{5, nil},
		{3, []uint64{4, 5}},
		{0, []uint64{1, 2, 3, 4, 5}},
		{9, []uint64{1, 2, 3, 4, 5}}, // a position of another stream
	} {
		if err := b.Rewind(t.Context(), consumer, step.position); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, read()); diff != "" {
			t.Errorf("behind %d (-want +got):\n%s", step.position, diff)
		}
	}
}
