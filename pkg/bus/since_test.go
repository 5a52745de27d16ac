package bus

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func TestFirstSince(t *testing.T) {
	b := newTestBus(t)
	since := func(at time.Time, want uint64) {
		t.Helper()
		got, err := b.FirstSince(t.Context(), Webhooks, at)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("first since %v is %d, want %d", at, got, want)
		}
	}
	since(time.Now(), 1)
	var times []time.Time
	for i := range 9 {
		ack := publish(t, b, "kyc.webhook.idenfy.other", fmt.Sprint(i), "sealed")
		stored, err := b.Get(t.Context(), Webhooks, ack.Seq)
		if err != nil {
			t.Fatal(err)
		}
		times = append(times, stored.Time)
	}
	stream, err := b.js.Stream(t.Context(), Webhooks)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSequence(3)); err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteMsg(t.Context(), 6); err != nil {
		t.Fatal(err)
	}
	since(time.Time{}, 3)
	since(times[2], 3)
	since(times[4], 5)
	since(times[4].Add(1), 6) // which is gone: the next one is at 7
	since(times[5], 6)
	since(times[8], 9)
	since(times[8].Add(1), 10)
	since(time.Now().Add(time.Hour), 10)
}
