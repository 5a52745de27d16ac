package projector

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider/idenfy"
	"github.com/verdict-stream/verdict/pkg/provider/treezor"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// history is what happens to some verifications of its own, one after the other.
type history struct {
	*world
	number int
	late   []received // received and not folded yet
}

// happen draws the next thing that happens.
func (h *history) happen(t *rapid.T, second int) {
	names := rapid.SampledFrom([]string{"Ada", "Grace", "Jean", "Mary"})
	subject := fmt.Sprintf("s%d-%d", h.number, rapid.IntRange(1, 2).Draw(t, "case"))
	film := fmt.Sprintf("f%d", h.number)
	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0, 1, 2:
		h.tell(&idenfy.Provider, autoFinish, scan(subject, true, rapid.IntRange(1, 300).Draw(t, "finished"), "DENIED", names.Draw(t, "name")))
	case 3:
		h.tell(&idenfy.Provider, manualFinish, scanOfNobody(subject, 60+second, "APPROVED"))
	case 4:
		h.late = append(h.late, h.receive(&idenfy.Provider, autoFinish, scan(subject, true, 60+second, "APPROVED", names.Draw(t, "name"))))
	case 5:
		for _, d := range h.late {
			h.fold(d)
		}
		h.late = nil
	case 6:
		d := h.tell(&idenfy.Provider, autoFinish, scan(subject, true, 60+second, "DENIED", names.Draw(t, "name")))
		h.anonymize(verification.NewID("idenfy", "id_verification", subject), d)
	case 7:
		user := rapid.SampledFrom([]string{"7", "8"}).Draw(t, "user")
		h.tell(&treezor.Provider, liveness, live(film, second, user, names.Draw(t, "name")))
	case 8:
		h.disown(verification.NewID("treezor", "liveness", film), h.tell(&treezor.Provider, liveness, live(film, second, "7", names.Draw(t, "name"))))
	default:
		h.outcome(h.receive(&idenfy.Provider, autoFinish, fmt.Sprintf(`{"clientId":"client-%d-%d"}`, h.number, second)), event.Unhandled)
	}
}

// pick returns the steps at some places.
func pick(steps []step, places []int) []step {
	var picked []step
	for _, i := range places {
		picked = append(picked, steps[i])
	}
	return picked
}

// positions are those up to which the streams were read, by the name of the consumer.
type positions map[string]uint64

// since lists what came behind the positions, and moves them.
func (w *world) since(p *projector, at positions) map[string][]bus.Stored {
	w.t.Helper()
	messages := map[string][]bus.Stored{}
	for _, c := range p.consumers() {
		_, err := w.bus.Read(context.Background(), c.Stream, c.Filter, at[c.Name]+1, func(m bus.Stored) error {
			messages[c.Name] = append(messages[c.Name], m)
			at[c.Name] = m.Seq
			return nil
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return messages
}

// together handles messages at the same time. None may have to come again for another.
func together(t *testing.T, steps []step, workers int) {
	t.Helper()
	queue := make(chan step, len(steps))
	for _, s := range steps {
		queue <- s
	}
	close(queue)
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for s := range queue {
				if err := s.handle(context.Background(), s.Stored); err != nil {
					t.Errorf("%s %d: %v", s.Stream, s.Seq, err)
				}
			}
		})
	}
	working.Wait()
}

// Many messages at a time, in any order, some of them twice or at once with themselves, and a restart between: the tables are those of
// one after the other.
func TestTogetherGivesTheSameTables(t *testing.T) {
	w := newWorld(t)
	at, number := positions{}, 0
	rapid.Check(t, func(rt *rapid.T) {
		number++
		h := &history{world: w, number: number}
		h.tell(&idenfy.Provider, autoFinish, scan(fmt.Sprintf("s%d-1", number), true, 60, "DENIED", "Ada"))
		for second := range rapid.IntRange(1, 20).Draw(rt, "length") {
			h.happen(rt, second)
		}
		oneByOne := w.projector(t)
		messages := w.since(oneByOne, at)
		steps := bind(oneByOne, messages)
		for _, s := range steps {
			if err := s.handle(context.Background(), s.Stored); err != nil {
				rt.Fatalf("%s %d: %v", s.Stream, s.Seq, err)
			}
		}

		config := w.config(t)
		before, after := bind(newProjector(config), messages), bind(newProjector(config), messages)
		var order []int
		for i := range before {
			order = append(order, i)
		}
		order = append(order, rapid.SliceOfN(rapid.SampledFrom(order), 0, len(order)).Draw(rt, "again")...)
		order = rapid.Permutation(order).Draw(rt, "order")
		restart := rapid.IntRange(0, len(order)).Draw(rt, "restart")
		workers := rapid.SampledFrom([]int{2, 8, concurrency}).Draw(rt, "workers")
		together(t, pick(before, order[:restart]), workers)
		together(t, pick(after, order[restart:]), workers)
		if diff := cmp.Diff(read(rt, oneByOne), read(rt, newProjector(config))); diff != "" {
			rt.Errorf("tables (-one by one +together):\n%s", diff)
		}
	})
}
