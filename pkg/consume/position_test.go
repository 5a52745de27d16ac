package consume

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/verdict-stream/verdict/pkg/verification"
)

func TestStarts(t *testing.T) {
	b := newBroker(t)
	one := made("idenfy", "id_verification", "one")
	b.tell(one, "noted")
	b.tell(one, "noted")
	third, err := b.js.Stream(t.Context(), Verifications)
	must(t, err)
	b.tell(one, "noted")
	message, err := third.GetMsg(t.Context(), 3)
	must(t, err)
	for _, c := range []struct {
		name  string
		start Start
		want  int // the first version
	}{
		{"beginning", FromBeginning(), 1},
		{"sequence", FromSequence(2), 2},
		{"time", FromTime(message.Time), 3},
		{"end", FromSequence(4), 4},
		{"now", FromNow(), 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLog(t)
			l.anywhere = true
			config := b.quick(c.name)
			config.Start = c.start
			r := begin(t, config, l.handle)
			eventually(t, "a consumer", func() bool {
				_, err := b.js.Consumer(t.Context(), Verifications, c.name)
				return err == nil
			})
			if c.want == 4 {
				b.tell(one, "noted")
				defer func() { c.want++ }()
			}
			eventually(t, "an event", func() bool { return l.count() > 0 })
			r.stop()
			if got := l.events[0].Version; got < c.want || c.want < 4 && got != c.want {
				t.Errorf("version %d is the first, want %d", got, c.want)
			}
		})
	}
}

func TestFilters(t *testing.T) {
	b := newBroker(t)
	idenfy, form, document := made("idenfy", "id_verification", "a"), made("kycaid", "form_verification", "b"), made("treezor", "document", "c")
	b.tell(idenfy, "pending")
	b.tell(form, "approved")
	b.tellIn(false, document, verification.Step, "approved")
	b.tell(idenfy, "overdue")
	b.tellIn(true, made("yousign", "identity_document", "d"), verification.Case, "rejected")
	b.tell(idenfy, "rejected") // the last that every filter of these chooses
	for _, c := range []struct {
		name   string
		filter Filter
		want   []string
	}{
		{"all", Filter{}, []string{"pending", "approved", "approved", "overdue", "rejected"}},
		{"provider", Filter{Providers: []string{"idenfy"}}, []string{"pending", "overdue", "rejected"}},
		{"providers", Filter{Providers: []string{"idenfy", "kycaid", "idenfy"}}, []string{"pending", "approved", "overdue", "rejected"}},
		{"kind", Filter{Kinds: []string{"id_verification", "document"}}, []string{"pending", "approved", "overdue", "rejected"}},
		{"scope", Filter{Scopes: []verification.Scope{verification.Case}}, []string{"pending", "approved", "overdue", "rejected"}},
		{"status", Filter{Statuses: []string{"overdue", "rejected"}}, []string{"overdue", "rejected"}},
		{"both", Filter{Providers: []string{"idenfy", "treezor"}, Statuses: []string{"approved", "rejected"}}, []string{"approved", "rejected"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLog(t)
			l.anywhere = true
			var got []string
			config := b.quick(c.name)
			config.Filter, config.Workers = c.filter, 1
			r := begin(t, config, func(_ context.Context, e Event) error {
				l.mu.Lock()
				defer l.mu.Unlock()
				got = append(got, e.Published)
				return nil
			})
			eventually(t, "the last", func() bool {
				l.mu.Lock()
				defer l.mu.Unlock()
				return len(got) > 0 && got[len(got)-1] == "rejected"
			})
			r.stop()
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if info := b.info(c.name); info.NumAckPending != 0 {
				t.Errorf("%d are not acked", info.NumAckPending)
			}
		})
	}
	t.Run("sandbox", func(t *testing.T) {
		l := newLog(t)
		config := b.quick("sandbox")
		config.Sandbox = true
		r := begin(t, config, l.handle)
		eventually(t, "the event", func() bool { return l.count() == 1 })
		r.stop()
		if e := l.events[0]; !e.Sandbox || e.Stream != Sandbox || e.Provider != "yousign" {
			t.Errorf("the event is %+v", e)
		}
	})
}

