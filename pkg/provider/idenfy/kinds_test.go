package idenfy

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// TestStories folds what is posted for one scanRef, in the order of arrival and in the
// reverse: iDenfy's own times tell which one stands.
func TestStories(t *testing.T) {
	type callback struct{ event, final, overall, start, finish string }
	type outcome struct {
		status, preliminary verification.Status
		by                  verification.By
		attempt             int
		anomalies           []string
	}
	const early, late = `100`, `200`
	for _, test := range []struct {
		name      string
		callbacks []callback
		want      outcome
	}{
		{
			"a human decides after the automation's opinion",
			[]callback{{autoFinish, `false`, "DENIED", early, early}, {manualFinish, `true`, "APPROVED", early, early}},
			outcome{status: verification.Approved, by: verification.ByHuman, attempt: 1},
		},
		{
			"a human's decision stands against the automation's of one moment",
			[]callback{{autoFinish, `true`, "DENIED", early, early}, {manualFinish, `true`, "APPROVED", early, early}},
			outcome{status: verification.Approved, by: verification.ByHuman, attempt: 1, anomalies: []string{verification.AnomalyDecisionChanged}},
		},
		{
			"a denied end user tries again",
			[]callback{{autoFinish, `true`, "DENIED", early, early}, {autoFinish, `true`, "APPROVED", late, late}},
			outcome{status: verification.Approved, by: verification.ByAutomation, attempt: 2},
		},
		{
			"of two tries with one finish the later start stands",
			[]callback{{autoFinish, `true`, "DENIED", early, late}, {autoFinish, `true`, "APPROVED", late, late}},
			outcome{status: verification.Approved, by: verification.ByAutomation, attempt: 2},
		},
		{
			"a second try waits for a human",
			[]callback{{manualFinish, `true`, "DENIED", early, early}, {autoFinish, `false`, "SUSPECTED", late, late}},
			outcome{status: verification.AwaitingReview, preliminary: verification.Suspected, attempt: 2},
		},
		{
			"an approved end user has no second try",
			[]callback{{autoFinish, `true`, "APPROVED", early, early}, {autoFinish, `false`, "DENIED", late, late}},
			outcome{status: verification.Approved, by: verification.ByAutomation, attempt: 1},
		},
		{
			"an expiry replaces no decision",
			[]callback{{autoFinish, `true`, "DENIED", early, early}, {expired, `null`, "EXPIRED", early, `null`}},
			outcome{status: verification.Rejected, by: verification.ByAutomation, attempt: 1},
		},
		{
			"a session without times expires last",
			[]callback{{autoFinish, `false`, "APPROVED", early, early}, {expired, `null`, "EXPIRED", `null`, `null`}},
			outcome{status: verification.Expired, attempt: 1},
		},
	} {
		for _, order := range []string{"in order", "reversed"} {
			t.Run(test.name+", "+order, func(t *testing.T) {
				callbacks := slices.Clone(test.callbacks)
				if order == "reversed" {
					slices.Reverse(callbacks)
				}
				var set []verification.Signal
				for i, c := range callbacks {
					s := decoded(t, c.event, fmt.Sprintf(`{"scanRef":"s","final":%s,"startTime":%s,"finishTime":%s,"status":{"overall":%q}}`,
						c.final, c.start, c.finish, c.overall)).Signal
					s.Received(uint64(i+1), time.Unix(int64(1000+i), 0).UTC(), "")
					set = append(set, s)
				}
				st := idVerification.Fold(set)
				got := outcome{st.Status, st.Preliminary, st.By, st.Attempt, st.Anomalies}
				if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(outcome{})); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
}

// TestReviewDue checks that the time for a review counts from the finish of the automation,
// and that nothing else is ever due.
func TestReviewDue(t *testing.T) {
	for _, test := range []struct {
		overall string
		want    *time.Time
	}{
		{"REVIEWING", new(time.Date(2026, 9, 21, 14, 34, 20, 0, time.UTC))},
		{"ACTIVE", nil},
		{"APPROVED", nil},
	} {
		s := decoded(t, legacy, `{"scanRef":"s","startTime":1790000000,"finishTime":1790000060,"status":{"overall":"`+test.overall+`"}}`).Signal
		s.Received(1, time.Unix(1790000100, 0).UTC(), "")
		if diff := cmp.Diff(test.want, idVerification.Fold([]verification.Signal{s}).ReviewDueAt); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.overall, diff)
		}
	}
}
