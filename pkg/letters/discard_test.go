package letters

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
)

// What is discarded is told to be dead, as its letter said, before the letter is gone.
func TestDiscard(t *testing.T) {
	d := newDesk(t)
	d.deliveries(t, 40, "acme", "undecodable")
	d.deliveries(t, 1, "other", "corrupt_seal")
	check(t, d.Bus.Bury(t.Context(), bus.DeadLetter{
		Consumer: "receiver", Stream: bus.Spool, Sequence: 9, Subject: "kyc.webhook.other.done", EventID: "other:9", Provider: "other", Cause: "unpublishable",
		FirstErrorAt: failedAt, LastErrorAt: failedAt,
	}))
	check(t, d.Bus.Bury(t.Context(), bus.DeadLetter{
		Consumer: "projector-webhooks", Stream: bus.Webhooks, Sequence: 1, Subject: "kyc.webhook.acme.done", Provider: "acme", Cause: "unreadable",
	}))
	_, err := d.Discard(t.Context(), Work{Selection: Selection{Provider: "other"}, Through: 100})
	check(t, err)
	want := []event.Outcome{
		{Sequence: 41, Delivery: "other:corrupt_seal-0:0123456789abcdef", Cause: "corrupt_seal"},
		{Sequence: 9, Delivery: "other:9", Cause: "unpublishable", Stream: bus.Spool},
	}
	for i := range want {
		want[i].Provider, want[i].Event, want[i].Outcome, want[i].At = "other", "done", event.Dead, failedAt
		want[i].Anomalies, want[i].Verifications = []string{}, []string{}
	}
	if diff := cmp.Diff(want, d.outcomes(t), cmpopts.SortSlices(func(a, b event.Outcome) bool { return a.Sequence > b.Sequence })); diff != "" {
		t.Errorf("told (-want +got)\n%s", diff)
	}
	so, err := d.Discard(t.Context(), Work{Selection: Selection{All: true}, Through: 100})
	if err != nil || so.Done != 41 {
		t.Errorf("%+v, %v", so, err)
	}
	// That the read model could not show a delivery says nothing of how it ended.
	if told := d.outcomes(t); len(told) != 2+40 {
		t.Errorf("%d outcomes were told", len(told))
	}
	if open := d.open(t); len(open) > 0 {
		t.Errorf("still open: %v", open)
	}
	if _, err := d.Discard(t.Context(), Work{Selection: Selection{Letter: 1}, Through: 100}); !errors.Is(err, ErrNoLetter) {
		t.Errorf("a letter that is gone: %v", err)
	}
	if _, err := d.Discard(t.Context(), Work{Selection: Selection{Unhandled: true}, Through: 100}); !errors.Is(err, ErrSelection) {
		t.Errorf("what told of nothing: %v", err)
	}
}

func TestDiscardWhileTheBrokerIsAway(t *testing.T) {
	const many = 2*discarders + 1
	d := newDesk(t)
	d.deliveries(t, many, "acme", "undecodable")
	var back *time.Timer
	so, err := d.Discard(t.Context(), Work{Selection: Selection{All: true}, Through: many, Progress: func(p Progress) error {
		if p.Done != discarders {
			return nil
		}
		// Without their stream the broker takes no outcomes.
		back = time.AfterFunc(500*time.Millisecond, func() { _ = d.Bus.EnsureStreams(t.Context(), settings) })
		return d.Bus.DropStream(t.Context(), bus.Outcomes)
	}})
	if err != nil || so.Done != many || len(d.outcomes(t)) != many-discarders || len(d.open(t)) > 0 {
		t.Errorf("%+v, %v", so, err)
	}
	if back.Stop() {
		t.Error("it was not waited for")
	}
}

func TestReasons(t *testing.T) {
	for _, reason := range []string{"", " ", "two\nlines", strings.Repeat("x", maxReason+1)} {
		if err := CheckReason(reason); !errors.Is(err, ErrReason) {
			t.Errorf("%q: %v", reason, err)
		}
	}
	if err := CheckReason("sent by a broken test system"); err != nil {
		t.Error(err)
	}
}
