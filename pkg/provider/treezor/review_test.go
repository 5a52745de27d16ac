package treezor

import (
	"strconv"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/verification"
)

func TestReviewNumbers(t *testing.T) {
	for number, says := range map[string]string{
		"0": saysNone, "1": saysPending, "2": saysValidated, "3": saysRefused,
		"4": saysInvestigating, "5": saysClosed, "6": saysReviewOpen, "7": saysReviewPending,
	} {
		requested := says
		if says != saysValidated && says != saysRefused && says != saysClosed {
			requested = "request_" + says
		}
		for _, written := range []string{number, strconv.Quote(number)} {
			t.Run(written, func(t *testing.T) {
				user := `{"users":[{"userId":"1","kycReview":` + written + `}]}`
				review := `{"userId":1,"kycReview":` + written + `}`
				meant{event: "user.kycreview", payload: user, says: says}.check(t, &kycReview)
				meant{event: "user.kycrequest", payload: user, says: requested}.check(t, &kycReview)
				meant{event: "kycreview.result", payload: review, says: says}.check(t, &kycReview)
				meant{event: "kycreview.request", payload: review, says: requested}.check(t, &kycReview)
			})
		}
	}
}

func TestReviewStatus(t *testing.T) {
	unknown := verification.SaysUnknown
	for _, test := range []meant{
		{"status alone", "kycreview.result", `{"userId":1,"kycStatus":"VALIDATED"}`, saysValidated, nil},
		{"refused alone", "kycreview.result", `{"userId":1,"kycReview":null,"kycStatus":"REFUSED"}`, saysRefused, nil},
		{"pending alone", "kycreview.request", `{"userId":1,"kycStatus":"PENDING"}`, "request_pending", nil},
		{"agree on pending", "kycreview.result", `{"userId":1,"kycReview":7,"kycStatus":"PENDING"}`, saysReviewPending, nil},
		{"pending before a review", "kycreview.result", `{"userId":1,"kycReview":0,"kycStatus":"PENDING"}`, saysNone, nil},
		{"agree on validated", "kycreview.result", `{"userId":1,"kycReview":2,"kycStatus":"VALIDATED"}`, saysValidated, nil},
		{"agree on refused", "kycreview.result", `{"userId":1,"kycReview":3,"kycStatus":"REFUSED"}`, saysRefused, nil},
		{"validated and refused", "kycreview.result", `{"userId":1,"kycReview":2,"kycStatus":"REFUSED"}`, unknown, []string{"kycReview"}},
		{"validated and pending", "kycreview.request", `{"userId":1,"kycReview":2,"kycStatus":"PENDING"}`, unknown, []string{"kycReview"}},
		{"pending and validated", "kycreview.result", `{"userId":1,"kycReview":1,"kycStatus":"VALIDATED"}`, unknown, []string{"kycReview"}},
		{"closed and validated", "kycreview.result", `{"userId":1,"kycReview":5,"kycStatus":"VALIDATED"}`, unknown, []string{"kycReview"}},
		{"unknown number", "kycreview.result", `{"userId":1,"kycReview":8,"kycStatus":"VALIDATED"}`, unknown, []string{"kycReview"}},
		{"unknown status", "kycreview.result", `{"userId":1,"kycReview":2,"kycStatus":"FROZEN"}`, unknown, []string{"kycStatus"}},
		{"both unknown", "kycreview.result", `{"userId":1,"kycReview":-1,"kycStatus":"FROZEN"}`, unknown, []string{"kycReview", "kycStatus"}},
		{"broken number", "user.kycreview", `{"users":[{"userId":"1","kycReview":2.0}]}`, unknown, []string{"kycReview"}},
		{"huge number", "user.kycreview", `{"users":[{"userId":"1","kycReview":1e999}]}`, unknown, []string{"kycReview"}},
		{"a user has no status", "user.kycreview", `{"users":[{"userId":"1","kycReview":"2","kycStatus":"REFUSED"}]}`, saysValidated, nil},
	} {
		t.Run(test.name, func(t *testing.T) { test.check(t, &kycReview) })
	}
}

// TestReviewAttempts folds a decision and what comes after it.
func TestReviewAttempts(t *testing.T) {
	const decided, second = 1771600000, 1
	for _, test := range []struct {
		name, event, review string
		later               int
		status              verification.Status
		attempt             int
	}{
		{"requested again", "user.kycrequest", "1", second, verification.AwaitingReview, 2},
		{"requested again, without a review yet", "user.kycrequest", "0", second, verification.Pending, 2},
		{"requested in the same second", "user.kycrequest", "1", 0, verification.Rejected, 1},
		{"requested before", "user.kycrequest", "1", -second, verification.Rejected, 1},
		{"no request", "user.kycreview", "1", second, verification.Rejected, 1},
		{"decided anew", "user.kycreview", "2", second, verification.Approved, 1},
		{"decided anew by a request's name", "user.kycrequest", "2", second, verification.Approved, 1},
		{"closed", "user.kycreview", "5", second, verification.Rejected, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			set := []verification.Signal{
				signalAt(t, &kycReview, 1, "user.kycreview", `{"users":[{"userId":"1","kycReview":"3"}]}`, decided),
				signalAt(t, &kycReview, 2, test.event, `{"users":[{"userId":"1","kycReview":"`+test.review+`","kycLevel":"1"}]}`, decided+test.later),
			}
			state := kycReview.Fold(set)
			if state.Status != test.status || state.Attempt != test.attempt {
				t.Errorf("state is %s in attempt %d, want %s in %d", state.Status, state.Attempt, test.status, test.attempt)
			}
			if state.Decision == nil || state.Decision.By != verification.ByHuman {
				t.Errorf("decision %+v, want one by a human", state.Decision)
			}
		})
	}
}

// signalAt decodes a webhook that was made at a time in seconds, and receives it later.
func signalAt(t *testing.T, k *verification.Kind, seq int, event, payload string, created int) verification.Signal {
	t.Helper()
	s := decodeOne(t, event, payload, `,"object_id":"77","webhook_created_at":`+strconv.Itoa(created)).Signal
	s.Received(uint64(seq), time.Unix(int64(created), 0).Add(time.Hour).UTC(), "")
	if err := k.Fill(&s); err != nil {
		t.Fatal(err)
	}
	return s
}
