package held

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/letters"
	"github.com/verdict-stream/verdict/pkg/provider"
)

func TestSelection(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for want, s := range map[string]Selection{
		"all":           {All: true},
		"held=3 held=5": {Held: []uint64{3, 5}},
		"event=done provider=acme since=2026-03-01T12:00:00Z until=2026-03-01T13:00:00Z": {
			Filter: Filter{Provider: "acme", Event: "done", Since: now, Until: now.Add(time.Hour)},
		},
	} {
		if err := s.Check(); err != nil || s.String() != want {
			t.Errorf("%s: %v, want %s", &s, err, want)
		}
	}
	for _, s := range []Selection{
		{},
		{All: true, Held: []uint64{1}},
		{All: true, Filter: Filter{Event: "done"}},
		{Held: []uint64{1}, Filter: Filter{Event: "done"}},
		{Filter: Filter{Since: now, Until: now}},
	} {
		if err := s.Check(); !errors.Is(err, ErrSelection) {
			t.Errorf("%s: %v", &s, err)
		}
	}
}

// holdSeveral holds three webhooks, a handshake, and one whose time is over, between them.
func (d *Desk) holdSeveral(t *testing.T) {
	t.Helper()
	now := time.Now()
	d.hold(t, "done", "x", now)
	d.hold(t, provider.EventOther, "confirm this", now.Add(1))
	d.hold(t, "begun", "x", now.Add(2))
	d.hold(t, "done", "late", now.Add(-2*retention))
	d.hold(t, "done", "x", now.Add(3))
}

// A plan tells what can be released from what cannot, and changes nothing.
func TestPlan(t *testing.T) {
	d := newDesk(t)
	d.holdSeveral(t)
	p, err := d.Plan(t.Context(), Release, Selection{All: true})
	check(t, err)
	want := []letters.Count{{Name: ErrExpired.Error(), Count: 1}, {Name: ErrHandshake.Error(), Count: 1}}
	if diff := cmp.Diff(want, p.Obstacles); diff != "" || p.Matched != 5 || p.Possible(Release) != 3 || p.Possible(Discard) != 5 || p.Through != 5 || p.Oldest.After(p.Newest) {
		t.Errorf("%+v\n%s", p, diff)
	}
	want = []letters.Count{{Name: "acme begun", Count: 1}, {Name: "acme done", Count: 3}, {Name: "acme other", Count: 1}}
	if diff := cmp.Diff(want, p.Events); diff != "" {
		t.Error(diff)
	}
	if p, err := d.Plan(t.Context(), Discard, Selection{Held: []uint64{1, 2}}); err != nil || p.Matched != 2 || p.Releasable != 1 {
		t.Errorf("to discard: %+v, %v", p, err)
	}
	for _, c := range []struct {
		s    Selection
		want error
	}{
		{Selection{}, ErrSelection},
		{Selection{Filter: Filter{Event: "nobodys"}}, ErrNothing},
		{Selection{Held: []uint64{1, 2}}, ErrHandshake},
		{Selection{Held: []uint64{1, 9}}, ErrNotHeld},
	} {
		if _, err := d.Plan(t.Context(), Release, c.s); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", &c.s, err)
		}
	}
	if page, err := d.Page(t.Context(), Filter{}, 0, 10); err != nil || len(page.Items) != 5 {
		t.Errorf("%d are held, %v", len(page.Items), err)
	}
}

// What is planned is done, and nothing that came later; what cannot be released stays, and what somebody else was faster with is no failure.
func TestWork(t *testing.T) {
	d := newDesk(t)
	d.holdSeveral(t)
	p, err := d.Plan(t.Context(), Release, Selection{All: true})
	check(t, err)
	d.hold(t, "done", "x", time.Now())
	_, err = d.Decide(t.Context(), Discard, 3)
	check(t, err)
	stop := errors.New("stop")
	so, err := d.Work(t.Context(), Work{Decision: Release, Selection: Selection{All: true}, Through: p.Through, Progress: func(Progress) error { return stop }})
	if !errors.Is(err, stop) || so != (Progress{Position: 1, Done: 1}) {
		t.Fatalf("%+v, %v", so, err)
	}
	so, err = d.Work(t.Context(), Work{Decision: Release, Selection: Selection{All: true}, After: so.Position, Through: p.Through})
	if err != nil || so != (Progress{Position: 5, Done: 1, Passed: 2}) {
		t.Errorf("%+v, %v", so, err)
	}
	if state, err := d.Bus.StreamState(t.Context(), bus.Webhooks); err != nil || state.Messages != 2 {
		t.Errorf("%d were released, %v", state.Messages, err)
	}
	// By their numbers, one of which is gone.
	so, err = d.Work(t.Context(), Work{Decision: Discard, Selection: Selection{Held: []uint64{4, 1, 2}}, Through: last})
	if err != nil || so.Done != 2 {
		t.Errorf("%+v, %v", so, err)
	}
	if page, err := d.Page(t.Context(), Filter{}, 0, 10); err != nil || len(page.Items) != 1 || page.Items[0].Seq != 6 {
		t.Errorf("%+v are held, %v", page.Items, err)
	}
}

// The pace is kept, and whoever releases at a time and stops is told why.
func TestWorkIsPaced(t *testing.T) {
	d := newDesk(t)
	for i := range 5 {
		d.hold(t, "done", "x", time.Now().Add(time.Duration(i)))
	}
	begun := time.Now()
	so, err := d.Work(t.Context(), Work{Decision: Release, Selection: Selection{All: true}, Through: last, Rate: 20})
	if took := time.Since(begun); err != nil || so.Done != 5 || took < 190*time.Millisecond {
		t.Errorf("%+v in %v, %v", so, took, err)
	}
}

// A key that is missing before its time is told for what it is.
func TestLostKey(t *testing.T) {
	d := newDesk(t)
	d.hold(t, provider.EventOther, "x", time.Now())
	other := newDesk(t)
	d.Keys = other.Keys
	p, err := d.Plan(t.Context(), Release, Selection{All: true})
	if err != nil || p.Releasable != 0 || len(p.Obstacles) != 1 || !strings.Contains(p.Obstacles[0].Name, "key is missing") {
		t.Errorf("%+v, %v", p, err)
	}
}
