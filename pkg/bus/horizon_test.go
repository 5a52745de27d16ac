package bus

import (
	"testing"
	"time"
)

func TestTheSpoolThatIsBehindSaysTheHorizon(t *testing.T) {
	b := newTestBus(t)
	now := time.Now().UTC().Truncate(time.Microsecond)
	expect := func(want time.Time) {
		t.Helper()
		if got, err := b.Horizon(t.Context(), now); err != nil || !got.Equal(want) {
			t.Errorf("the horizon is %v, %v; want %v", got, err, want)
		}
	}
	tell := func(h SpoolHorizon) {
		t.Helper()
		if err := b.TellHorizon(t.Context(), h); err != nil {
			t.Fatal(err)
		}
	}
	expect(now)
	tell(SpoolHorizon{Receiver: "a", Until: now.Add(time.Second)})
	expect(now)
	tell(SpoolHorizon{Receiver: "b", Until: now.Add(-time.Hour)})
	tell(SpoolHorizon{Receiver: "c", Until: now.Add(-time.Minute)})
	expect(now.Add(-time.Hour))
	tell(SpoolHorizon{Receiver: "b", Until: now.Add(-time.Second)})
	expect(now.Add(-time.Minute))
	tell(SpoolHorizon{Receiver: "c", Until: now.Add(-time.Minute), Closed: true})
	expect(now.Add(-time.Second))
}
