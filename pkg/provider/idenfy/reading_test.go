package idenfy

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// TestReading is the rules for finality, one line each.
func TestReading(t *testing.T) {
	const mismatch, unlisted = verification.AnomalyEventMismatch, verification.AnomalyUnknownValue
	for _, test := range []struct {
		name, event, final, status string
		says                       string
		preliminary                verification.Status
		anomalies, unknown         []string
	}{
		{name: "auto approved", event: autoFinish, final: `true`, status: `"overall":"APPROVED"`, says: saysAutoApproved},
		{name: "auto denied", event: autoFinish, final: `true`, status: `"overall":"DENIED"`, says: saysAutoRejected},
		{name: "auto suspected", event: autoFinish, final: `true`, status: `"overall":"SUSPECTED"`, says: saysAutoSuspected},
		{name: "final as text", event: autoFinish, final: `"true"`, status: `"overall":"APPROVED"`, says: saysAutoApproved},
		{name: "manual approved", event: manualFinish, final: `true`, status: `"overall":"APPROVED"`, says: saysManualApproved},
		{name: "manual denied", event: manualFinish, final: `true`, status: `"overall":"DENIED"`, says: saysManualRejected},
		{name: "manual suspected", event: manualFinish, final: `true`, status: `"overall":"SUSPECTED"`, says: saysManualSuspected},
		{name: "manual field at the auto URL", event: autoFinish, final: `true`, status: `"overall":"APPROVED","manualFace":"FACE_MATCH"`, says: saysManualApproved},
		{name: "manual field at the legacy URL", event: legacy, final: `true`, status: `"overall":"DENIED","manualDocument":"DOC_FAKE"`, says: saysManualRejected},
		{name: "empty manual fields", event: legacy, final: `true`, status: `"overall":"DENIED","manualDocument":"","manualFace":null`, says: saysAutoRejected},

		{name: "preliminary", event: autoFinish, final: `false`, status: `"overall":"DENIED"`, says: saysPreliminary, preliminary: verification.Rejected},
		{name: "preliminary as text", event: legacy, final: `"false"`, status: `"overall":"APPROVED"`, says: saysPreliminary, preliminary: verification.Approved},
		{name: "preliminary at the manual URL", event: manualFinish, final: `false`, status: `"overall":"APPROVED"`, says: saysPreliminary, preliminary: verification.Approved, anomalies: []string{mismatch}},
		{name: "preliminary with manual fields at the manual URL", event: manualFinish, final: `false`, status: `"overall":"APPROVED","manualFace":"FACE_MATCH"`, says: saysPreliminary, preliminary: verification.Approved, anomalies: []string{mismatch}},
		{name: "preliminary at the canceled URL", event: canceled, final: `false`, status: `"overall":"SUSPECTED"`, says: saysPreliminary, preliminary: verification.Suspected, anomalies: []string{mismatch}},
		{name: "preliminary at the expired URL", event: expired, final: `false`, status: `"overall":"SUSPECTED"`, says: saysPreliminary, preliminary: verification.Suspected, anomalies: []string{mismatch}},
		{name: "preliminary of an unknown value", event: autoFinish, final: `false`, status: `"overall":"MAYBE"`, says: saysPreliminary, anomalies: []string{unlisted}, unknown: []string{"overall"}},

		{name: "denied although expired", event: expired, final: `true`, status: `"overall":"DENIED"`, says: saysAutoRejected},
		{name: "approved although canceled", event: canceled, final: `true`, status: `"overall":"APPROVED"`, says: saysAutoApproved},
		{name: "final and expired", event: autoFinish, final: `true`, status: `"overall":"EXPIRED"`, says: saysExpired},
		{name: "final and reviewing", event: legacy, final: `true`, status: `"overall":"REVIEWING"`, says: saysReviewing},
		{name: "final and unknown", event: manualFinish, final: `true`, status: `"overall":"MAYBE"`, says: verification.SaysUnknown, anomalies: []string{unlisted}, unknown: []string{"overall"}},
		{name: "final and nothing", event: autoFinish, final: `true`, status: ``, says: verification.SaysUnknown, anomalies: []string{unlisted}, unknown: []string{"overall"}},
		{name: "final of another type", event: legacy, final: `"yes"`, status: `"overall":"APPROVED"`, says: verification.SaysUnknown, anomalies: []string{unlisted}, unknown: []string{"final"}},
		{name: "final is an object at the canceled URL", event: canceled, final: `{}`, status: `"overall":"APPROVED"`, says: verification.SaysUnknown, anomalies: []string{unlisted}, unknown: []string{"final"}},

		{name: "canceled", event: canceled, final: `null`, status: `"overall":"ACTIVE"`, says: saysCanceled},
		{name: "canceled whatever it says", event: canceled, final: `null`, status: `"overall":"APPROVED"`, says: saysCanceled, anomalies: []string{mismatch}},
		{name: "expired", event: expired, final: `null`, status: `"overall":"EXPIRED"`, says: saysExpired},
		{name: "expired whatever it says", event: expired, final: `null`, status: `"overall":"CLOSED"`, says: saysExpired, anomalies: []string{unlisted}, unknown: []string{"overall"}},
		{name: "expired and nothing", event: expired, final: `null`, status: ``, says: saysExpired},
		{name: "approved of 2021", event: legacy, final: `null`, status: `"overall":"APPROVED","manualFace":"FACE_MATCH"`, says: saysManualApproved},
		{name: "denied of 2021", event: legacy, final: `null`, status: `"overall":"DENIED"`, says: saysAutoRejected},
		{name: "expired of 2021", event: legacy, final: `null`, status: `"overall":"EXPIRED"`, says: saysExpired},
		{name: "expired and deleted", event: legacy, final: `null`, status: `"overall":"EXPIRED-DELETED"`, says: saysExpired},
		{name: "reviewing", event: autoFinish, final: `null`, status: `"overall":"REVIEWING"`, says: saysReviewing},
		{name: "active", event: legacy, final: `null`, status: `"overall":"ACTIVE"`, says: saysActive},
		{name: "deleted", event: legacy, final: `null`, status: `"overall":"DELETED"`, says: verification.SaysNothing},
		{name: "archived", event: manualFinish, final: `null`, status: `"overall":"ARCHIVED"`, says: verification.SaysNothing},
		{name: "overall in lower case", event: legacy, final: `null`, status: `"overall":"approved"`, says: verification.SaysUnknown, anomalies: []string{unlisted}, unknown: []string{"overall"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			// Written twice, the last value counts: the first one would approve.
			body := fmt.Sprintf(`{"scanRef":"s","final":true,"final":%s,"status":{"overall":"APPROVED"},"status":{%s}}`, test.final, test.status)
			e := decoded(t, test.event, body)
			got := []any{e.Signal.Says, e.Signal.Preliminary, e.Signal.Anomalies, e.Unknown}
			want := []any{test.says, test.preliminary, test.anomalies, test.unknown}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestAbsentFinal checks that a body without the member is read like one with null.
func TestAbsentFinal(t *testing.T) {
	for event, want := range map[string]string{canceled: saysCanceled, expired: saysExpired, legacy: saysAutoApproved} {
		if got := decoded(t, event, `{"scanRef":"s","status":{"overall":"APPROVED"}}`).Signal.Says; got != want {
			t.Errorf("%s says %s, want %s", event, got, want)
		}
	}
}

// TestPreliminaryAtManualURL is a captured preliminary callback that is posted once more to
// the URL of manual reviews: it decides nothing, alone or with its first copy.
func TestPreliminaryAtManualURL(t *testing.T) {
	const body = `{"scanRef":"s","final":false,"startTime":1790000000,"finishTime":1790000060,"status":{"overall":"APPROVED"}}`
	first, second := decoded(t, autoFinish, body).Signal, decoded(t, manualFinish, body).Signal
	if first.ID != second.ID || second.Rank >= first.Rank {
		t.Fatalf("copies have the ids %s and %s, the ranks %d and %d", first.ID, second.ID, first.Rank, second.Rank)
	}
	record := verification.Record{Version: 0}
	for i, s := range []verification.Signal{first, second} {
		s.Received(uint64(i+1), s.At, "")
		if _, err := idVerification.Apply(&record, s); err != nil {
			t.Fatal(err)
		}
		if record.State.Status != verification.AwaitingReview || record.State.Decision != nil {
			t.Errorf("status %s, decision %v", record.State.Status, record.State.Decision)
		}
	}
	if diff := cmp.Diff([]string{verification.AnomalyEventMismatch}, record.State.Anomalies); diff != "" {
		t.Errorf("anomalies (-want +got):\n%s", diff)
	}
}

func TestReferences(t *testing.T) {
	var undecodable *provider.DecodeError
	for _, body := range []string{
		`{"status":{"overall":"APPROVED"}}`,
		`{"scanRef":null,"status":{"overall":"APPROVED"}}`,
		`{"scanRef":"s","scanRef":["s"],"status":{"overall":"APPROVED"}}`,
	} {
		_, err := decode(provider.Delivery{Event: provider.Token(legacy), Body: []byte(body)})
		if !errors.As(err, &undecodable) || undecodable.Cause != provider.CauseMissingReference {
			t.Errorf("%s: error %v, want %s", body, err, provider.CauseMissingReference)
		}
	}
	e := decoded(t, legacy, `{"scanRef":"a/b c","clientId":77,"externalRef":"x","status":{}}`)
	if e.Reference != "a/b c" || e.Signal.Applicant != "77" || e.Signal.ExternalReference != "x" {
		t.Errorf("reference %q, applicant %q, external %q", e.Reference, e.Signal.Applicant, e.Signal.ExternalReference)
	}
}

func TestTimes(t *testing.T) {
	for _, test := range []struct {
		name, start, finish, at string
		key                     verification.AttemptKey
	}{
		{"both", `1790000000`, `1790000060`, "2026-09-21T14:14:20Z", verification.AttemptKey{Start: new(int64(1790000000)), Finish: new(int64(1790000060))}},
		{"text", `"1790000000"`, `"1790000060"`, "2026-09-21T14:14:20Z", verification.AttemptKey{Start: new(int64(1790000000)), Finish: new(int64(1790000060))}},
		{"start only", `1790000000`, `null`, "2026-09-21T14:13:20Z", verification.AttemptKey{Start: new(int64(1790000000))}},
		{"none", `null`, `null`, "0001-01-01T00:00:00Z", verification.AttemptKey{}},
		{"no integers", `1.5`, `"soon"`, "0001-01-01T00:00:00Z", verification.AttemptKey{}},
		{"too large for a year", `253402300800`, `1e999`, "0001-01-01T00:00:00Z", verification.AttemptKey{}},
		{"last second", `0`, `253402300799`, "9999-12-31T23:59:59Z", verification.AttemptKey{Start: new(int64(0)), Finish: new(int64(253402300799))}},
		{"too large for 64 bits", `99999999999999999999`, `-1`, "0001-01-01T00:00:00Z", verification.AttemptKey{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := decoded(t, legacy, fmt.Sprintf(`{"scanRef":"s","startTime":%s,"finishTime":%s,"status":{}}`, test.start, test.finish)).Signal
			if diff := cmp.Diff(&test.key, s.Attempt); diff != "" {
				t.Errorf("attempt (-want +got):\n%s", diff)
			}
			if got := s.At.Format("2006-01-02T15:04:05Z07:00"); got != test.at {
				t.Errorf("at %s, want %s", got, test.at)
			}
		})
	}
}

// decoded is the one element of a callback at the URL of the event.
func decoded(t *testing.T, event, body string) provider.Element {
	t.Helper()
	d, err := decode(provider.Delivery{Event: provider.Token(event), Body: []byte(body)})
	if err != nil || len(d.Elements) != 1 {
		t.Fatalf("%d elements, error %v", len(d.Elements), err)
	}
	return d.Elements[0]
}
