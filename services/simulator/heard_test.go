package simulator

import (
	"sync"
	"testing"
)

// Who listens hears every request and its answer.
func TestHeard(t *testing.T) {
	p := newPeer(t, faults{busy: 3})
	cfg := playing(p)
	var mu sync.Mutex
	var heard []Exchange
	cfg.Heard = func(x Exchange) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, x)
	}
	r := run(t, cfg)
	taken, forged, refused := 0, 0, 0
	for _, x := range heard {
		switch {
		case x.Answered.Before(x.Sent) || len(x.Posted.Body) == 0 || x.Player == nil:
			t.Fatalf("this was heard: %+v", x)
		case x.Forged:
			forged++
		case x.ID == "x" && x.Result != "" && x.Cause == "":
			taken++
		case x.ID == "" && x.Result == "" && x.Cause != "":
			refused++
		}
	}
	if len(heard) != r.Sent || forged != r.Forged.Sent || taken != r.Accepted+r.Duplicate+r.Ignored+r.Held || refused == 0 {
		t.Errorf("of %d requests %d were heard: %d forged, %d taken, %d refused; report: %+v", r.Sent, len(heard), forged, taken, refused, r.Counts)
	}
}

// Once it is enough, what has begun is brought to its end and nothing more begins.
func TestEnough(t *testing.T) {
	p := newPeer(t, faults{})
	cfg := playing(p)
	enough := make(chan struct{})
	cfg.Stories, cfg.Enough = 0, enough
	var once sync.Once
	cfg.Heard = func(Exchange) { once.Do(func() { close(enough) }) }
	r := run(t, cfg)
	if err := r.Err(); err != nil || r.Interrupted || r.Sent == 0 || r.Verified == nil {
		t.Errorf("%v: %+v", err, r)
	}
}
