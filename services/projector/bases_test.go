package projector

import (
	"errors"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// learn has a basis settled for the events of a verification up to a version.
func learn(s *bases, id string, versions int) {
	for version := range versions {
		_ = s.with(row(id, version), func(*basis) error { return nil })
	}
}

// known returns how many events of a verification are known, while nobody else uses the bases.
func known(s *bases, key verificationKey) int {
	if e := s.known[key]; e != nil {
		return len(e.Value.(*place).basis.versions)
	}
	return 0
}

// row is the event of a version.
func row(id string, version int) *store.EventRow {
	return &store.EventRow{Data: event.Verification{ID: id, Version: version, Signal: verification.Signal{ID: strconv.Itoa(version)}}}
}

func TestBasesAreBounded(t *testing.T) {
	var (
		s    bases
		wait sync.WaitGroup
	)
	const writers, versions = 4, 9
	for writer := range writers {
		wait.Go(func() {
			for i := range basesKept / versions {
				learn(&s, strconv.Itoa(writer)+"-"+strconv.Itoa(i), versions)
			}
		})
	}
	wait.Wait()
	size := 0
	for e := s.order.Front(); e != nil; e = e.Next() {
		size += e.Value.(*place).size
	}
	if size != s.kept || size > basesKept || size < basesKept/2 || len(s.known) != s.order.Len() {
		t.Errorf("%d of %d events in %d bases are kept, and %d counted", size, basesKept, len(s.known), s.kept)
	}

	// One in use stays however many others there are, and of the others the one used last.
	_ = s.with(row("held", 0), func(*basis) error {
		for i := range basesKept {
			learn(&s, "other-"+strconv.Itoa(i), 1)
		}
		if known(&s, verificationKey{id: "held"}) != 1 {
			t.Error("a basis in use was forgotten")
		}
		return nil
	})
	for key, want := range map[verificationKey]int{
		{id: "other-" + strconv.Itoa(basesKept-1)}: 1,
		{id: "other-0"}:             0,
		{id: "held", sandbox: true}: 0,
	} {
		if got := known(&s, key); got != want {
			t.Errorf("%d events of %+v are known, want %d", got, key, want)
		}
	}
}

// An event is settled once, by whoever learns of it first; what was not settled is settled again.
func TestBasisIsSettledForAllThatItKnows(t *testing.T) {
	var (
		s     bases
		other sync.WaitGroup
	)
	failed := errors.New("failed")
	err := s.with(row("s1", 0), func(b *basis) error {
		other.Go(func() {
			if err := s.with(row("s1", 1), func(*basis) error { return failed }); err != nil {
				t.Error("what was settled together with another event is settled again")
			}
		})
		for !b.collect() {
			runtime.Gosched()
		}
		return nil
	})
	other.Wait()
	if err != nil || known(&s, verificationKey{id: "s1"}) != 2 {
		t.Fatalf("%d events are known, error %v", known(&s, verificationKey{id: "s1"}), err)
	}
	for _, version := range []int{0, 1} {
		if err := s.with(row("s1", version), func(*basis) error { return failed }); err != nil {
			t.Errorf("version %d is settled again when it comes again", version)
		}
	}
	for range 2 {
		if err := s.with(row("s1", 2), func(*basis) error { return failed }); !errors.Is(err, failed) {
			t.Errorf("error %v, want %v", err, failed)
		}
	}
	func() {
		defer func() { _ = recover() }()
		_ = s.with(row("s1", 2), func(*basis) error { panic("failed") })
	}()
	if got := known(&s, verificationKey{id: "s1"}); got != 0 {
		t.Errorf("%d events are known of what was not settled", got)
	}
	if err := s.with(row("s1", 2), func(*basis) error { return nil }); err != nil {
		t.Errorf("after a panic: %v", err)
	}
}

func TestRecentIsBounded(t *testing.T) {
	var r recent
	const size = 64 << 10
	kept := recentBytes / (size + recentOverhead)
	for seq := range uint64(3 * kept) {
		webhook := event.Webhook{ID: strconv.FormatUint(seq, 10), Sealed: make([]byte, size)}
		r.add(seq, webhook)
		r.add(seq, webhook) // it came again
		if got, ok := r.get(seq, webhook.ID); !ok || got.ID != webhook.ID {
			t.Fatalf("delivery %d was forgotten at once", seq)
		}
	}
	if len(r.deliveries) != kept || len(r.order) != kept || r.bytes != kept*(size+recentOverhead) {
		t.Errorf("%d deliveries, %d in order, of %d bytes; want %d", len(r.deliveries), len(r.order), r.bytes, kept)
	}
	if _, ok := r.get(0, "0"); ok {
		t.Error("the oldest is still there")
	}
	last := uint64(3*kept - 1)
	if _, ok := r.get(last, "another"); ok {
		t.Error("the delivery of another stream was taken for it")
	}
}
