package treezor

import (
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/provider"
)

func TestDecodeRefuses(t *testing.T) {
	const payload = `{"users":[{"userId":"1","kycReview":"2"}]}`
	good := webhookBody("user.kycreview", payload, "")
	for _, test := range []refusal{
		{"received as not listed", provider.EventOther, good, ""},
		{"received as one that tells nothing", "user_update", webhookBody("user.update", payload, ""), ""},
		{"received under another name", "user_kycrequest", good, provider.CauseEventMismatch},
		{"received under another case", "USER_KYCREVIEW", good, provider.CauseEventMismatch},
		{"received under no name", provider.EventUndecodable, good, provider.CauseEventMismatch},
		{"now not listed", "user_kycreview", webhookBody("user.freeze", payload, ""), provider.CauseEventMismatch},
		{"no name", provider.EventUndecodable, `{"object_payload":` + payload + `}`, provider.CauseMissingField},
		{"no payload", "user_kycreview", `{"webhook":"user.kycreview"}`, provider.CauseMissingField},
		{"payload is a list", "user_kycreview", webhookBody("user.kycreview", `[]`, ""), provider.CauseMissingField},
		{"payload is a text", "user_kycreview", webhookBody("user.kycreview", `"{}"`, ""), provider.CauseMissingField},
		{"nested twice", provider.EventUndecodable, `{"webhook":{"webhook":` + good + `}}`, provider.CauseMissingField},
		{"users is an object", "user_kycreview", webhookBody("user.kycreview", `{"users":{"userId":"1"}}`, ""), provider.CauseEventMismatch},
		{"no users", "user_kycreview", webhookBody("user.kycreview", `{"users":[]}`, ""), provider.CauseMissingField},
		{"one user is none", "user_kycreview", webhookBody("user.kycreview", `{"users":[{"userId":"1","kycReview":"2"},null]}`, ""), provider.CauseMissingReference},
		{"one user without id", "user_kycreview", webhookBody("user.kycreview", `{"users":[{"userId":"1","kycReview":"2"},{"userId":"","kycReview":"2"}]}`, ""), provider.CauseMissingReference},
		{"one user without review", "user_kycreview", webhookBody("user.kycreview", `{"users":[{"userId":"1","kycReview":"2"},{"userId":"2"}]}`, ""), provider.CauseMissingField},
		{"user with a status alone", "user_kycreview", webhookBody("user.kycreview", `{"users":[{"userId":"1","kycStatus":"VALIDATED"}]}`, ""), provider.CauseMissingField},
		{"review without a user", "kycreview_result", webhookBody("kycreview.result", `{"kycReview":2}`, ""), provider.CauseMissingReference},
		{"review without a review", "kycreview_result", webhookBody("kycreview.result", `{"userId":1,"kycReview":null}`, ""), provider.CauseMissingField},
		{"document without id", "document_create", webhookBody("document.create", `{"documents":[{"documentStatus":"PENDING"}]}`, ""), provider.CauseMissingReference},
		{"document without status", "document_create", webhookBody("document.create", `{"documents":[{"documentId":"9"}]}`, ""), provider.CauseMissingField},
		{"liveness without object", "kycliveness_update", webhookBody("kycliveness.update", `{"kyc-status":"processed"}`, ""), provider.CauseMissingReference},
		{"liveness without status", "kycliveness_update", webhookBody("kycliveness.update", `{"kyc-status":null}`, `,"object_id":"1"`), provider.CauseMissingField},
		{"identification without number", "qes_created", webhookBody("qes.created", `{"result":"STARTED"}`, ""), provider.CauseMissingReference},
		{"identification without result", "qes_created", webhookBody("qes.created", `{"transactionNumber":"4be0"}`, ""), provider.CauseMissingField},
		{"too deep", "user_kycreview", webhookBody("user.kycreview", `{"users":`+strings.Repeat("[", 11000)+strings.Repeat("]", 11000)+`}`, ""), provider.CauseInvalidJSON},
		{"invalid UTF-8", "user_kycreview", webhookBody("user.kycreview", "{\"users\":\"\xc3\"}", ""), provider.CauseInvalidUTF8},
	} {
		t.Run(test.name, test.check)
	}
}

// TestElements checks that every element of a list is a signal of its own.
func TestElements(t *testing.T) {
	const users = `{"users":[{"userId":"1","kycReview":"2"},{"userId":22,"kycReview":3},{"userId":"1","kycReview":"2"}]}`
	ids := map[string]bool{}
	for i, e := range decodeAll(t, "user.kycreview", users, "") {
		if want := []string{"1", "22", "1"}[i]; e.Reference != want || e.Signal.Applicant != want {
			t.Errorf("element %d is about %q of %q, want %q", i, e.Reference, e.Signal.Applicant, want)
		}
		if want := provider.SignalID([]byte(users), i); e.Signal.ID != want || ids[want] {
			t.Errorf("element %d has the id %q, want %q", i, e.Signal.ID, want)
		}
		ids[e.Signal.ID] = true
	}
	documents := decodeAll(t, "document.update", `{"documents":[{"documentId":"9","userId":"1","documentStatus":"PENDING"},{"documentId":10,"documentStatus":"VALIDATED"}]}`, "")
	if len(documents) != 2 || documents[1].Reference != "10" || documents[1].Signal.Applicant != "" || documents[0].Signal.Applicant != "1" {
		t.Errorf("documents %+v, want two of them", documents)
	}
}
