package projector

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/runs"
)

// While nobody else may write, a rebuild is as fast as it can be, however slow it is otherwise.
func TestRebuildIsFastWhileOthersWait(t *testing.T) {
	w := everything(t)
	r, p, _ := w.started(t)
	const rate = 20
	w.ask(ReadModel, RebuildSpec{Rate: rate})
	await(t, "the beginning", func() bool {
		run, err := runs.Open(w.bus).Get(t.Context(), RebuildVerb, ReadModel)
		return err == nil && run.Total > 0
	})
	// Too few for another round of reading before others wait, and more than five seconds at that rate.
	w.many("meanwhile", 2*rate)
	await(t, "the end of all streams", func() bool { return w.done(p) })
	run, detail := w.ended(ReadModel)
	if run.State != runs.Done || run.Done <= 2*rate {
		t.Fatalf("the rebuild is %s after %d messages: %s", run.State, run.Done, run.Error)
	}
	if paused := time.Duration(detail.PausedMS) * time.Millisecond; paused > 4*time.Second {
		t.Errorf("others waited for %v", paused)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
}

// A disk without room for two is left to the webhooks.
func TestRebuildNeedsRoom(t *testing.T) {
	w := everything(t)
	w.many("more", 20)
	r, _, at := w.started(t)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	full := errors.New("the disk is nearly full")
	before := files(t, at.Dir)
	for name, room := range map[string]func(uint64) error{
		"at the beginning": func(more uint64) error {
			if more == 0 {
				t.Error("nothing more would fit")
			}
			return full
		},
		"on the way": func(more uint64) error {
			if more == 0 {
				return full
			}
			return nil
		},
	} {
		config := r.config
		config.Room = room
		r := w.run(config)
		w.ask(ReadModel, RebuildSpec{Rate: 20})
		if run, _ := w.ended(ReadModel); run.State != runs.Failed || !strings.Contains(run.Error, full.Error()) || !strings.Contains(run.Error, "make room") {
			t.Errorf("%s: the rebuild is %s: %s", name, run.State, run.Error)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, files(t, at.Dir)); diff != "" {
			t.Errorf("%s: files (-before +after):\n%s", name, diff)
		}
	}
}
