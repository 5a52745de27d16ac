package treezor

import (
	"math/rand/v2"
	"time"

	"github.com/verdict-stream/verdict/pkg/madeup"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// identificationScenarios are the ways of an identification, which are the same for both
// kinds: only the beginning of the events differs, and what is processed in between.
func identificationScenarios(prefix string, kind *verification.Kind, family, between string) []provider.Scenario {
	checked := func(result string) []string {
		return []string{"created", "processing." + between, "finalized." + result}
	}
	aborted := []string{"created", "aborted"}
	var list []provider.Scenario
	for _, s := range []struct {
		name     string
		attempts [][]string // the samples of each, in their order
		want     verification.Status
		anomaly  []string
	}{
		{"success", [][]string{checked("success")}, verification.Approved, nil},
		{"data-changed", [][]string{checked("data_changed")}, verification.Approved, []string{verification.AnomalyDataChanged}},
		{"canceled", [][]string{checked("canceled")}, verification.Canceled, nil},
		{"fraud", [][]string{{"created", "processing.fraud_suspicion_pending", "finalized.fraud"}}, verification.Rejected, nil},
		{"aborted", [][]string{aborted}, verification.Abandoned, nil},
		{"aborted-then-retried", [][]string{aborted, checked("success")}, verification.Approved, nil},
	} {
		list = append(list, provider.Scenario{Name: prefix + s.name, Make: func(r *rand.Rand, now time.Time) provider.Story {
			u, transaction := newUser(r, now), madeup.UUID(r)
			want := provider.Expectation{Kind: kind.Name, Reference: transaction, Status: s.want, Attempt: len(s.attempts), Anomalies: s.anomaly}
			var deliveries []provider.Posted
			for _, samples := range s.attempts {
				id := "TST-" + madeup.Code(r, 7)
				for _, sample := range samples {
					deliveries = append(deliveries, u.identification(family, sample, transaction, id))
				}
			}
			want.Signals = len(deliveries)
			return provider.Story{Deliveries: deliveries, Want: []provider.Expectation{want}}
		}})
	}
	return list
}
