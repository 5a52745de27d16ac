package projector

import (
	"context"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A read model that was lost is filled again, although everything was acked for it. One that was not is not read again.
func TestALostReadModelIsFilledAgain(t *testing.T) {
	w := everything(t)
	first := w.run(w.config(t))
	p := newProjector(first.config)
	await(t, "the end of all streams", func() bool { return w.done(p) })
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	if err := p.rewind(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !w.done(p) {
		t.Error("a read model that is there is filled again")
	}
	want := read(t, p)
	want.Stats.Progress = nil

	second := w.run(w.config(t))
	p = newProjector(second.config)
	await(t, "the tables as they were", func() bool {
		got := read(t, p)
		got.Stats.Progress = nil
		return cmp.Equal(want, got)
	})
	if err := second.stop(); err != nil {
		t.Fatal(err)
	}
}

// ending is a context that ends when it has been asked so often when it ends.
type ending struct {
	context.Context

	mu    sync.Mutex
	asked int
	done  chan struct{}
}

func (e *ending) Done() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.asked--; e.asked == 0 {
		close(e.done)
	}
	return e.done
}

func (e *ending) Err() error {
	select {
	case <-e.done:
		return context.Canceled
	default:
		return nil
	}
}

// A projector that is stopped while it begins ends well, at whichever step that is.
func TestStopAtTheBegin(t *testing.T) {
	w := everything(t)
	for asked := 1; ; asked++ {
		p := newProjector(w.config(t))
		ctx := &ending{Context: t.Context(), asked: asked, done: make(chan struct{})}
		if err := p.resume(ctx); err != nil {
			t.Errorf("stopped at step %d: %v", asked, err)
		}
		if ctx.Err() == nil {
			break // It has begun.
		}
	}
}
