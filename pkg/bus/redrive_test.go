package bus

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/verdict-stream/verdict/pkg/event"
)

var errUndecodable = Permanent("undecodable", errors.New("unexpected end"))

// letters returns the open letters.
func letters(t *testing.T, b *Bus) []Letter {
	t.Helper()
	var open []Letter
	if err := b.Letters(t.Context(), LetterFilter{}, 0, func(l Letter) error {
		open = append(open, l)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return open
}

// poisoned publishes deliveries and has each given up.
func poisoned(t *testing.T, b *Bus, ids ...string) []Letter {
	t.Helper()
	for _, id := range ids {
		publishWebhook(t, b, id)
	}
	stop := runConsumers(t, b, webhooks(func(context.Context, Stored) error { return errUndecodable }))
	allDone(t, b)
	stop()
	open := letters(t, b)
	if len(open) != len(ids) {
		t.Fatalf("%d letters: %+v", len(open), open)
	}
	return open
}

func redrive(t *testing.T, b *Bus, r RedriveRequest) (news bool) {
	t.Helper()
	news, err := b.Redrive(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return news
}

// allRedriven waits until no request is left.
func allRedriven(t *testing.T, b *Bus) {
	t.Helper()
	eventually(t, "all requests are done", func() bool {
		state, err := b.StreamState(t.Context(), Redrives)
		return err == nil && state.Messages == 0
	})
}

func TestARedriveClosesItsLetter(t *testing.T) {
	b := newTestBus(t)
	open := poisoned(t, b, "idenfy:1", "idenfy:2")
	request := open[0].RequestFor("anna@host", "cli")
	if first, again := redrive(t, b, request), redrive(t, b, request); !first || again {
		t.Errorf("asked twice: news %t and %t", first, again)
	}
	handled := make(chan Stored, 10)
	runConsumers(t, b, webhooks(func(ctx context.Context, m Stored) error {
		if got, again := RedriveOf(ctx); !again || got != request {
			t.Errorf("handled because of %+v, %t", got, again)
		}
		handled <- m
		return nil
	}))
	allRedriven(t, b)
	want, err := b.Get(t.Context(), Webhooks, open[0].Sequence)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, receive(t, handled), cmpopts.IgnoreFields(Stored{}, "Attempt")); diff != "" || len(handled) > 0 {
		t.Errorf("handled are %d more and (-want +got)\n%s", len(handled), diff)
	}
	if diff := cmp.Diff(open[1:], letters(t, b)); diff != "" {
		t.Errorf("open letters (-want +got)\n%s", diff)
	}
	// A letter that is closed is not handled, however it is asked for.
	request.Actor, request.Outcome = "bert@host", 7
	redrive(t, b, request)
	allRedriven(t, b)
	if len(handled) > 0 {
		t.Error("the message of a closed letter was handled")
	}
}

func TestWhatFailsOnceMoreHasANewLetter(t *testing.T) {
	b := newTestBus(t)
	before := poisoned(t, b, "idenfy:1")[0]
	runConsumers(t, b, webhooks(func(context.Context, Stored) error { return errors.New("still not") }))
	redrive(t, b, before.RequestFor("anna@host", "cli"))
	allRedriven(t, b)
	open := letters(t, b)
	if len(open) != 1 {
		t.Fatalf("open letters: %+v", open)
	}
	want := before.DeadLetter
	want.Cause, want.Error, want.Attempts, want.Redrives, want.Replaces = CauseAttemptsExhausted, "still not", 1+maxAttempts, 1, before.Seq
	if diff := cmp.Diff(want, open[0].DeadLetter, cmpopts.IgnoreFields(DeadLetter{}, "LastErrorAt")); diff != "" {
		t.Errorf("the new letter (-want +got)\n%s", diff)
	}
	if open[0].Seq == before.Seq || !open[0].LastErrorAt.After(before.LastErrorAt) {
		t.Errorf("the new letter is %+v", open[0])
	}
	// The new letter can be redriven at once: it is none that was asked for before.
	if !redrive(t, b, open[0].RequestFor("anna@host", "cli")) {
		t.Error("the new letter's request was taken for the one before")
	}
	allRedriven(t, b)
	if open := letters(t, b); len(open) != 1 || open[0].Redrives != 2 {
		t.Errorf("open letters: %+v", open)
	}
}

func TestARedriveWaitsForTheInfrastructure(t *testing.T) {
	b := newTestBus(t)
	open := poisoned(t, b, "idenfy:1")
	var attempts atomic.Int32
	runConsumers(t, b, webhooks(func(context.Context, Stored) error {
		if attempts.Add(1) <= 2*maxAttempts {
			return ErrUnavailable
		}
		return nil
	}))
	redrive(t, b, open[0].RequestFor("anna@host", "cli"))
	allRedriven(t, b)
	if open := letters(t, b); len(open) != 0 {
		t.Errorf("open letters: %+v", open)
	}
}

// A letter whose message is gone, or of which another message has the position, is closed with a note.
func TestALetterWhoseMessageIsGone(t *testing.T) {
	for name, tt := range map[string]struct {
		told   int
		remove func(t *testing.T, b *Bus, seq uint64)
	}{
		"expired": {1, func(t *testing.T, b *Bus, seq uint64) {
			if err := b.Drop(t.Context(), Webhooks, seq); err != nil {
				t.Fatal(err)
			}
		}},
		"another stream": {0, func(t *testing.T, b *Bus, _ uint64) {
			if err := b.js.DeleteStream(t.Context(), Webhooks); err != nil {
				t.Fatal(err)
			}
			if err := b.EnsureStreams(t.Context(), testSettings); err != nil {
				t.Fatal(err)
			}
			publishWebhook(t, b, "idenfy:other")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newTestBus(t)
			open := poisoned(t, b, "idenfy:1")
			tt.remove(t, b, open[0].Sequence)
			var told atomic.Int32
			consumer := webhooks(func(_ context.Context, m Stored) error {
				if eventID(m.Header) != "idenfy:other" {
					t.Errorf("handled: %+v", m)
				}
				return nil
			})
			consumer.Gone = func(_ context.Context, letter DeadLetter) error {
				told.Add(1)
				if diff := cmp.Diff(open[0].DeadLetter, letter); diff != "" {
					t.Errorf("told (-want +got)\n%s", diff)
				}
				return nil
			}
			runConsumers(t, b, consumer)
			redrive(t, b, open[0].RequestFor("anna@host", "cli"))
			allRedriven(t, b)
			if int(told.Load()) != tt.told {
				t.Errorf("told %d times", told.Load())
			}
			if open := letters(t, b); len(open) != 0 {
				t.Errorf("open letters: %+v", open)
			}
			var entry AuditEntry
			if _, err := b.Read(t.Context(), Audits, auditSubjects+"dead-expired", 0, func(m Stored) error {
				return json.Unmarshal(m.Data, &entry)
			}); err != nil || entry.Actor != "anna@host" || entry.Target != "dead letter 1" {
				t.Errorf("audited: %+v, %v", entry, err)
			}
		})
	}
}

// What told of nothing is taken back once it has come to something else, and stays otherwise.
func TestAnUnhandledDeliveryIsRedriven(t *testing.T) {
	for name, tt := range map[string]struct {
		err     error
		told    int
		letters int
	}{
		"now it is known":   {nil, 0, 0},
		"still it is not":   {ErrUnchanged, 1, 0},
		"now it is invalid": {errUndecodable, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newTestBus(t)
			publishWebhook(t, b, "idenfy:1")
			stop := runConsumers(t, b, webhooks(func(context.Context, Stored) error { return nil }))
			allDone(t, b)
			stop()
			data, err := json.Marshal(event.Outcome{Sequence: 1, Provider: "idenfy", Outcome: event.Unhandled})
			if err != nil {
				t.Fatal(err)
			}
			outcome, err := b.Publish(t.Context(), Message{Subject: event.OutcomeSubject("idenfy", "unhandled"), Data: data})
			if err != nil {
				t.Fatal(err)
			}
			runConsumers(t, b, webhooks(func(context.Context, Stored) error { return tt.err }))
			redrive(t, b, RedriveRequest{
				Consumer: lifecycle, Stream: Webhooks, Sequence: 1, Outcome: outcome.Seq, Actor: "anna@host", Via: "cli",
			})
			allRedriven(t, b)
			state, err := b.StreamState(t.Context(), Outcomes)
			if err != nil || int(state.Messages) != tt.told {
				t.Errorf("%d outcomes, %v", state.Messages, err)
			}
			if open := letters(t, b); len(open) != tt.letters {
				t.Errorf("open letters: %+v", open)
			}
		})
	}
}

// What is no request, or one for somebody else, is dropped: it can do no harm, and keeps nobody waiting.
func TestARequestThatCannotBeUnderstood(t *testing.T) {
	b := newTestBus(t)
	open := poisoned(t, b, "idenfy:1")
	runConsumers(t, b, webhooks(func(context.Context, Stored) error {
		t.Error("handled")
		return nil
	}))
	other := open[0].RequestFor("anna@host", "cli")
	other.Sequence++
	redrive(t, b, other)
	other.Stream = Held
	redrive(t, b, other)
	for i, data := range []string{"", "{", "[]"} {
		publish(t, b, redriveSubjects+lifecycle, strconv.Itoa(i), data)
	}
	allRedriven(t, b)
	if got := letters(t, b); len(got) != 1 {
		t.Errorf("open letters: %+v", got)
	}
}

func TestLettersAreFiltered(t *testing.T) {
	b := newTestBus(t)
	file := func(l DeadLetter) {
		l.Stream, l.Sequence, l.Subject = Webhooks, l.Sequence+1, "kyc.webhook."+l.Provider+".done"
		if err := b.Bury(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	file(DeadLetter{Consumer: "lifecycle-acme", Provider: "acme", Cause: "undecodable", EventID: "acme:1", Sequence: 1})
	file(DeadLetter{Consumer: "lifecycle-other", Provider: "other", Cause: "undecodable", EventID: "other:1", Sequence: 2})
	time.Sleep(2 * time.Millisecond) // so that their times differ
	file(DeadLetter{Consumer: "projector-webhooks", Provider: "acme", Cause: "unreadable", EventID: "acme:1", Sequence: 1})
	publish(t, b, deadSubjects+"somebody", "1", "no letter")
	all := letters(t, b)
	if len(all) != 3 {
		t.Fatalf("%d letters", len(all))
	}
	for _, tt := range []struct {
		filter LetterFilter
		want   []uint64
	}{
		{LetterFilter{}, []uint64{1, 2, 3}},
		{LetterFilter{Consumer: "lifecycle-acme"}, []uint64{1}},
		{LetterFilter{Consumer: "lifecycle-*"}, nil},
		{LetterFilter{Provider: "acme"}, []uint64{1, 3}},
		{LetterFilter{Cause: "undecodable"}, []uint64{1, 2}},
		{LetterFilter{Delivery: "acme:1", Cause: "unreadable"}, []uint64{3}},
		{LetterFilter{Since: all[2].Filed}, []uint64{3}},
		{LetterFilter{Until: all[2].Filed}, []uint64{1, 2}},
		{LetterFilter{Since: all[2].Filed.Add(time.Hour)}, nil},
	} {
		var got []uint64
		if err := b.Letters(t.Context(), tt.filter, 0, func(l Letter) error {
			got = append(got, l.Seq)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%+v (-want +got)\n%s", tt.filter, diff)
		}
	}
	for range 2 {
		if err := b.CloseLetter(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Letter(t.Context(), 1); !errors.Is(err, ErrNotFound) {
		t.Errorf("a closed letter: %v", err)
	}
}
