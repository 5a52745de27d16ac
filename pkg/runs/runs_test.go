package runs

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/verdict-stream/verdict/pkg/bus/bustest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newBook(t *testing.T) *Book {
	t.Helper()
	return Open(bustest.Open(t, bustest.Settings(time.Hour)))
}

func create(t *testing.T, b *Book, name string) {
	t.Helper()
	if _, err := b.Create(t.Context(), Run{Verb: "replay", Name: name, Spec: json.RawMessage(`{"to":"x"}`), Actor: "anna@host"}); err != nil {
		t.Fatal(err)
	}
}

func state(t *testing.T, b *Book, name string) Run {
	t.Helper()
	r, err := b.Get(t.Context(), "replay", name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// untilAsked works until its context ends.
func untilAsked(begun chan<- struct{}) func(context.Context, *Job) error {
	return func(ctx context.Context, _ *Job) error {
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	}
}

func TestARunIsDone(t *testing.T) {
	b := newBook(t)
	create(t, b, "late-team")
	err := b.Work(t.Context(), "replay", "late-team", "me", func(ctx context.Context, job *Job) error {
		if got := job.Run(); got.State != Running || got.Holder != "me" || string(got.Spec) != `{"to":"x"}` {
			t.Errorf("the worker got %+v", got)
		}
		return job.Save(ctx, func(r *Run) { r.Done, r.Total, r.Position = 3, 7, 12 })
	})
	if err != nil {
		t.Fatal(err)
	}
	got := state(t, b, "late-team")
	if got.State != Done || got.Done != 3 || got.Position != 12 || got.Holder != "" || got.StartedAt.IsZero() || got.EndedAt.IsZero() {
		t.Errorf("it ended as %+v", got)
	}
	if err := b.Work(t.Context(), "replay", "late-team", "me", nil); !errors.Is(err, ErrOver) {
		t.Errorf("working on it again: %v", err)
	}
	if _, err := b.Ask(t.Context(), "replay", "late-team", Cancel); !errors.Is(err, ErrOver) {
		t.Errorf("cancelling it: %v", err)
	}
}

func TestNamesAreTakenOnce(t *testing.T) {
	b := newBook(t)
	create(t, b, "one")
	if _, err := b.Create(t.Context(), Run{Verb: "replay", Name: "one"}); !errors.Is(err, ErrExists) {
		t.Errorf("the same name: %v", err)
	}
	if _, err := b.Create(t.Context(), Run{Verb: "rebuild", Name: "one"}); err != nil {
		t.Errorf("the same name of another verb: %v", err)
	}
	for _, name := range []string{"", "One", "a.b", "a b", "ä", "123456789012345678901234567890123"} {
		if _, err := b.Create(t.Context(), Run{Verb: "replay", Name: name}); !errors.Is(err, ErrName) {
			t.Errorf("the name %q: %v", name, err)
		}
		if _, err := b.Get(t.Context(), "replay", name); !errors.Is(err, ErrUnknown) {
			t.Errorf("asking for %q: %v", name, err)
		}
	}
	if err := b.Forget(t.Context(), "replay", "one"); !errors.Is(err, ErrNotOver) {
		t.Errorf("forgetting one that waits: %v", err)
	}
	if _, err := b.Ask(t.Context(), "replay", "one", Cancel); err != nil {
		t.Fatal(err)
	}
	if err := b.Forget(t.Context(), "replay", "one"); err != nil {
		t.Fatal(err)
	}
	create(t, b, "one")
	list, err := b.List(t.Context(), "replay")
	if err != nil || len(list) != 1 || list[0].State != Waiting {
		t.Errorf("listed are %+v, %v", list, err)
	}
}

func TestPauseResumeCancel(t *testing.T) {
	b := newBook(t)
	create(t, b, "long")
	for _, c := range []struct {
		ask   string
		cause error
		state State
	}{{Pause, ErrPaused, Paused}, {Cancel, ErrCanceled, Canceled}} {
		begun, ended := make(chan struct{}), make(chan error, 1)
		go func() { ended <- b.Work(t.Context(), "replay", "long", "me", untilAsked(begun)) }()
		<-begun
		if err := b.Work(t.Context(), "replay", "long", "you", nil); !errors.Is(err, ErrHeld) {
			t.Errorf("working on it at the same time: %v", err)
		}
		if _, err := b.Ask(t.Context(), "replay", "long", c.ask); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, c.cause) {
			t.Errorf("asked to %s, its work ended with %v", c.ask, err)
		}
		if got := state(t, b, "long"); got.State != c.state || got.Wanted != "" {
			t.Errorf("asked to %s, it is %+v", c.ask, got)
		}
	}
}

func TestWhoFailsIsTakenUpAgain(t *testing.T) {
	b := newBook(t)
	create(t, b, "broken")
	failed := errors.New("the disk is full")
	if err := b.Work(t.Context(), "replay", "broken", "me", func(ctx context.Context, job *Job) error {
		return errors.Join(job.Save(ctx, func(r *Run) { r.Position = 5 }), failed)
	}); !errors.Is(err, failed) {
		t.Fatalf("it ended with %v", err)
	}
	if got := state(t, b, "broken"); got.State != Failed || got.Error != failed.Error() {
		t.Errorf("it is %+v", got)
	}
	if got, err := b.Ask(t.Context(), "replay", "broken", Resume); err != nil || got.State != Waiting || got.Error != "" || got.Position != 5 {
		t.Errorf("taken up again it is %+v, %v", got, err)
	}
}

// A worker whose process was stopped leaves its run to the next, and one that was only thought dead is told.
func TestTheLeaseEnds(t *testing.T) {
	b := newBook(t)
	create(t, b, "shared")
	var late *Job
	ctx, stop := context.WithCancel(t.Context())
	err := b.Work(ctx, "replay", "shared", "me", func(_ context.Context, job *Job) error {
		late = job
		stop()
		return context.Canceled
	})
	if got := state(t, b, "shared"); got.State != Waiting || !errors.Is(err, context.Canceled) {
		t.Errorf("after the process was stopped it is %+v, %v", got, err)
	}
	if err := b.Work(t.Context(), "replay", "shared", "you", func(ctx context.Context, job *Job) error {
		if err := late.Save(ctx, func(r *Run) { r.Position = 99 }); !errors.Is(err, ErrLost) {
			t.Errorf("who has lost it writes: %v", err)
		}
		// As if the worker had died: its lease is over, and nobody has noted an end.
		_, err := b.change(ctx, "replay", "shared", func(r *Run) error {
			r.Holder, r.HeldUntil = "dead", time.Now().Add(-time.Second)
			return nil
		})
		return err
	}); !errors.Is(err, ErrLost) {
		t.Errorf("who was thought dead ends with %v", err)
	}
	ctx, stop = context.WithCancel(t.Context())
	defer stop()
	if err := b.Serve(ctx, "replay", "service", func(_ context.Context, job *Job) error {
		if job.Run().Position != 0 {
			t.Errorf("it goes on at %d", job.Run().Position)
		}
		stop()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestServeTakesWhatComes(t *testing.T) {
	b := newBook(t)
	create(t, b, "first")
	taken := make(chan string)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- b.Serve(ctx, "replay", "service", func(_ context.Context, job *Job) error {
			taken <- job.Run().Name
			return nil
		})
	}()
	if got := <-taken; got != "first" {
		t.Errorf("first came %s", got)
	}
	create(t, b, "second")
	if got := <-taken; got != "second" {
		t.Errorf("then came %s", got)
	}
	stop()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
}

// leaving is a worker that takes its time to end: until it is let go.
func leaving(begun, ended chan<- struct{}, letGo <-chan struct{}) func(context.Context, *Job) error {
	return func(ctx context.Context, _ *Job) error {
		begun <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		<-letGo
		return ctx.Err()
	}
}

// What is asked for while a worker is about to end counts.
func TestTheLastWordCounts(t *testing.T) {
	b := newBook(t)
	ask := func(name, wanted string) {
		t.Helper()
		if _, err := b.Ask(t.Context(), "replay", name, wanted); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("cancel after pause", func(t *testing.T) {
		create(t, b, "a")
		begun, ended, letGo, result := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan error)
		go func() { result <- b.Work(t.Context(), "replay", "a", "one", leaving(begun, ended, letGo)) }()
		<-begun
		ask("a", Pause)
		<-ended
		ask("a", Cancel)
		letGo <- struct{}{}
		<-begun
		<-ended
		letGo <- struct{}{}
		if err := <-result; !errors.Is(err, ErrCanceled) || state(t, b, "a").State != Canceled {
			t.Errorf("the run is %s: %v", state(t, b, "a").State, err)
		}
	})
	t.Run("resume after pause", func(t *testing.T) {
		create(t, b, "b")
		ctx, stop := context.WithCancel(t.Context())
		begun, ended, letGo, result := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan error)
		go func() { result <- b.Work(ctx, "replay", "b", "one", leaving(begun, ended, letGo)) }()
		<-begun
		ask("b", Pause)
		<-ended
		ask("b", Resume)
		letGo <- struct{}{}
		<-begun
		if r := state(t, b, "b"); r.State != Running {
			t.Errorf("the run is %s", r.State)
		}
		stop()
		<-ended
		letGo <- struct{}{}
		if err := <-result; err == nil {
			t.Error("a run that its process left has ended well")
		}
	})
	for _, c := range []struct {
		name, wanted string
		want         State
	}{{"c", Pause, Paused}, {"d", Cancel, Waiting}} {
		t.Run(c.wanted+" after the process", func(t *testing.T) {
			create(t, b, c.name)
			ctx, stop := context.WithCancel(t.Context())
			begun, ended, letGo, result := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan error)
			go func() { result <- b.Work(ctx, "replay", c.name, "one", leaving(begun, ended, letGo)) }()
			<-begun
			stop()
			<-ended
			ask(c.name, c.wanted)
			letGo <- struct{}{}
			if err := <-result; err == nil {
				t.Error("a run that its process left has ended well")
			}
			if r := state(t, b, c.name); r.State != c.want || c.wanted == Cancel && r.Wanted != Cancel {
				t.Errorf("the run is %s, and %q is wanted", r.State, r.Wanted)
			}
		})
	}
	if _, err := b.Ask(t.Context(), "replay", "d", Resume); !errors.Is(err, ErrOver) {
		t.Errorf("a run that is being canceled is resumed: %v", err)
	}
}

// What has happened is done, whatever is asked for after that.
func TestWhatIsCompleteIsDone(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		b := newBook(t)
		create(t, b, "late")
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		err := b.Work(ctx, "replay", "late", "me", func(ctx context.Context, job *Job) error {
			job.Complete()
			if stopped {
				stop()
			} else if _, err := b.Ask(ctx, "replay", "late", Cancel); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		})
		if r := state(t, b, "late"); err != nil || r.State != Done || r.Wanted != "" || r.EndedAt.IsZero() {
			t.Errorf("stopped %v: it is %+v, error %v", stopped, r, err)
		}
	}
}
