package verification_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/verification"
)

func TestDeadline(t *testing.T) {
	due := noon.Add(time.Hour)
	onlyReview := *sample
	onlyReview.DeadlineFor = []verification.Status{verification.AwaitingReview}
	never := *sample
	never.Deadline = 0
	passed := func(at time.Time) verification.Signal {
		return verification.NewOverdue(at, noon.Add(2*time.Hour), false)
	}
	for _, c := range []struct {
		name    string
		kind    *verification.Kind
		set     []verification.Signal
		due     *time.Time
		overdue bool
	}{
		{"open", sample, told("started"), &due, false},
		{"passed", sample, append(told("started"), passed(due)), &due, true},
		{"counts from the signal that set the status", sample, told("started@-60", "review@0", "noted@5"), &due, false},
		{"an earlier one passed", sample, append(told("started@-60", "review@0"), passed(noon)), &due, false},
		{"decided", sample, append(told("started", "yes"), passed(due)), nil, false},
		{"ended", sample, told("canceled"), nil, false},
		{"without a status it counts from the first signal", sample, told("noted", "unknown_value@5"), &due, false},
		{"this status waits", &onlyReview, told("review"), &due, false},
		{"this status does not", &onlyReview, told("checking"), nil, false},
		{"no deadline", &never, append(told("review"), passed(noon)), nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.kind.Fold(c.set)
			if diff := cmp.Diff(c.due, got.ReviewDueAt); diff != "" || got.Overdue != c.overdue {
				t.Errorf("due %v, overdue %t; want %v, %t", got.ReviewDueAt, got.Overdue, c.due, c.overdue)
			}
		})
	}
}

func TestAnonymized(t *testing.T) {
	at := func(through uint64) verification.Signal { return verification.NewAnonymized(through, noon, false) }
	erased := told("yes", "noted")
	erased[1].Anonymized = true
	later := append(slices.Clone(erased), told("", "", "noted")[2])
	for _, c := range []struct {
		name    string
		set     []verification.Signal
		gone    bool
		through uint64
	}{
		{"never", told("yes"), false, 0},
		{"by retention", append(told("yes", "noted"), at(2)), true, 2},
		{"twice", append(told("yes", "noted"), at(2), at(1)), true, 2},
		{"before the last delivery", append(told("yes", "noted"), at(1)), false, 1},
		{"by the provider", erased, true, verification.AllDeliveries},
		{"by the provider for good", later, true, verification.AllDeliveries},
		{"by the provider and retention", append(slices.Clone(later), at(2)), true, verification.AllDeliveries},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := sample.Fold(c.set)
			if got.DataAnonymized != c.gone || got.AnonymizedThrough != c.through {
				t.Errorf("gone %t through %d, want %t through %d", got.DataAnonymized, got.AnonymizedThrough, c.gone, c.through)
			}
			if got.Status != verification.Approved {
				t.Errorf("status became %s", got.Status)
			}
		})
	}
}
