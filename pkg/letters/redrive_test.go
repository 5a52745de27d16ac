package letters

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
)

// More than are taken at a time are redriven by a filter, by somebody who is stopped on the way, begins again, and does it all once more.
func TestRedriveByFilter(t *testing.T) {
	const many, stopAt = 2*batchSize + 88, batchSize + 44
	d := newDesk(t)
	d.deliveries(t, many, "acme", "undecodable")
	d.deliveries(t, 3, "acme", "corrupt_seal")
	d.deliveries(t, 2, "other", "undecodable")
	var handled atomic.Int64
	d.lifecycle(t, "acme", func(bus.Stored) error {
		handled.Add(1)
		return nil
	})
	s := Selection{Provider: "acme", Cause: "undecodable"}
	plan, err := d.Plan(t.Context(), s)
	check(t, err)
	if plan.Matched != many || plan.Redrivable != many || len(plan.Obstacles) > 0 {
		t.Fatalf("planned: %+v", plan)
	}
	if diff := cmp.Diff([]Count{{"lifecycle-acme", many}}, plan.Consumers); diff != "" {
		t.Errorf("consumers (-want +got)\n%s", diff)
	}
	if handled.Load() > 0 || d.open(t)["acme undecodable"] != many {
		t.Fatal("planning has changed something")
	}

	stopped := errors.New("stopped")
	w := Work{Selection: s, Through: plan.Through, Rate: 10 * many, Progress: func(p Progress) error {
		if p.Done == stopAt {
			return stopped
		}
		return nil
	}}
	so, err := d.Redrive(t.Context(), w)
	if !errors.Is(err, stopped) || so.Done != stopAt {
		t.Fatalf("%+v, %v", so, err)
	}
	w.Progress, w.After = nil, so.Position
	so, err = d.Redrive(t.Context(), w)
	if err != nil || so.Done != many-stopAt || so.Again > 0 {
		t.Fatalf("%+v, %v", so, err)
	}
	again, err := d.Settle(t.Context(), s, plan)
	if err != nil || again > 0 || handled.Load() != many {
		t.Errorf("%d given up again, %d handled, %v", again, handled.Load(), err)
	}
	if diff := cmp.Diff(map[string]int{"acme corrupt_seal": 3, "other undecodable": 2}, d.open(t)); diff != "" {
		t.Errorf("open (-want +got)\n%s", diff)
	}
	// Once more: nothing is left, and nothing happens.
	if _, err := d.Plan(t.Context(), s); !errors.Is(err, ErrNothing) {
		t.Errorf("planned again: %v", err)
	}
	w.After = 0
	if so, err := d.Redrive(t.Context(), w); err != nil || so.Done+so.Again > 0 || handled.Load() != many {
		t.Errorf("redriven again: %+v, %v", so, err)
	}
}

// No more is asked for than the rate allows, and never far more than is done.
func TestRedriveHeedsTheRateAndTheConsumer(t *testing.T) {
	const letters, slowly, perSecond = 60, 20, 200
	d := newDesk(t)
	d.deliveries(t, letters, "acme", "undecodable")
	wait := make(chan struct{})
	d.lifecycle(t, "acme", func(bus.Stored) error {
		<-wait
		return nil
	})
	s := Selection{All: true}
	plan, err := d.Plan(t.Context(), s)
	check(t, err)
	begun := time.Now()
	waited := false
	so, err := d.Redrive(t.Context(), Work{Selection: s, Through: plan.Through, Rate: slowly, Progress: func(p Progress) error {
		if p.Waits == "" {
			return nil
		}
		waited = true
		if p.Waits != "lifecycle-acme" || p.Done < slowly*2 || p.Done > slowly*5/2 {
			t.Errorf("waits for %s after %d", p.Waits, p.Done)
		}
		return errFull
	}})
	if !waited || !errors.Is(err, errFull) {
		t.Fatalf("%+v, %v", so, err)
	}
	if least := (slowly*2 - 1) * time.Second / slowly; time.Since(begun) < least {
		t.Errorf("%d were asked for within %v", so.Done, time.Since(begun))
	}
	close(wait)
	rest := letters - so.Done
	begun = time.Now()
	so, err = d.Redrive(t.Context(), Work{Selection: s, After: so.Position, Through: plan.Through, Rate: perSecond})
	if err != nil || so.Done != rest {
		t.Fatalf("%+v, %v", so, err)
	}
	if least := time.Duration(rest-1) * time.Second / perSecond; time.Since(begun) < least {
		t.Errorf("%d were asked for within %v", so.Done, time.Since(begun))
	}
	if again, err := d.Settle(t.Context(), s, plan); err != nil || again > 0 || len(d.open(t)) > 0 {
		t.Errorf("%d again, %v", again, err)
	}
}

