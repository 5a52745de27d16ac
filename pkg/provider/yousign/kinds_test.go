package yousign

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// TestStories folds what is posted for one document, in the order of arrival and in the
// reverse: the event's time tells which one stands, and of one second the decision.
func TestStories(t *testing.T) {
	type webhook struct {
		status string
		second int
	}
	type outcome struct {
		status    verification.Status
		due       bool
		anomalies []string
	}
	for _, test := range []struct {
		name     string
		webhooks []webhook
		want     outcome
	}{
		{"verified within the second", []webhook{{"pending", 100}, {"verified", 100}}, outcome{status: verification.Approved}},
		{"pending again decides nothing", []webhook{{"verified", 100}, {"awaiting_data", 200}}, outcome{status: verification.Approved}},
		{"the later decision stands", []webhook{{"inconclusive", 100}, {"verified", 200}}, outcome{verification.Approved, false, []string{verification.AnomalyDecisionChanged}}},
		{"waiting for data", []webhook{{"pending", 100}, {"awaiting_data", 200}}, outcome{status: verification.Pending, due: true}},
	} {
		for _, order := range []string{"in order", "reversed"} {
			t.Run(test.name+", "+order, func(t *testing.T) {
				webhooks := slices.Clone(test.webhooks)
				if order == "reversed" {
					slices.Reverse(webhooks)
				}
				var set []verification.Signal
				for i, w := range webhooks {
					s := decoded(t, fmt.Sprintf(`{"event_time":%d,`+done+`,"data":{"identity_document":{"id":"d","status":%q}}}`, w.second, w.status)).Signal
					s.Received(uint64(i+1), time.Unix(int64(1000+i), 0).UTC(), "")
					set = append(set, s)
				}
				st := identityDocument.Fold(set)
				due := st.ReviewDueAt != nil && st.ReviewDueAt.Equal(time.Unix(200, 0).Add(24*time.Hour))
				got := outcome{st.Status, due, st.Anomalies}
				if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(outcome{})); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
}