// Very many names do not become more subjects than a broker should hold.
func TestFilterSubjectsAreBounded(t *testing.T) {
	var many []string
	for c := 'a'; c <= 'z'; c++ {
		many = append(many, string(c))
	}
	for _, c := range []struct {
		filter Filter
		want   int
	}{
		{Filter{}, 1},
		{Filter{Providers: many}, 26},
		{Filter{Providers: many, Kinds: many}, 26},
		{Filter{Providers: many, Kinds: many, Statuses: verification.EventStatuses()}, 13},
	} {
		if got := c.filter.subjects(false); len(got) != c.want {
			t.Errorf("%d subjects, want %d: %q", len(got), c.want, got)
		}
	}
}

// A team with the least rights reads from a consumer that was made for it, and may do nothing else.
func TestLeastRights(t *testing.T) {
	b := newBroker(t)
	one := made("idenfy", "id_verification", "one")
	b.tell(one, "pending")
	b.tell(one, "approved")
	team := b.connect("team:team", nats.CustomInboxPrefix(teamInbox))
	config := b.quick("team")
	config.Conn, config.Premade, config.Start = team, true, Start{}
	config.Filter = Filter{Providers: []string{"idenfy"}}
	l := newLog(t)
	if err := begin(t, config, l.handle).wait(); !errors.Is(err, ErrGone) || !strings.Contains(err.Error(), "administrator") {
		t.Fatalf("without a consumer the error is %v", err)
	}
	_, err := b.js.CreateConsumer(t.Context(), Verifications, jetstream.ConsumerConfig{
		Durable: "team", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 500 * time.Millisecond, MaxAckPending: 100, FilterSubject: "kyc.v1.idenfy.>",
	})
	must(t, err)
	failed := false
	l.do = func(context.Context, Event) error {
		if !failed {
			failed = true
			return errors.New("once")
		}
		return nil
	}
	r := begin(t, config, l.handle)
	eventually(t, "both", func() bool { return l.version(one) == 2 })
	eventually(t, "acks", func() bool { return b.info("team").NumAckPending == 0 })
	r.stop()
	if err := team.LastError(); err != nil {
		t.Errorf("something was asked that the team may not: %v", err)
	}
	// Whoever may not make a consumer is told so.
	config.Premade, config.Start = false, FromBeginning()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := Run(ctx, config, l.handle); err == nil || !strings.Contains(err.Error(), "Premade") {
		t.Errorf("without rights the error is %v", err)
	}
}

