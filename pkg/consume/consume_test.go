package consume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// A run begins where its consumer ended.
func TestRunGoesOn(t *testing.T) {
	b := newBroker(t)
	one, two := made("idenfy", "id_verification", "one"), made("kycaid", "form_verification", "two")
	b.tell(one, "pending")
	b.tell(two, "approved")
	b.tell(one, "approved")
	l := newLog(t)
	first := begin(t, b.quick("team-a"), l.handle)
	eventually(t, "three events", func() bool { return l.count() == 3 })
	first.stop()
	b.tell(two, "noted")
	second := begin(t, b.quick("team-a"), l.handle)
	eventually(t, "four events", func() bool { return l.count() == 4 })
	second.stop()
	got := l.names()
	slices.Sort(got)
	want := []string{one.String() + "@1", one.String() + "@2", two.String() + "@1", two.String() + "@2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	last := l.events[3]
	if last.Published != "noted" || last.Sequence != 4 || last.Stream != Verifications || last.StoredAt.IsZero() || last.Sandbox {
		t.Errorf("the last event is %+v", last)
	}
	if info := b.info("team-a"); info.NumAckPending != 0 || info.NumRedelivered != 0 {
		t.Errorf("%d events are not acked, %d came twice", info.NumAckPending, info.NumRedelivered)
	}
}

// A verification that fails holds up its own later events, however many, and no others; and what is held of it is bounded.
func TestFailingHoldsUpItself(t *testing.T) {
	b := newBroker(t)
	bad, good := made("idenfy", "id_verification", "bad"), made("idenfy", "id_verification", "good")
	const bads, goods = 100, 20
	for range bads {
		b.tell(bad, "noted")
	}
	for range goods {
		b.tell(good, "noted")
	}
	var mended atomic.Bool
	l := newLog(t)
	l.do = func(_ context.Context, e Event) error {
		if e.ID == bad.String() && !mended.Load() {
			return errors.New("not now")
		}
		return nil
	}
	config := b.quick("team-a")
	config.MaxPerKey = 16
	r := begin(t, config, l.handle)
	eventually(t, "all of the good", func() bool { return l.version(good) == goods })
	if l.version(bad) != 0 {
		t.Error("what fails was handled")
	}
	mended.Store(true)
	eventually(t, "all of the bad", func() bool { return l.version(bad) == bads })
	r.stop()
	if got := l.count(); got != bads+goods {
		t.Errorf("%d events were handled, want each of %d once", got, bads+goods)
	}
}

// No more of one verification is held than the bound; the first of the rest comes first.
func TestLanesAreBounded(t *testing.T) {
	b := newBroker(t)
	bad := made("idenfy", "id_verification", "bad")
	for range 50 {
		b.tell(bad, "noted")
	}
	config := b.quick("team-a")
	config.MaxPerKey = 3
	r := openReader(t, config)
	must(t, r.fetch())
	if held, deferred := len(r.lanes.bySequence), r.lanes.deferred; held != 3 || deferred != 47 {
		t.Errorf("%d are held and %d went back, want 3 and 47", held, deferred)
	}
	var of *lane
	for version := 1; version <= 3; version++ {
		var h *held
		if of, h = r.lanes.next(); h.event.Sequence != uint64(version) {
			t.Errorf("version %d comes after %d", h.event.Sequence, version-1)
		}
		r.lanes.finish(of, false)
	}
	// Nothing is ready until the fourth has come again.
	for len(r.lanes.ready) == 0 {
		if len(of.queue) > 0 && of.queue[0].event.Sequence <= 3 {
			t.Fatal("one came again that was done")
		}
		must(t, r.fetch())
	}
	if _, h := r.lanes.next(); h.event.Sequence != 4 {
		t.Errorf("version %d comes after 3", h.event.Sequence)
	}
}

// openReader opens a reader whose workers are the test.
func openReader(t *testing.T, config Config) *reader {
	t.Helper()
	set, err := config.complete(newLog(t).handle)
	must(t, err)
	js, err := jetstream.New(set.Conn)
	must(t, err)
	r := &run{config: set, js: js, lanes: newLanes(set), handle: newLog(t).handle}
	reader, err := r.open(t.Context())
	must(t, err)
	return reader
}

// What comes while a delivery is lost on the way waits until that comes again.
func TestLostDelivery(t *testing.T) {
	b := newBroker(t)
	one, two := made("idenfy", "id_verification", "one"), made("idenfy", "id_verification", "two")
	r := openReader(t, b.quick("team-a"))
	b.tell(one, "pending")
	thief, err := b.js.Consumer(t.Context(), Verifications, "team-a")
	must(t, err)
	lost, err := thief.Next()
	must(t, err)
	b.tell(one, "approved")
	b.tell(two, "approved")
	must(t, r.fetch())
	if len(r.lanes.waiting) != 2 || len(r.lanes.ready) != 0 {
		t.Fatalf("%d wait and %d are ready", len(r.lanes.waiting), len(r.lanes.ready))
	}
	must(t, r.recovered(t.Context()))
	if !r.lanes.isRecovering() {
		t.Fatal("what is lost was not waited for")
	}
	must(t, lost.Nak())
	for r.lanes.isRecovering() {
		must(t, r.fetch())
		must(t, r.recovered(t.Context()))
	}
	if of, h := r.lanes.next(); h.event.Sequence != 1 || len(of.queue) != 2 {
		t.Errorf("%d of %s is first, of %d", h.event.Sequence, h.key, len(of.queue))
	}
}

// A handler that takes longer than AckWait is not given the event twice.
func TestSlowHandler(t *testing.T) {
	b := newBroker(t)
	slow := made("idenfy", "id_verification", "slow")
	b.tell(slow, "pending")
	b.tell(slow, "approved")
	l := newLog(t)
	config := b.quick("team-a")
	l.do = func(_ context.Context, e Event) error {
		if e.Version == 1 {
			time.Sleep(4 * config.AckWait)
		}
		return nil
	}
	r := begin(t, config, l.handle)
	eventually(t, "both", func() bool { return l.count() == 2 })
	eventually(t, "acks", func() bool { return b.info("team-a").NumAckPending == 0 })
	r.stop()
	if info := b.info("team-a"); info.Delivered.Consumer != 2 {
		t.Errorf("two events were delivered %d times", info.Delivered.Consumer)
	}
}

// What panics is tried again, as what fails.
func TestPanic(t *testing.T) {
	b := newBroker(t)
	b.tell(made("idenfy", "id_verification", "one"), "pending")
	l := newLog(t)
	var calls atomic.Int32
	begin(t, b.quick("team-a"), func(ctx context.Context, e Event) error {
		if calls.Add(1) < 3 {
			panic("at the handler")
		}
		return l.handle(ctx, e)
	})
	eventually(t, "the third attempt", func() bool { return l.count() == 1 })
}

func TestGiveUp(t *testing.T) {
	b := newBroker(t)
	one := made("idenfy", "id_verification", "one")
	for range 3 {
		b.tell(one, "noted")
	}
	_, err := b.js.Publish(t.Context(), "kyc.v1.idenfy.id_verification.noted", []byte("{"))
	must(t, err)
	permanent, exhausted := errors.New("never"), errors.New("not now")
	var refusals atomic.Int32
	given := make(chan string, 16)
	l := newLog(t)
	l.anywhere = true
	config := b.quick("team-a")
	config.Attempts = 3
	config.GiveUp = func(_ context.Context, e Event, err error) error {
		if refusals.Add(1) == 1 {
			return errors.New("nowhere to keep it")
		}
		given <- fmt.Sprintf("%d %d %t %t %t", e.Sequence, e.Version, errors.Is(err, permanent), errors.Is(err, exhausted), errors.Is(err, ErrUndecodable))
		return nil
	}
	r := begin(t, config, func(ctx context.Context, e Event) error {
		switch e.Version {
		case 1:
			return fmt.Errorf("wrapped: %w", Permanent(permanent))
		case 2:
			return exhausted
		}
		return l.handle(ctx, e)
	})
	var got []string
	for range 3 {
		got = append(got, <-given)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"1 1 true false false", "2 2 false true false", "4 0 false false true"}, got); diff != "" {
		t.Error(diff)
	}
	eventually(t, "the third version", func() bool { return l.version(one) == 3 })
	eventually(t, "acks", func() bool { return b.info("team-a").NumAckPending == 0 })
	r.stop()
}