func TestRedriveOneThatFailsAgain(t *testing.T) {
	d := newDesk(t)
	d.deliveries(t, 3, "acme", "undecodable")
	d.lifecycle(t, "acme", func(bus.Stored) error { return bus.Permanent("unknown_row", errors.New("no such row")) })
	s := Selection{Letter: 2}
	plan, err := d.Plan(t.Context(), s)
	check(t, err)
	_, err = d.Redrive(t.Context(), Work{Selection: s, Through: plan.Through})
	check(t, err)
	again, err := d.Settle(t.Context(), s, plan)
	if err != nil || again != 1 {
		t.Errorf("%d again, %v", again, err)
	}
	if diff := cmp.Diff(map[string]int{"acme undecodable": 2, "acme unknown_row": 1}, d.open(t)); diff != "" {
		t.Errorf("open (-want +got)\n%s", diff)
	}
	if _, err := d.Plan(t.Context(), s); !errors.Is(err, ErrNoLetter) {
		t.Errorf("a letter that was replaced: %v", err)
	}
}

// Who does nothing is not waited for for ever; what was asked of him waits.
func TestRedriveOfWhoHasStopped(t *testing.T) {
	d := newDesk(t)
	d.Patience = 300 * time.Millisecond
	d.deliveries(t, 3, "acme", "undecodable")
	d.lifecycle(t, "acme", nil)()
	s := Selection{All: true}
	plan, err := d.Plan(t.Context(), s)
	check(t, err)
	if so, err := d.Redrive(t.Context(), Work{Selection: s, Through: plan.Through}); err != nil || so.Done != 3 {
		t.Fatalf("%+v, %v", so, err)
	}
	if _, err := d.Settle(t.Context(), s, plan); !errors.Is(err, ErrStalled) {
		t.Errorf("settled: %v", err)
	}
	d.lifecycle(t, "acme", func(bus.Stored) error { return nil })
	if again, err := d.Settle(t.Context(), s, plan); err != nil || again > 0 || len(d.open(t)) > 0 {
		t.Errorf("%d again, %v", again, err)
	}
}

// A broker that is away is waited for, and not for ever.
func TestRedriveWhileTheBrokerIsAway(t *testing.T) {
	const many, before, away, impatient = 10, 3, 500 * time.Millisecond, 300 * time.Millisecond
	for name, tt := range map[string]struct {
		patience time.Duration
		asked    uint64
		err      error
	}{
		"it comes back":      {DefaultPatience, many, nil},
		"it stays away long": {impatient, before, bus.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.Patience = tt.patience
			d.deliveries(t, many, "acme", "undecodable")
			d.lifecycle(t, "acme", func(bus.Stored) error { return nil })
			var back *time.Timer
			so, err := d.Redrive(t.Context(), Work{Selection: Selection{All: true}, Through: many, Progress: func(p Progress) error {
				if p.Done != before {
					return nil
				}
				_, err := d.await(t.Context(), LifecycleConsumer("acme"), 1, func() error { return nil })
				check(t, err)
				// Without their stream the broker takes no requests.
				if tt.err == nil {
					back = time.AfterFunc(away, func() { _ = d.Bus.EnsureStreams(t.Context(), settings) })
				}
				return d.Bus.DropStream(t.Context(), bus.Redrives)
			}})
			if !errors.Is(err, tt.err) || so.Done != tt.asked || so.Position != tt.asked {
				t.Errorf("%+v, %v", so, err)
			}
			if back != nil && back.Stop() {
				t.Error("it was not waited for")
			}
		})
	}
}

func TestRedriveWithoutAnybody(t *testing.T) {
	d := newDesk(t)
	d.deliveries(t, 1, "acme", "undecodable")
	if so, err := d.Redrive(t.Context(), Work{Selection: Selection{All: true}, Through: 1}); !errors.Is(err, ErrNobody) || so.Done > 0 {
		t.Errorf("%+v, %v", so, err)
	}
}

// What cannot be redriven is passed, and told with what to do.
func TestRedrivePassesWhatItCannot(t *testing.T) {
	d := newDesk(t)
	for i, l := range []bus.DeadLetter{
		{Consumer: "receiver", Stream: bus.Spool, Subject: "kyc.webhook.acme.done", Cause: "unpublishable"},
		{Consumer: "lifecycle-acme", Stream: bus.Webhooks, Subject: "kyc.v1.acme.check.noted", Cause: "unpublishable"},
	} {
		l.Sequence, l.Provider = uint64(i+1), "acme"
		check(t, d.Bus.Bury(t.Context(), l))
	}
	plan, err := d.Plan(t.Context(), Selection{Provider: "acme"})
	if err != nil || plan.Matched != 2 || plan.Redrivable != 0 || len(plan.Obstacles) != 2 {
		t.Fatalf("%+v, %v", plan, err)
	}
	so, err := d.Redrive(t.Context(), Work{Selection: Selection{Provider: "acme"}, Through: plan.Through})
	if err != nil || so.Passed != 2 || so.Done > 0 || d.open(t)["acme unpublishable"] != 2 {
		t.Errorf("%+v, %v", so, err)
	}
}

