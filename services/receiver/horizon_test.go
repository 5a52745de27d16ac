package receiver

import (
	"context"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/spool"
)

func TestTheHorizonIsTheOldestThatWaits(t *testing.T) {
	s, err := spool.Open(t.TempDir(), spool.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	now := time.Now()
	if h := horizonOf(s, now); !h.Until.Equal(now) || h.Receiver != s.Name() || h.Closed {
		t.Errorf("of an empty spool it is %+v", h)
	}
	received := now.Add(-time.Hour).Truncate(time.Second)
	for _, at := range []time.Time{received, now} {
		if err := s.Append(context.Background(), spool.Entry{Subject: "s", Key: at.String(), Data: []byte("x"), At: at}); err != nil {
			t.Fatal(err)
		}
	}
	if h := horizonOf(s, now); !h.Until.Equal(received) {
		t.Errorf("with one that waits since %v it is %+v", received, h)
	}
}

// While it runs a receiver keeps the deadlines of what it may still hold waiting, and no longer.
func TestAReceiverTellsItsHorizon(t *testing.T) {
	b := startBroker(t)
	begun := time.Now()
	r := start(t, kycaidOnly(), b.spooled(t, openSpool(t, b.dir, spool.Limits{})))
	future := begun.Add(time.Hour)
	eventually(t, "it tells how far its spool is", func() bool {
		horizon, err := b.bus.Horizon(t.Context(), future)
		return err == nil && horizon.Before(future) && !horizon.Before(begun)
	})
	r.stop()
	if horizon, err := b.bus.Horizon(t.Context(), future); err != nil || !horizon.Equal(future) {
		t.Errorf("after it has stopped with an empty spool deadlines wait until %v, %v", horizon, err)
	}
}
