package treezor

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/verification"
)

func TestDocumentStatus(t *testing.T) {
	payload := func(status string) string {
		return `{"documents":[{"documentId":"9","documentStatus":` + status + `}]}`
	}
	for _, test := range []meant{
		{"pending", "document.create", payload(`"PENDING"`), saysPending, nil},
		{"created as validated", "document.create", payload(`"VALIDATED"`), saysValidated, nil},
		{"refused", "document.update", payload(`"REFUSED"`), saysRefused, nil},
		{"canceled by an update", "document.update", payload(`"CANCELED"`), saysCanceled, nil},
		{"cancel of what is validated", "document.cancel", payload(`"VALIDATED"`), saysValidated, nil},
		{"unknown", "document.update", payload(`"ARCHIVED"`), verification.SaysUnknown, []string{"documentStatus"}},
		{"unknown for its case", "document.update", payload(`"validated"`), verification.SaysUnknown, []string{"documentStatus"}},
		{"a number", "document.update", payload(`2`), verification.SaysUnknown, []string{"documentStatus"}},
	} {
		t.Run(test.name, func(t *testing.T) { test.check(t, &document) })
	}
}

func TestLivenessOutcome(t *testing.T) {
	unknown := verification.SaysUnknown
	for _, test := range []meant{
		{"processing", "kycliveness.create", `{"kyc-status":"processing","score":1}`, saysProcessing, nil},
		{"accepted", "kycliveness.update", `{"kyc-status":"processed","score":1}`, saysAccepted, nil},
		{"accepted as text", "kycliveness.update", `{"kyc-status":"processed","score":"1","refusal-details":null}`, saysAccepted, nil},
		{"accepted, no details", "kycliveness.update", `{"kyc-status":"processed","score":1,"refusal-details":[]}`, saysAccepted, nil},
		{"refused by score", "kycliveness.update", `{"kyc-status":"processed","score":0}`, saysRefused, nil},
		{"refused by details", "kycliveness.update", `{"kyc-status":"processed","refusal-details":{"meta":{"count":1}}}`, saysRefused, nil},
		{"details over score", "kycliveness.update", `{"kyc-status":"processed","score":1,"refusal-details":{"meta":{"count":1}}}`, saysRefused, nil},
		{"details of another type", "kycliveness.update", `{"kyc-status":"processed","score":1,"refusal-details":"face"}`, saysRefused, nil},
		{"processed at creation", "kycliveness.create", `{"kyc-status":"processed","score":1}`, saysAccepted, nil},
		{"no score", "kycliveness.update", `{"kyc-status":"processed"}`, unknown, []string{"score"}},
		{"score between", "kycliveness.update", `{"kyc-status":"processed","score":0.5}`, unknown, []string{"score"}},
		{"score above", "kycliveness.update", `{"kyc-status":"processed","score":2}`, unknown, []string{"score"}},
		{"score below", "kycliveness.update", `{"kyc-status":"processed","score":-1}`, unknown, []string{"score"}},
		{"score too large", "kycliveness.update", `{"kyc-status":"processed","score":1e999}`, unknown, []string{"score"}},
		{"score as a boolean", "kycliveness.update", `{"kyc-status":"processed","score":true}`, unknown, []string{"score"}},
		{"unknown status", "kycliveness.update", `{"kyc-status":"validated","score":1}`, unknown, []string{"kyc-status"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if e := test.check(t, &liveness); e.Reference != "77" {
				t.Errorf("reference %q, want the object's", e.Reference)
			}
		})
	}
}