func TestUnfit(t *testing.T) {
	b := newBroker(t)
	good := jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 100, FilterSubjects: []string{"kyc.v1.idenfy.>", "kyc.v1.kycaid.*.approved"}}
	for name, change := range map[string]func(*jetstream.ConsumerConfig){
		"fit":         func(*jetstream.ConsumerConfig) {},
		"no-acks":     func(c *jetstream.ConsumerConfig) { c.AckPolicy = jetstream.AckAllPolicy },
		"max-deliver": func(c *jetstream.ConsumerConfig) { c.MaxDeliver = 5 },
		"unbounded":   func(c *jetstream.ConsumerConfig) { c.MaxAckPending = -1 },
		"filter":      func(c *jetstream.ConsumerConfig) { c.FilterSubjects = []string{"kyc.v1.kycaid.>"} },
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			c.Durable = name
			change(&c)
			_, err := b.js.CreateConsumer(t.Context(), Verifications, c)
			must(t, err)
			config := b.quick(name)
			config.Premade, config.Start = true, Start{}
			config.Filter = Filter{Providers: []string{"idenfy"}}
			r := begin(t, config, newLog(t).handle)
			if name == "fit" {
				eventually(t, "a reader", func() bool { return b.info(name).NumWaiting > 0 })
				r.stop()
				return
			}
			if err := r.wait(); !errors.Is(err, ErrUnfit) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// A position that the stream does not have is an error, and no consumer is left.
func TestPositionsThatAreNot(t *testing.T) {
	b := newBroker(t)
	one := made("idenfy", "id_verification", "one")
	early := time.Now().Add(-time.Hour)
	for range 5 {
		b.tell(one, "noted")
	}
	stream, err := b.js.Stream(t.Context(), Verifications)
	must(t, err)
	must(t, stream.Purge(t.Context(), jetstream.WithPurgeSequence(4)))
	for name, c := range map[string]struct {
		start Start
		want  error
	}{
		"beginning": {FromBeginning(), ErrTrimmed}, "time": {FromTime(early), ErrTrimmed}, "sequence": {FromSequence(3), ErrTrimmed},
		"ahead": {FromSequence(7), ErrAhead},
	} {
		t.Run(name, func(t *testing.T) {
			config := b.quick(name)
			config.Start = c.start
			if err := begin(t, config, newLog(t).handle).wait(); !errors.Is(err, c.want) || !strings.Contains(err.Error(), "Snapshot") {
				t.Errorf("the error is %v, want %v and what to do", err, c.want)
			}
			if _, err := b.js.Consumer(t.Context(), Verifications, name); !errors.Is(err, jetstream.ErrConsumerNotFound) {
				t.Errorf("a consumer is left: %v", err)
			}
		})
	}
}

// A stream that was made anew is never taken for the old one.
func TestStreamAnew(t *testing.T) {
	b := newBroker(t)
	one := made("idenfy", "id_verification", "one")
	b.tell(one, "pending")
	config := b.quick("team-a")
	config.Identity = IdentityFile(filepath.Join(t.TempDir(), "identity"))
	l := newLog(t)
	r := begin(t, config, l.handle)
	eventually(t, "one", func() bool { return l.count() == 1 })
	must(t, b.js.DeleteStream(t.Context(), Verifications))
	b.ensureStreams()
	if err := r.wait(); !errors.Is(err, ErrGone) || !strings.Contains(err.Error(), "made anew") {
		t.Errorf("while it runs the error is %v", err)
	}
	if err := begin(t, config, l.handle).wait(); !errors.Is(err, ErrAnew) {
		t.Errorf("at the next start the error is %v", err)
	}
}

// A consumer that was deleted is not made again at another position.
func TestConsumerDeleted(t *testing.T) {
	b := newBroker(t)
	config := b.quick("team-a")
	config.Identity = IdentityFile(filepath.Join(t.TempDir(), "identity"))
	l := newLog(t)
	r := begin(t, config, l.handle)
	b.tell(made("idenfy", "id_verification", "one"), "pending")
	eventually(t, "one", func() bool { return l.count() == 1 })
	must(t, b.js.DeleteConsumer(t.Context(), Verifications, "team-a"))
	if err := r.wait(); !errors.Is(err, ErrGone) {
		t.Errorf("while it runs the error is %v", err)
	}
	if err := begin(t, config, l.handle).wait(); !errors.Is(err, ErrGone) {
		t.Errorf("at the next start the error is %v", err)
	}
}

// Of two processes one waits until the other has ended.
func TestTwoProcesses(t *testing.T) {
	b := newBroker(t)
	one := made("idenfy", "id_verification", "one")
	b.tell(one, "pending")
	l, other := newLog(t), newLog(t)
	other.anywhere = true
	r := begin(t, b.quick("team-a"), l.handle)
	eventually(t, "one", func() bool { return l.count() == 1 })
	begin(t, b.quick("team-a"), other.handle)
	for range 5 {
		b.tell(one, "noted")
	}
	eventually(t, "six", func() bool { return l.count() == 6 })
	r.stop()
	b.tell(one, "approved")
	eventually(t, "the other", func() bool { return other.count() == 1 })
}

func TestConfigErrors(t *testing.T) {
	var c Config
	_, err := c.complete(nil)
	for _, want := range []string{"handler", "Conn", "Name", "Start"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
	c = Config{
		Conn: &nats.Conn{}, Name: "team", Start: FromSequence(0), Attempts: 3,
		Filter: Filter{Providers: []string{"a.b"}, Scopes: []verification.Scope{"whole"}, Statuses: []string{"maybe"}},
	}
	_, err = c.complete(newLog(t).handle)
	for _, want := range []string{"GiveUp", "FromSequence", `"a.b"`, `"whole"`, `"maybe"`, "awaiting_review"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
}
