package telemetry_test

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/telemetry"
)

func newEvery(d time.Duration) (*slog.Logger, *output) {
	written := &output{}
	return telemetry.Every(slog.New(slog.NewJSONHandler(written, nil)), d), written
}

func TestEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, written := newEvery(time.Minute)
		log.Warn("broker is away", "attempt", 1)
		log.Warn("broker is away", "attempt", 2)
		log.With("consumer", "projector").Warn("broker is away", "attempt", 3)
		log.Error("broker is away")
		log.Warn("disk is full")
		log.Debug("below the level")
		time.Sleep(time.Minute - time.Nanosecond) // the bubble's clock
		log.Warn("broker is away", "attempt", 4)
		time.Sleep(time.Nanosecond)
		log.Warn("broker is away", "attempt", 5)
		log.Warn("disk is full")
		time.Sleep(time.Minute)
		log.Warn("broker is away", "attempt", 6)

		want := []map[string]any{
			{"level": "WARN", "msg": "broker is away", "attempt": 1.0},
			{"level": "ERROR", "msg": "broker is away"},
			{"level": "WARN", "msg": "disk is full"},
			{"level": "WARN", "msg": "broker is away", "attempt": 5.0, "suppressed": 3.0},
			{"level": "WARN", "msg": "disk is full"},
			{"level": "WARN", "msg": "broker is away", "attempt": 6.0},
		}
		if diff := cmp.Diff(want, written.lines(t)); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
}

// However many texts a program makes up, neither the memory nor the log grows
// without bound.
func TestEveryOfManyTexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const texts, bound = 5000, 1000
		log, written := newEvery(time.Minute)
		for i := range texts {
			log.Warn(fmt.Sprint("text ", i))
		}
		if got := len(written.lines(t)); got != bound+1 {
			t.Errorf("%d lines of %d texts, want %d", got, texts, bound+1)
		}
		time.Sleep(time.Minute)
		log.Warn("one more")
		lines := written.lines(t)
		want := map[string]any{"level": "WARN", "msg": "one more"}
		if diff := cmp.Diff(want, lines[len(lines)-1]); diff != "" {
			t.Errorf("the line after the storm (-want +got):\n%s", diff)
		}
	})
}

func TestEveryConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers, calls = 8, 100
		log, written := newEvery(time.Minute)
		var wait sync.WaitGroup
		for range callers {
			wait.Go(func() {
				for range calls {
					log.Warn("storm")
				}
			})
		}
		wait.Wait()
		time.Sleep(time.Minute)
		log.Warn("storm")
		want := []map[string]any{
			{"level": "WARN", "msg": "storm"},
			{"level": "WARN", "msg": "storm", "suppressed": float64(callers*calls - 1)},
		}
		if diff := cmp.Diff(want, written.lines(t)); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
}
