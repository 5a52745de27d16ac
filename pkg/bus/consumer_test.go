package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	webhookSubject = "kyc.webhook.idenfy.id_verification_auto_finish"
	webhookFilter  = "kyc.webhook.idenfy.>"
	lifecycle      = "lifecycle-idenfy"
)

// webhooks is a consumer of the tests.
func webhooks(handle func(context.Context, Stored) error) Consumer {
	return Consumer{Name: lifecycle, Stream: Webhooks, Filter: webhookFilter, Handle: handle}
}

func publishWebhook(t *testing.T, b *Bus, id string) {
	t.Helper()
	if _, err := b.Publish(t.Context(), Message{
		Subject: webhookSubject,
		Header:  map[string][]string{MessageIDHeader: {id}, "ce-id": {strings.ReplaceAll(id, " ", "%20")}},
		Data:    []byte("secret body of " + id),
	}); err != nil {
		t.Fatal(err)
	}
}

// allDone waits until the consumer is done with everything.
func allDone(t *testing.T, b *Bus) {
	t.Helper()
	eventually(t, "the consumer is done", func() bool {
		_, found, err := b.FirstUnacked(t.Context(), Webhooks, lifecycle, webhookFilter)
		return err == nil && !found
	})
}

func TestAHandlerSeesTheWholeMessage(t *testing.T) {
	b := newTestBus(t)
	publishWebhook(t, b, "idenfy:a b")
	publish(t, b, "kyc.webhook.kycaid.verification_completed", "kycaid:1", "another provider's")
	seen := make(chan Stored, 10)
	runConsumers(t, b, webhooks(func(_ context.Context, m Stored) error {
		seen <- m
		return nil
	}))
	got := receive(t, seen)
	want := Stored{
		Message: Message{Subject: webhookSubject, Header: map[string][]string{MessageIDHeader: {"idenfy:a b"}, "ce-id": {"idenfy:a%20b"}}, Data: []byte("secret body of idenfy:a b")},
		Stream:  Webhooks, Seq: 1, Attempt: 1,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Stored{}, "Time")); diff != "" || got.Time.IsZero() {
		t.Errorf("at %v (-want +got)\n%s", got.Time, diff)
	}
	allDone(t, b)
	if len(seen) > 0 {
		t.Errorf("also got %+v", <-seen)
	}
}