func TestRedriveWhatToldOfNothing(t *testing.T) {
	d := newDesk(t)
	d.deliveries(t, 4, "acme", "none")
	check(t, d.Bus.Letters(t.Context(), bus.LetterFilter{}, 0, func(l bus.Letter) error {
		data, err := json.Marshal(event.Outcome{Delivery: l.EventID, Sequence: l.Sequence, Provider: "acme", Outcome: event.Unhandled})
		check(t, err)
		_, err = d.Bus.Publish(t.Context(), bus.Message{Subject: event.OutcomeSubject("acme", "unhandled"), Data: data})
		check(t, err)
		return d.Bus.CloseLetter(t.Context(), l.Seq)
	}))
	check(t, d.Bus.Drop(t.Context(), bus.Webhooks, 1))
	var learnt atomic.Bool
	d.lifecycle(t, "acme", func(m bus.Stored) error {
		if m.Seq == 2 && !learnt.Load() {
			return bus.ErrUnchanged
		}
		return nil
	})
	s := Selection{Unhandled: true, Provider: "acme"}
	plan, err := d.Plan(t.Context(), s)
	if err != nil || plan.Matched != 4 || plan.Redrivable != 3 {
		t.Fatalf("%+v, %v", plan, err)
	}
	so, err := d.Redrive(t.Context(), Work{Selection: s, Through: plan.Through})
	if err != nil || so.Done != 3 || so.Passed != 1 {
		t.Fatalf("%+v, %v", so, err)
	}
	again, err := d.Settle(t.Context(), s, plan)
	check(t, err)
	if left := d.outcomes(t); again > 0 || len(left) != 2 {
		t.Errorf("%d given up, and still told of nothing: %+v", again, left)
	}
	// It is learnt soon after somebody has asked in vain.
	learnt.Store(true)
	so, err = d.Redrive(t.Context(), Work{Selection: s, Through: plan.Through})
	if err != nil || so.Done != 1 || so.Again > 0 {
		t.Fatalf("%+v, %v", so, err)
	}
	_, err = d.Settle(t.Context(), s, plan)
	check(t, err)
	if left := d.outcomes(t); len(left) != 1 || left[0].Sequence != 1 {
		t.Errorf("still told of nothing: %+v", left)
	}
	if _, err := d.Plan(t.Context(), Selection{Unhandled: true, Provider: "other"}); !errors.Is(err, ErrNothing) {
		t.Errorf("nothing of another provider: %v", err)
	}
}

func TestSelections(t *testing.T) {
	for _, s := range []Selection{
		{},
		{Letter: 1, All: true},
		{Letter: 1, Provider: "acme"},
		{All: true, Cause: "undecodable"},
		{Unhandled: true, Cause: "undecodable"},
		{Since: failedAt, Until: failedAt},
		{Unhandled: true, Consumer: "lifecycle-acme"},
		{Unhandled: true, Letter: 1},
	} {
		if err := s.Check(); !errors.Is(err, ErrSelection) {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []Selection{{Letter: 1}, {All: true}, {Cause: "undecodable"}, {Unhandled: true}, {Unhandled: true, All: true}, {Until: failedAt}} {
		if err := s.Check(); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// Many letters are listed page by page, and counted, in memory that does not grow with them.
func TestManyLetters(t *testing.T) {
	// Every letter is synced to the disk by itself, so they are rather long than many.
	const many, limit, long = 2_500, 100, 1024
	d := newDesk(t)
	inParallel(t, many, func(i int) error {
		return d.Bus.Bury(context.WithoutCancel(t.Context()), bus.DeadLetter{
			Consumer: "lifecycle-acme", Stream: bus.Webhooks, Sequence: uint64(i + 1), Subject: "kyc.webhook.acme.done", Provider: "acme",
			Cause: "undecodable", Error: strings.Repeat("x", long), Attempts: 1, FirstErrorAt: failedAt, LastErrorAt: failedAt,
		})
	})
	const bound = 32 << 20
	before := heap()
	seen, pages := 0, 0
	for after := uint64(0); ; pages++ {
		page, err := d.Page(t.Context(), bus.LetterFilter{Provider: "acme"}, after, limit)
		check(t, err)
		seen += len(page.Letters)
		if pages%5 == 0 && heap() > before+bound {
			t.Fatalf("%d bytes more are held on page %d", heap()-before, pages)
		}
		if page.Next == 0 {
			break
		}
		after = page.Next
	}
	if seen != many || pages != many/limit-1 {
		t.Errorf("%d letters on %d pages", seen, pages+1)
	}
	plan, err := d.Plan(t.Context(), Selection{All: true})
	if err != nil || plan.Matched != many {
		t.Errorf("%+v, %v", plan, err)
	}
	if heap() > before+bound {
		t.Errorf("%d bytes more are held", heap()-before)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
