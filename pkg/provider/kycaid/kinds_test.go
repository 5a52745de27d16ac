package kycaid

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// TestNeverUndecides folds a decision and callbacks without one, in both orders of arrival.
func TestNeverUndecides(t *testing.T) {
	approved := `{` + completed + `,"status":"completed","verified":true}`
	declined := `{` + completed + `,"status":"completed","verified":false}`
	for _, test := range []struct {
		name      string
		bodies    []string
		status    verification.Status
		anomalies []string
	}{
		{"pending", []string{approved, `{` + changed + `,"verification_status":"pending"}`}, verification.Approved, nil},
		{"unused", []string{approved, `{` + changed + `,"verification_status":"unused"}`}, verification.Approved, nil},
		{"completed without a decision", []string{declined, `{` + changed + `,"verification_status":"completed"}`}, verification.Rejected, nil},
		{"null", []string{declined, `{` + completed + `,"status":"completed","verified":null}`}, verification.Rejected, nil},
		{"unknown", []string{approved, `{` + completed + `,"status":"completed","verified":"maybe"}`}, verification.Approved, []string{verification.AnomalyUnknownValue}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for range 2 {
				state := formVerification.Fold(received(t, test.bodies))
				if state.Status != test.status || !slices.Equal(state.Anomalies, test.anomalies) || state.By != "" {
					t.Errorf("state is %s by %q with %v, want %s with %v", state.Status, state.By, state.Anomalies, test.status, test.anomalies)
				}
				slices.Reverse(test.bodies)
			}
		})
	}
}

// TestDecidesAnew folds two decisions: the later to arrive stands, and it is recorded that
// only the arrival tells the order.
func TestDecidesAnew(t *testing.T) {
	state := formVerification.Fold(received(t, []string{
		`{` + completed + `,"status":"completed","verified":true}`,
		`{` + completed + `,"status":"completed","verified":false}`,
	}))
	if state.Status != verification.Rejected || state.Supersedes == nil || state.Supersedes.Status != verification.Approved {
		t.Errorf("state is %s superseding %v, want rejected superseding approved", state.Status, state.Supersedes)
	}
	want := []string{verification.AnomalyDecisionChanged, verification.AnomalyOrderUnknown}
	if diff := cmp.Diff(want, state.Anomalies); diff != "" {
		t.Errorf("anomalies (-want +got):\n%s", diff)
	}
}

// received decodes the bodies as they arrive, a minute apart.
func received(t *testing.T, bodies []string) []verification.Signal {
	t.Helper()
	signals := make([]verification.Signal, len(bodies))
	for i, body := range bodies {
		signals[i] = decodeOne(t, body).Signal
		signals[i].Received(uint64(i+1), time.Date(2026, 3, 2, 10, i, 0, 0, time.UTC), "")
		if err := formVerification.Fill(&signals[i]); err != nil {
			t.Fatal(err)
		}
	}
	return signals
}