func TestALongHandlerKeepsItsMessage(t *testing.T) {
	b := newTestBus(t)
	b.timing.ackWait = time.Second
	const waiting = 5
	for i := range waiting {
		publishWebhook(t, b, fmt.Sprintf("idenfy:%d", i))
	}
	started, release := make(chan Stored, 10*waiting), make(chan struct{})
	runConsumers(t, b, webhooks(func(_ context.Context, m Stored) error {
		started <- m
		<-release
		return nil
	}))
	receive(t, started)
	// The others wait behind the first, in this process. A second consumer on the same position would get whatever the broker believes to be lost.
	other, err := b.js.Consumer(t.Context(), Webhooks, lifecycle)
	if err != nil {
		t.Fatal(err)
	}
	stolen, err := other.Next(jetstream.FetchMaxWait(2*b.timing.ackWait + b.timing.ackWait/2))
	if err == nil {
		t.Errorf("the broker gave %s to another while it was held", stolen.Subject())
	}
	close(release)
	allDone(t, b)
	if got := len(started) + 1; got != waiting {
		t.Errorf("%d deliveries of %d messages", got, waiting)
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	for _, concurrency := range []int{0, 1, 20} {
		t.Run(fmt.Sprint(concurrency), func(t *testing.T) {
			b := newTestBus(t)
			const total = 100
			for i := range total {
				publishWebhook(t, b, fmt.Sprintf("idenfy:%d", i))
			}
			bound := int32(max(concurrency, 1))
			var running, most atomic.Int32
			full, release := make(chan struct{}), make(chan struct{})
			var once sync.Once
			c := webhooks(func(context.Context, Stored) error {
				now := running.Add(1)
				defer running.Add(-1)
				if now > most.Load() {
					most.Store(now)
				}
				if now == bound {
					once.Do(func() { close(full) })
				}
				<-release
				return nil
			})
			c.Concurrency = concurrency
			runConsumers(t, b, c)
			receive(t, full)
			close(release)
			allDone(t, b)
			if got := most.Load(); got > bound {
				t.Errorf("%d at the same time, want %d", got, bound)
			}
		})
	}
}

// The next messages come while the first is handled.
func TestTheNextMessagesAreHereInTime(t *testing.T) {
	b := newTestBus(t)
	b.timing.fetchWait = 2 * time.Millisecond // One fetch alone does not get as many as are published here one by one.
	started, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	runConsumers(t, b, webhooks(func(context.Context, Stored) error {
		once.Do(func() { close(started) })
		<-release
		return nil
	}))
	for i := range 2 * minFetch {
		publishWebhook(t, b, fmt.Sprintf("idenfy:%d", i))
	}
	receive(t, started)
	eventually(t, "the next messages are here", func() bool {
		lag, err := b.Pending(t.Context(), Webhooks, lifecycle)
		return err == nil && lag.Unacked > minFetch/2
	})
	close(release)
	allDone(t, b)
}

// What is held is bounded in bytes, too: hundreds of the largest messages are more than a machine has.
func TestRoomIsBoundedInBytes(t *testing.T) {
	s := newSubscription(newTestBus(t), source{concurrency: maxFetch})
	large := func() *delivery { return &delivery{stored: Stored{Message: Message{Data: make([]byte, maxPayload)}}} }
	var held []*delivery
	for s.room() {
		held = append(held, large())
		s.hold(held[len(held)-1])
	}
	if want := maxFetchBytes/maxPayload + 1; len(held) != want {
		t.Errorf("no room after %d of the largest messages, want %d", len(held), want)
	}
	s.drop(held[0])
	if !s.room() {
		t.Error("no room after a message was done")
	}
	for _, d := range held[1:] {
		s.drop(d)
	}
	for range s.enough + 1 {
		s.hold(&delivery{})
	}
	if s.room() {
		t.Error("room for any number of small messages")
	}
}

func TestWhatIsNotDoneAtTheEndIsThereAtTheNextStart(t *testing.T) {
	b := newTestBus(t)
	// Only what is handed back comes before this time is over.
	b.timing.ackWait = 10 * time.Minute
	const total = 30
	for i := range total {
		publishWebhook(t, b, fmt.Sprintf("idenfy:%d", i))
	}
	started := make(chan struct{}, total)
	c := webhooks(func(ctx context.Context, _ Stored) error {
		started <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	c.Concurrency = 3
	stop := runConsumers(t, b, c)
	receive(t, started)
	stop()
	var mu sync.Mutex
	seen := map[uint64]bool{}
	c.Handle = func(_ context.Context, m Stored) error {
		mu.Lock()
		defer mu.Unlock()
		seen[m.Seq] = true
		return nil
	}
	runConsumers(t, b, c)
	allDone(t, b)
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != total {
		t.Errorf("%d of %d messages", len(seen), total)
	}
	if letters := deadLetters(t, b); len(letters) != 0 {
		t.Errorf("dead letters: %+v", letters)
	}
}

// A handler that finishes its work although it is told to stop has done it.
func TestAHandlerMayFinishWhenStopped(t *testing.T) {
	b := newTestBus(t)
	publishWebhook(t, b, "idenfy:1")
	started := make(chan struct{})
	stop := runConsumers(t, b, webhooks(func(ctx context.Context, _ Stored) error {
		close(started)
		<-ctx.Done()
		return nil
	}))
	receive(t, started)
	stop()
	allDone(t, b)
}

func TestConsumersThatCannotWork(t *testing.T) {
	b := newTestBus(t)
	handle := func(context.Context, Stored) error { return nil }
	good := webhooks(handle)
	for name, consumers := range map[string][]Consumer{
		"none":       nil,
		"no name":    {{Stream: Webhooks, Filter: webhookFilter, Handle: handle}},
		"bad name":   {{Name: "a.b", Stream: Webhooks, Filter: webhookFilter, Handle: handle}},
		"twice":      {good, good},
		"no handler": {{Name: "a", Stream: Webhooks, Filter: webhookFilter}},
		"no filter":  {{Name: "a", Stream: Webhooks, Handle: handle}},
		"no stream":  {good, {Name: "a", Stream: "MISSING", Filter: "x", Handle: handle}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := b.Run(ctx, consumers...); err == nil || errors.Is(err, ErrUnavailable) {
				t.Errorf("error: %v", err)
			}
		})
	}
}
