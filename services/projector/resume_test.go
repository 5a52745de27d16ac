package projector

import (
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
