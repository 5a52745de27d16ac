package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func deadLetters(t *testing.T, b *Bus) []DeadLetter {
	t.Helper()
	var letters []DeadLetter
	if _, err := b.Read(t.Context(), Dead, "kyc.dead."+lifecycle, 0, func(m Stored) error {
		var letter DeadLetter
		letters = append(letters, letter)
		return json.Unmarshal(m.Data, &letters[len(letters)-1])
	}); err != nil {
		t.Fatal(err)
	}
	return letters
}

func TestDeadLetters(t *testing.T) {
	for name, tt := range map[string]struct {
		handle   func(attempt int) error
		cause    string
		text     string
		attempts int
	}{
		"permanent":          {func(int) error { return Permanent("undecodable", errors.New("unexpected end")) }, "undecodable", "undecodable: unexpected end", 1},
		"permanent, wrapped": {func(int) error { return fmt.Errorf("decode: %w", Permanent("undecodable", errors.New("end"))) }, "undecodable", "decode: undecodable: end", 1},
		"cause out of form":  {func(int) error { return Permanent("Not a Cause", errors.New("end")) }, CauseUnknown, "unknown: end", 1},
		"always fails":       {func(int) error { return errors.New("no") }, CauseAttemptsExhausted, "no", maxAttempts},
		"always panics":      {func(int) error { panic("the secret body") }, CauseAttemptsExhausted, "handler panicked at ", maxAttempts},
		"out of range":       {func(n int) error { return fmt.Errorf("%d", []int{}[n]) }, CauseAttemptsExhausted, "index out of range", maxAttempts},
		"permanent in the end": {func(attempt int) error {
			if attempt < 3 {
				return errors.New("no")
			}
			return Permanent("too_many_signals", errors.New("501"))
		}, "too_many_signals", "too_many_signals: 501", 3},
	} {
		t.Run(name, func(t *testing.T) {
			b := newTestBus(t)
			publishWebhook(t, b, "idenfy:poison pill")
			publishWebhook(t, b, "idenfy:good")
			var attempts, good atomic.Int32
			runConsumers(t, b, webhooks(func(_ context.Context, m Stored) error {
				if m.Seq != 1 {
					good.Add(1)
					return nil
				}
				return tt.handle(int(attempts.Add(1)))
			}))
			allDone(t, b)
			letters := deadLetters(t, b)
			if len(letters) != 1 {
				t.Fatalf("%d dead letters: %+v", len(letters), letters)
			}
			want := DeadLetter{
				Consumer: lifecycle, Stream: Webhooks, Sequence: 1, Subject: webhookSubject, EventID: "idenfy:poison pill", Provider: "idenfy",
				Cause: tt.cause, Attempts: tt.attempts,
			}
			got := letters[0]
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(DeadLetter{}, "Error", "FirstErrorAt", "LastErrorAt")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if !strings.Contains(got.Error, tt.text) || strings.Contains(got.Error, "secret") {
				t.Errorf("error text %q", got.Error)
			}
			if got.FirstErrorAt.IsZero() || got.LastErrorAt.Before(got.FirstErrorAt) {
				t.Errorf("errors from %v to %v", got.FirstErrorAt, got.LastErrorAt)
			}
			if int(attempts.Load()) != tt.attempts || good.Load() != 1 {
				t.Errorf("%d attempts of the bad message, %d of the good", attempts.Load(), good.Load())
			}
		})
	}
}

func TestADeadLetterThatCannotBeStoredKeepsItsMessage(t *testing.T) {
	b := newTestBus(t)
	if err := b.js.DeleteStream(t.Context(), Dead); err != nil {
		t.Fatal(err)
	}
	publishWebhook(t, b, "idenfy:1")
	attempts := make(chan int, 100)
	runConsumers(t, b, webhooks(func(_ context.Context, m Stored) error {
		attempts <- m.Attempt
		return Permanent("undecodable", errors.New("end"))
	}))
	for receive(t, attempts) < 3 {
	}
	if _, found, err := b.FirstUnacked(t.Context(), Webhooks, lifecycle, webhookFilter); err != nil || !found {
		t.Fatalf("the message is done without a dead letter: %v", err)
	}
	if err := b.EnsureStreams(t.Context(), testSettings); err != nil {
		t.Fatal(err)
	}
	allDone(t, b)
	if letters := deadLetters(t, b); len(letters) != 1 {
		t.Errorf("%d dead letters", len(letters))
	}
}

func TestInfrastructureIsNeverHeldAgainstAMessage(t *testing.T) {
	b := newTestBus(t)
	publishWebhook(t, b, "idenfy:1")
	var attempts atomic.Int32
	runConsumers(t, b, webhooks(func(context.Context, Stored) error {
		if attempts.Add(1) <= 3*maxAttempts {
			return fmt.Errorf("store signal: %w", ErrUnavailable)
		}
		return nil
	}))
	allDone(t, b)
	if got := attempts.Load(); got != 3*maxAttempts+1 {
		t.Errorf("%d attempts", got)
	}
	if letters := deadLetters(t, b); len(letters) != 0 {
		t.Errorf("dead letters: %+v", letters)
	}
}

// Failures that count are counted even where others lie between them.
func TestOnlyTheMessagesOwnFailuresCount(t *testing.T) {
	b := newTestBus(t)
	publishWebhook(t, b, "idenfy:1")
	var attempts atomic.Int32
	runConsumers(t, b, webhooks(func(context.Context, Stored) error {
		if attempts.Add(1)%2 == 0 {
			return ErrUnavailable
		}
		return errors.New("no")
	}))
	allDone(t, b)
	letters := deadLetters(t, b)
	if len(letters) != 1 || letters[0].Attempts != maxAttempts {
		t.Errorf("dead letters: %+v", letters)
	}
	if got := attempts.Load(); got != 2*maxAttempts-1 {
		t.Errorf("%d attempts", got)
	}
}
