package projector

import (
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/provider/idenfy"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// decoding counts the deliveries that a projector decodes.
func (w *world) decoding(t *testing.T) (*projector, *int) {
	t.Helper()
	config, count := w.config(t), 0
	counted := idenfy.Provider
	counted.Decode = func(d provider.Delivery) (provider.Decoded, error) {
		count++
		return idenfy.Provider.Decode(d)
	}
	config.Providers = []provider.Provider{counted}
	return newProjector(config), &count
}

// The claims are settled with every event, from all signals so far. Each delivery is opened for that once, whatever the order.
func TestSettlingClaimsIsLinear(t *testing.T) {
	const signals = 30
	w := newWorld(t)
	for i := range signals {
		w.tell(&idenfy.Provider, autoFinish, scanOfNobody("s1", i, "DENIED"))
	}
	for order, project := range map[string]func(*projector){"in order": w.project, "reversed": w.reversed} {
		p, decoded := w.decoding(t)
		project(p)
		if *decoded != signals {
			t.Errorf("%s: %d deliveries with %d signals were decoded", order, *decoded, signals)
		}
		project(p)
		if *decoded != signals {
			t.Errorf("%s, twice: %d deliveries with %d signals were decoded", order, *decoded, signals)
		}
	}

	// Claims that come among the others are found, and those before them are not looked at again.
	w.tell(&idenfy.Provider, autoFinish, scan("s1", true, signals, "APPROVED", "Ada"))
	for i := range signals {
		w.tell(&idenfy.Provider, autoFinish, scanOfNobody("s1", signals+1+i, "DENIED"))
	}
	p, decoded := w.decoding(t)
	w.project(p)
	if want := 2*signals + 1; *decoded != want {
		t.Errorf("%d deliveries were decoded, want %d", *decoded, want)
	}
	if got := shown(t, p, scanned.String(), false); got != "Ada" {
		t.Errorf("the claims are of %q, want Ada", got)
	}
}

// Deliveries that the stream keeps no more are asked for once, too.
func TestDeliveryThatIsGoneIsClaimless(t *testing.T) {
	w := newWorld(t)
	d := w.receive(&idenfy.Provider, autoFinish, scan("s1", true, 60, "APPROVED", "Ada"))
	d.seq += 1000
	w.fold(d)
	p := w.projector(t)
	w.project(p)
	gone := verification.Signal{ID: w.signal(d), Seq: d.seq}
	if !p.claimless.has(&gone) {
		t.Error("the signal is not known to have no claims")
	}
	gone.Seq -= 1000
	if p.claimless.has(&gone) {
		t.Error("its readable copy is said to have no claims")
	}
}

// A key that is missing before its time says nothing about the signal, whether or not another one is in its place.
func TestSignalThatWaitsIsNotClaimless(t *testing.T) {
	w := newWorld(t)
	d := w.tell(&idenfy.Provider, autoFinish, scan("s1", true, 60, "APPROVED", "Ada"))
	keys, elsewhere := w.keys, newWorld(t)
	if _, _, err := elsewhere.keys.Seal("idenfy", d.at, d.id, nil); err != nil {
		t.Fatal(err)
	}
	w.keys = elsewhere.keys
	p := w.projector(t)
	for _, s := range w.steps(p) {
		if err := s.handle(t.Context(), s.Stored); s.Stream == bus.Verifications && !errors.Is(err, bus.ErrUnavailable) {
			t.Errorf("error %v, want %v", err, bus.ErrUnavailable)
		}
	}
	if p.claimless.has(&verification.Signal{ID: w.signal(d), Seq: d.seq}) {
		t.Error("the signal is said to have no claims")
	}
	p.keys = keys // the directory is back
	w.project(p)
	if got := shown(t, p, scanned.String(), false); got != "Ada" {
		t.Errorf("the claims are of %q, want Ada", got)
	}
}

func TestClaimlessIsBounded(t *testing.T) {
	var (
		c    claimless
		wait sync.WaitGroup
	)
	const writers = 4
	for writer := range writers {
		wait.Go(func() {
			for i := range claimlessKept / writers {
				s := verification.Signal{ID: strconv.Itoa(i), Seq: uint64(writer + 1)}
				c.add(&s)
				if !c.has(&s) {
					t.Errorf("%s was forgotten at once", s.ID)
					return
				}
			}
		})
	}
	wait.Wait()
	if len(c.signals) != claimlessKept {
		t.Fatalf("%d signals are remembered, want %d", len(c.signals), claimlessKept)
	}
	last := verification.Signal{ID: "last", Seq: 1}
	c.add(&last)
	if !c.has(&last) || len(c.signals) != 1 {
		t.Errorf("%d signals are remembered, the last one: %t; want it alone", len(c.signals), c.has(&last))
	}
}
