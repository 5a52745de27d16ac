package projector

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/bus/bustest"
	"github.com/verdict-stream/verdict/pkg/provider/idenfy"
)

// A stream whose messages are later than all of another one is read on only when that has come as far, which may take hours: the broker keeps
// the position until then.
func TestPositionOfAStreamThatWaits(t *testing.T) {
	b, js := bustest.OpenBare(t, bustest.Settings(retention))
	w := newWorldOn(t, b)
	const messages = 3 * aheadMessages
	w.inBatches(func() {
		for range messages {
			w.receive(&idenfy.Provider, autoFinish, scan("s", true, 60, "APPROVED", "Ada"))
		}
	})
	for _, rate := range []int{0, 100} {
		r := &rebuilding{spec: RebuildSpec{Rate: rate}}
		s := &source{
			consumer: bus.Consumer{Stream: bus.Webhooks, Filter: "kyc.webhook.>"}, from: 1, end: messages,
			ahead: r.batch(aheadMessages), chunks: make(chan []bus.Stored),
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.read(ctx, b) }()
		if chunk := <-s.chunks; len(chunk) == 0 {
			t.Error("nothing is read")
		}
		stream, err := js.Stream(t.Context(), bus.Webhooks)
		if err != nil {
			t.Fatal(err)
		}
		list := stream.ListConsumers(t.Context())
		positions := 0
		for info := range list.Info() {
			positions++
			if info.Config.InactiveThreshold < 12*time.Hour {
				t.Errorf("at rate %d the broker forgets the position after %v", rate, info.Config.InactiveThreshold)
			}
		}
		if list.Err() != nil || positions != 1 {
			t.Errorf("%d positions, %v", positions, list.Err())
		}
		cancel()
		for range s.chunks { // It may have read on.
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	}
}
