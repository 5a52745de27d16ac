package bus

import (
	"context"
	"errors"
	"testing"
)

func TestAckFloor(t *testing.T) {
	b := newTestBus(t)
	if err := b.EnsureStreams(t.Context(), StreamSettings{Retention: webhooksGrace, DeduplicationWindow: webhooksGrace, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.AckFloor(t.Context(), Outcomes, "reader"); !errors.Is(err, ErrNotFound) {
		t.Errorf("before the first run: error %v, want %v", err, ErrNotFound)
	}
	for _, id := range []string{"1", "2", "3"} {
		publish(t, b, "kyc.outcome.acme.repeat", id, "{}")
	}
	// The second of three cannot be handled now, so the floor stays below it.
	handled := make(chan uint64, 3)
	stop := runConsumers(t, b, Consumer{
		Name: "reader", Stream: Outcomes, Filter: "kyc.outcome.>",
		Handle: func(_ context.Context, m Stored) error {
			if m.Seq == 2 {
				return errors.New("not now")
			}
			handled <- m.Seq
			return nil
		},
	})
	receive(t, handled)
	receive(t, handled)
	want := Floor{Seq: 1, Pending: 1}
	eventually(t, "the floor below what is not done", func() bool {
		got, err := b.AckFloor(t.Context(), Outcomes, "reader")
		return err == nil && got == want
	})
	stop()
}
