package letters

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/bus/bustest"
	"github.com/verdict-stream/verdict/pkg/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var settings = bustest.Settings(time.Hour)

func newDesk(t *testing.T) *Desk {
	t.Helper()
	return &Desk{Bus: bustest.Open(t, settings), Actor: "anna@host", Via: "cli"}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// inParallel calls do for 0 to n-1.
func inParallel(t *testing.T, n int, do func(i int) error) {
	t.Helper()
	const publishers = 64
	var all sync.WaitGroup
	errs := make([]error, publishers)
	for p := range publishers {
		all.Go(func() {
			for i := p; i < n && errs[p] == nil; i += publishers {
				errs[p] = do(i)
			}
		})
	}
	all.Wait()
	check(t, errors.Join(errs...))
}

var failedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// deliveries publishes deliveries of a provider, and a letter about each.
func (d *Desk) deliveries(t *testing.T, n int, provider, cause string) {
	t.Helper()
	inParallel(t, n, func(i int) error {
		id := fmt.Sprintf("%s:%s-%d:0123456789abcdef", provider, cause, i)
		subject := event.WebhookSubject(provider, "done")
		ack, err := d.Bus.Publish(t.Context(), bus.Message{
			Subject: subject, Header: map[string][]string{bus.MessageIDHeader: {id}, "ce-id": {id}}, Data: []byte("sealed"),
		})
		if err != nil {
			return err
		}
		return d.Bus.Bury(t.Context(), bus.DeadLetter{
			Consumer: LifecycleConsumer(provider), Stream: bus.Webhooks, Sequence: ack.Seq, Subject: subject, EventID: id, Provider: provider,
			Cause: cause, Error: "unexpected end", Attempts: 1, FirstErrorAt: failedAt, LastErrorAt: failedAt,
		})
	})
}

// lifecycle works for a provider until the returned function is called. It comes to every delivery at once, and ignores what is not redriven.
func (d *Desk) lifecycle(t *testing.T, provider string, handle func(bus.Stored) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := d.Bus.Run(ctx, bus.Consumer{
			Name: LifecycleConsumer(provider), Stream: bus.Webhooks, Filter: event.WebhookFilter(provider), Concurrency: 64,
			Handle: func(ctx context.Context, m bus.Stored) error {
				if _, again := bus.RedriveOf(ctx); !again {
					return nil
				}
				return handle(m)
			},
		}); err != nil {
			t.Error(err)
		}
	}()
	stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := d.Bus.Redriving(t.Context(), LifecycleConsumer(provider)); err == nil {
			return stop
		}
		if time.Now().After(deadline) {
			t.Fatal("the consumer does not begin")
		}
	}
}

// open counts the open letters by provider and cause.
func (d *Desk) open(t *testing.T) map[string]int {
	t.Helper()
	found := map[string]int{}
	check(t, d.Bus.Letters(t.Context(), bus.LetterFilter{}, 0, func(l bus.Letter) error {
		found[l.Provider+" "+l.Cause]++
		return nil
	}))
	return found
}

// outcomes are what was told in the stream of outcomes.
func (d *Desk) outcomes(t *testing.T) (list []event.Outcome) {
	t.Helper()
	_, err := d.Bus.Read(t.Context(), bus.Outcomes, "kyc.outcome.>", 0, func(m bus.Stored) error {
		var o event.Outcome
		if err := json.Unmarshal(m.Data, &o); err != nil {
			return err
		}
		list = append(list, o)
		return nil
	})
	check(t, err)
	return list
}
