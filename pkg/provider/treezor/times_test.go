package treezor

import (
	"testing"
	"time"
)

func TestCreatedAt(t *testing.T) {
	for text, want := range map[string]time.Time{
		"1771583207":           time.Date(2026, 2, 20, 10, 26, 47, 0, time.UTC),
		"1724061955123":        time.Date(2024, 8, 19, 10, 5, 55, 123_000_000, time.UTC),
		"17184418842212":       time.Date(2024, 6, 15, 8, 58, 4, 221_200_000, time.UTC),
		"":                     {},
		"0":                    {},
		"177158320":            {},
		"17715832070":          {},
		"171844188422129":      {},
		"-771583207":           {},
		"+771583207":           {},
		"177158320x":           {},
		"1.77158e+9":           {},
		"99999999999999999999": {},
	} {
		if got := createdAt(text); !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}

// TestAt checks which time of a webhook counts: the envelope's, else the payload's own.
func TestAt(t *testing.T) {
	at := func(text string) time.Time {
		moment, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	doc := func(times string) string {
		return `{"documents":[{"documentId":"9","documentStatus":"PENDING",` + times + `}]}`
	}
	user := func(times string) string { return `{"users":[{"userId":"1","kycReview":"1",` + times + `}]}` }
	live := func(times string) string { return `{"kyc-status":"processing",` + times + `}` }
	review := func(times string) string { return `{"userId":1,"kycReview":1,` + times + `}` }
	const modified = `"createdDate":"2026-01-15 08:00:00","modifiedDate":"2026-07-01 18:28:43"`
	for _, test := range []struct {
		name, event, payload, created string
		want                          time.Time
	}{
		{"envelope first", "document.update", doc(modified), "1771583207", at("2026-02-20T10:26:47Z")},
		{"envelope as text", "document.update", doc(modified), `"1771583207"`, at("2026-02-20T10:26:47Z")},
		{"envelope too large", "document.update", doc(modified), "1e999", at("2026-07-01T16:28:43Z")},
		{"Paris in summer", "document.update", doc(modified), "null", at("2026-07-01T16:28:43Z")},
		{"Paris in winter", "document.create", doc(`"createdDate":"2026-01-15 08:00:00","modifiedDate":"0000-00-00 00:00:00"`), "null", at("2026-01-15T07:00:00Z")},
		{"user", "user.kycreview", user(modified), "null", at("2026-07-01T16:28:43Z")},
		{"user created", "user.kycreview", user(`"createdDate":"2026-01-15 08:00:00","modifiedDate":""`), "null", at("2026-01-15T07:00:00Z")},
		{"liveness", "kycliveness.update", live(`"started-at":"2026-04-11T07:10:47.824723Z","updated-at":"2026-04-11T07:15:18.856843Z"`), "null", at("2026-04-11T07:15:18.856843Z")},
		{"liveness started", "kycliveness.update", live(`"started-at":"2026-04-11T07:10:47.824723Z","updated-at":"soon"`), "null", at("2026-04-11T07:10:47.824723Z")},
		{"identification", "qes.created", `{"transactionNumber":"4be0","result":"STARTED","identificationTime":"2026-05-06T10:58:02+02:00"}`, "null", at("2026-05-06T08:58:02Z")},
		{"identification empty", "qes.created", `{"transactionNumber":"4be0","result":"STARTED","identificationTime":""}`, "null", time.Time{}},
		{"review", "kycreview.result", review(`"lastRequestDatetime":"2026-02-20T09:06:39Z","lastReviewDatetime":"2026-02-20T15:41:02Z"`), "null", at("2026-02-20T15:41:02Z")},
		{"review without its time", "kycreview.result", review(`"lastRequestDatetime":"2026-02-20T09:06:39Z","lastReviewDatetime":null`), "null", at("2026-02-20T09:06:39Z")},
		{"request after a review", "kycreview.request", review(`"lastRequestDatetime":"2026-02-20T09:06:39Z","lastReviewDatetime":"2021-02-20T15:41:02Z"`), "null", at("2026-02-20T09:06:39Z")},
		{"before there was a provider", "kycliveness.update", live(`"updated-at":"0000-01-01T00:00:00+14:00","started-at":"1969-12-31T23:59:59Z"`), "null", time.Time{}},
		{"after JSON's last year", "kycliveness.update", live(`"updated-at":"9999-12-31T23:59:59-12:00"`), "null", time.Time{}},
		{"none", "document.update", doc(`"modifiedDate":null`), "null", time.Time{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := decodeOne(t, test.event, test.payload, `,"object_id":"77","webhook_created_at":`+test.created)
			if !e.Signal.At.Equal(test.want) || e.Signal.At.Location() != time.UTC {
				t.Errorf("at %v, want %v", e.Signal.At, test.want)
			}
		})
	}
}
