package bus

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestResetStartsFromTheBeginning(t *testing.T) {
	b := newTestBus(t)
	if err := b.ResetConsumer(t.Context(), Webhooks, lifecycle); err != nil {
		t.Fatalf("reset of what does not exist: %v", err)
	}
	publishWebhook(t, b, "idenfy:1")
	publishWebhook(t, b, "idenfy:2")
	seen := make(chan uint64, 10)
	c := webhooks(func(_ context.Context, m Stored) error {
		seen <- m.Seq
		return nil
	})
	stop := runConsumers(t, b, c)
	for _, when := range []string{"stopped", "running"} {
		for want := uint64(1); want <= 2; want++ {
			if got := receive(t, seen); got != want {
				t.Fatalf("before the reset while %s: message %d, want %d", when, got, want)
			}
		}
		allDone(t, b)
		if when == "stopped" {
			stop()
		}
		if err := b.ResetConsumer(t.Context(), Webhooks, lifecycle); err != nil {
			t.Fatal(err)
		}
		if when == "stopped" {
			runConsumers(t, b, c)
		}
	}
	for want := uint64(1); want <= 2; want++ {
		if got := receive(t, seen); got != want {
			t.Fatalf("at the end: message %d, want %d", got, want)
		}
	}
}

func TestFirstUnacked(t *testing.T) {
	b := newTestBus(t)
	expect := func(when string, want uint64) {
		t.Helper()
		var (
			got   Oldest
			found bool
		)
		eventually(t, when, func() bool {
			var err error
			got, found, err = b.FirstUnacked(t.Context(), Webhooks, lifecycle, webhookFilter)
			return err == nil && got.Seq == want && found == (want > 0) && found != got.Time.IsZero()
		})
	}
	expect("nothing there", 0)
	publish(t, b, "kyc.webhook.kycaid.verification_completed", "kycaid:1", "another provider's")
	expect("nothing of this filter", 0)
	const first, second, third = 2, 3, 4
	for i := first; i <= third; i++ {
		publishWebhook(t, b, fmt.Sprintf("idenfy:%d", i))
	}
	expect("before the consumer has ever run", first)
	release := map[uint64]chan struct{}{first: make(chan struct{}), second: make(chan struct{}), third: make(chan struct{})}
	c := webhooks(func(_ context.Context, m Stored) error {
		<-release[m.Seq]
		return nil
	})
	c.Concurrency = 3
	runConsumers(t, b, c)
	close(release[second])
	expect("a later one is done", first)
	close(release[first])
	expect("the first two are done", third)
	if lag, err := b.Pending(t.Context(), Webhooks, lifecycle); err != nil || lag.Unacked != 1 {
		t.Errorf("lag %+v, %v", lag, err)
	}
	close(release[third])
	expect("all are done", 0)
	publish(t, b, "kyc.webhook.kycaid.verification_completed", "kycaid:2", "another provider's")
	expect("another provider's message came", 0)
}

func TestPendingOfAConsumerThatNeverRan(t *testing.T) {
	b := newTestBus(t)
	if _, err := b.Pending(t.Context(), Webhooks, lifecycle); !errors.Is(err, ErrNotFound) {
		t.Errorf("error: %v", err)
	}
}