func TestLivenessReasons(t *testing.T) {
	e := decodeOne(t, "kycliveness.update", `{"kyc-status":"processed","refusal-details":{"reasons":[
		{"reason-code":"1312","reason-message":"free text"},{"reason-code":2401},{"reason-code":"1312"},{"reason-code":"13120"},
		{"reason-code":"not a code"},{"reason-code":""},{"reason-message":"free text"},"1320",null]}}`, `,"object_id":"77"`)
	want := []verification.Reason{
		{Code: "1312", Category: verification.CategoryFace, Source: "refusal-details"},
		{Code: "2401", Category: verification.CategoryData, Source: "refusal-details"},
		{Code: "13120", Category: verification.CategoryOther, Source: "refusal-details"},
		{Code: "unlisted", Category: verification.CategoryOther, Source: "refusal-details"},
	}
	if diff := cmp.Diff(want, e.Signal.Reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

// TestResults checks every result under every event of both kinds of identification.
func TestResults(t *testing.T) {
	fits := map[string]map[string]string{
		"created":    {"START": saysStarted, "STARTED": saysStarted},
		"processing": {"CHECK_PENDING": saysCheckPending, "REVIEW_PENDING": saysReviewPending, "FRAUD_SUSPICION_PENDING": saysFraudPending},
		"aborted":    {"ABORTED": saysAborted},
		"finalized": {
			"SUCCESS": saysSuccess, "SUCCESS_DATA_CHANGE": saysSuccessDataChanged, "SUCCESS_DATA_CHANGED": saysSuccessDataChanged,
			"FRAUD_SUSPICION_CONFIRMED": saysFraudConfirmed, "CANCELED": saysCanceled,
		},
	}
	for family, k := range map[string]*verification.Kind{"qes.": &qes, "videoConference.": &videoConference} {
		for event, said := range fits {
			for result := range results {
				t.Run(family+event+"/"+result, func(t *testing.T) {
					payload := `{"transactionNumber":"4be0","result":"` + result + `"}`
					if says, ok := said[result]; ok {
						meant{event: family + event, payload: payload, says: says}.check(t, k)
						return
					}
					e := meant{event: family + event, payload: payload, says: results[result].says}.check(t, k)
					if !slices.Equal(e.Signal.Anomalies, []string{verification.AnomalyEventMismatch}) {
						t.Errorf("anomalies %v of a result that belongs to another event", e.Signal.Anomalies)
					}
				})
			}
			t.Run(family+event+"/unknown", func(t *testing.T) {
				meant{
					event: family + event, payload: `{"transactionNumber":"4be0","result":"Success"}`,
					says: verification.SaysUnknown, unknown: []string{"result"},
				}.check(t, k)
			})
		}
	}
}

func TestIdentificationReasons(t *testing.T) {
	for _, test := range []struct {
		name, event, result, reason string
		want                        []verification.Reason
	}{
		{"code", "qes.aborted", "ABORTED", `{"reasonDetails":{"reasonCode":"3002","reasonMessage":"USER_CANCELLATION_DOCUMENT_EXPIRED"}}`, []verification.Reason{
			{Code: "3002", Category: verification.CategoryUser, Source: "reasonDetails"},
		}},
		{"message without a code", "qes.aborted", "ABORTED", `{"reasonDetails":{"reasonCode":"","reasonMessage":"STALLED_TIMEOUT"}}`, []verification.Reason{
			{Code: "STALLED_TIMEOUT", Category: verification.CategoryUser, Source: "reasonDetails"},
		}},
		{"free text without a code", "qes.aborted", "ABORTED", `{"reasonDetails":{"reasonMessage":"the user left"}}`, []verification.Reason{
			{Code: "unlisted", Category: verification.CategoryOther, Source: "reasonDetails"},
		}},
		{"fraud", "qes.finalized", "FRAUD_SUSPICION_CONFIRMED", `{"reasonDetails":{"reasonCode":3201}}`, []verification.Reason{
			{Code: "FRAUD_SUSPICION_CONFIRMED", Category: verification.CategoryFraud, Source: "result"},
			{Code: "3201", Category: verification.CategoryFraud, Source: "reasonDetails"},
		}},
		{"none", "qes.finalized", "CANCELED", `{"reasonDetails":{"reasonCode":"","reasonMessage":""}}`, nil},
		{"of another type", "qes.finalized", "CANCELED", `["3002"]`, nil},
		{"series not known", "qes.finalized", "CANCELED", `{"reasonDetails":{"reasonCode":"4711"}}`, []verification.Reason{
			{Code: "4711", Category: verification.CategoryOther, Source: "reasonDetails"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := decodeOne(t, test.event, `{"transactionNumber":"4be0","result":"`+test.result+`","reason":`+test.reason+`}`, "")
			if diff := cmp.Diff(test.want, e.Signal.Reasons); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
		})
	}
}

// TestIdentificationAttempts folds what comes after an attempt was abandoned.
func TestIdentificationAttempts(t *testing.T) {
	const aborted = 1771600000
	payload := func(result string) string { return `{"transactionNumber":"4be0","result":"` + result + `"}` }
	for _, test := range []struct {
		event, result string
		later         int
		status        verification.Status
		attempt       int
	}{
		{"qes.created", "STARTED", 1, verification.Pending, 2},
		{"qes.finalized", "SUCCESS", 1, verification.Approved, 2},
		{"qes.finalized", "SUCCESS", 0, verification.Approved, 1},
		{"qes.created", "STARTED", 0, verification.Abandoned, 1},
		{"qes.processing", "CHECK_PENDING", -1, verification.Abandoned, 1},
	} {
		t.Run(test.result, func(t *testing.T) {
			state := qes.Fold([]verification.Signal{
				signalAt(t, &qes, 1, "qes.aborted", payload("ABORTED"), aborted),
				signalAt(t, &qes, 2, test.event, payload(test.result), aborted+test.later),
			})
			if state.Status != test.status || state.Attempt != test.attempt || state.By != "" {
				t.Errorf("state is %s by %q in attempt %d, want %s in %d", state.Status, state.By, state.Attempt, test.status, test.attempt)
			}
		})
	}
}