// Without GiveUp nothing disappears.
func TestPermanentWithoutGiveUp(t *testing.T) {
	b := newBroker(t)
	b.tell(made("idenfy", "id_verification", "one"), "pending")
	var calls atomic.Int32
	r := begin(t, b.quick("team-a"), func(context.Context, Event) error {
		calls.Add(1)
		return Permanent(errors.New("never"))
	})
	eventually(t, "more attempts", func() bool { return calls.Load() > 3 })
	r.stop()
	if b.info("team-a").NumAckPending != 1 {
		t.Error("the event is gone")
	}
}

// What is stopped comes again at once, in order.
func TestStopHandsBack(t *testing.T) {
	b := newBroker(t)
	one := made("idenfy", "id_verification", "one")
	for range 10 {
		b.tell(one, "noted")
	}
	config := b.quick("team-a")
	config.AckWait = time.Hour // Nothing comes again by itself.
	config.Grace = time.Millisecond
	entered := make(chan struct{}, 1)
	l := newLog(t)
	l.do = func(ctx context.Context, _ Event) error {
		entered <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	r := begin(t, config, l.handle)
	<-entered
	r.stop()
	if l.count() != 0 {
		t.Error("an event that was not finished counts as handled")
	}
	l.mu.Lock()
	l.do = nil
	l.mu.Unlock()
	begin(t, config, l.handle)
	eventually(t, "all", func() bool { return l.version(one) == 10 })
}

// A handler that finishes in time is not cut short.
func TestStopLetsFinish(t *testing.T) {
	b := newBroker(t)
	b.tell(made("idenfy", "id_verification", "one"), "pending")
	entered, finish := make(chan struct{}), make(chan struct{})
	l := newLog(t)
	l.do = func(ctx context.Context, _ Event) error {
		close(entered)
		<-finish
		return ctx.Err()
	}
	r := begin(t, b.quick("team-a"), l.handle)
	<-entered
	r.cancel()
	close(finish)
	must(t, r.wait())
	if l.count() != 1 || b.info("team-a").NumAckPending != 0 {
		t.Error("the event that was begun was not finished")
	}
}

// After a crash nothing that was delivered before is overtaken by what comes new.
func TestCrashKeepsTheOrder(t *testing.T) {
	b := newBroker(t)
	one, two := made("idenfy", "id_verification", "one"), made("idenfy", "id_verification", "two")
	for range 3 {
		b.tell(one, "noted")
	}
	config := b.quick("team-a")
	config.AckWait = 2 * time.Second
	entered := make(chan struct{}, 1)
	l := newLog(t)
	var crashed atomic.Bool
	l.do = func(ctx context.Context, _ Event) error {
		if crashed.Load() {
			return nil
		}
		entered <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	config.Grace = time.Millisecond
	r := begin(t, config, l.handle)
	<-entered
	config.Conn.Close()
	if err := r.wait(); err == nil {
		t.Fatal("a connection that was closed is no error")
	}
	crashed.Store(true)
	for range 3 {
		b.tell(one, "noted")
		b.tell(two, "noted")
	}
	config.Conn = b.connect("admin:admin")
	begin(t, config, l.handle)
	eventually(t, "all", func() bool { return l.version(one) == 6 && l.version(two) == 3 })
}

// A bound that was lowered while more was out holds nothing up.
func TestLowerBound(t *testing.T) {
	b := newBroker(t)
	var ids []verification.ID
	for i := range 20 {
		ids = append(ids, made("idenfy", "id_verification", strconv.Itoa(i)))
		b.tell(ids[i], "pending")
	}
	config := b.quick("team-a")
	config.Grace, config.Workers = time.Millisecond, 20
	l := newLog(t)
	var entered atomic.Int32
	r := begin(t, config, func(ctx context.Context, _ Event) error {
		entered.Add(1)
		<-ctx.Done()
		return ctx.Err()
	})
	eventually(t, "all handlers", func() bool { return entered.Load() == 20 })
	config.Conn.Close()
	if err := r.wait(); err == nil {
		t.Fatal("a connection that was closed is no error")
	}
	config.Conn, config.MaxUnacked = b.connect("admin:admin"), 4
	begin(t, config, l.handle)
	eventually(t, "all", func() bool { return l.count() == 20 })
}

// A broker that is restarted interrupts nothing for long.
func TestBrokerRestarts(t *testing.T) {
	b := newBroker(t)
	one := made("idenfy", "id_verification", "one")
	l := newLog(t)
	r := begin(t, b.quick("team-a"), l.handle)
	b.tell(one, "pending")
	eventually(t, "one", func() bool { return l.version(one) == 1 })
	b.restart()
	eventually(t, "a connection", b.conn.IsConnected)
	b.tell(one, "approved")
	eventually(t, "two", func() bool { return l.version(one) == 2 })
	r.stop()
}

// All that may be held has come again, and the broker was away when it should have said that there is no more.
func TestRecoveryEndsWithoutRoom(t *testing.T) {
	l := newLanes(Config{MaxUnacked: 1, MaxPerKey: 1, AckWait: time.Second})
	l.recover()
	l.take(&held{key: "one", event: Event{Sequence: 1}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if r := (&reader{run: &run{lanes: l}}); !r.wait(ctx) {
		t.Error("nothing asks the broker again")
	}
}
