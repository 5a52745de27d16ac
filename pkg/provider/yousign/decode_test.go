package yousign

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

func TestStatus(t *testing.T) {
	for status, want := range map[string]string{
		`"pending"`: saysPending, `"awaiting_data"`: saysAwaitingData,
		`"verified"`: saysVerified, `"failed"`: saysFailed, `"inconclusive"`: saysInconclusive,
		`"approved"`: saysVerified, `"declined"`: saysFailed,
		`"VERIFIED"`: verification.SaysUnknown, `"done"`: verification.SaysUnknown, `""`: verification.SaysUnknown,
		`null`: verification.SaysUnknown, `true`: verification.SaysUnknown, `["verified"]`: verification.SaysUnknown,
	} {
		// Written twice, the last value counts: the first one would approve.
		e := decoded(t, `{`+done+`,"data":{"identity_document":{"id":"d","status":"verified","status":`+status+`}}}`)
		var unknown, anomalies []string
		if want == verification.SaysUnknown {
			unknown, anomalies = []string{"status"}, []string{verification.AnomalyUnknownValue}
		}
		if diff := cmp.Diff([]any{want, unknown, anomalies}, []any{e.Signal.Says, e.Unknown, e.Signal.Anomalies}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", status, diff)
		}
	}
}

func TestSandbox(t *testing.T) {
	for _, test := range []struct {
		name, fields string
		sandbox      bool
		says         string
	}{
		{"absent", ``, false, saysVerified},
		{"null", `"sandbox":null,`, false, saysVerified},
		{"no", `"sandbox":false,`, false, saysVerified},
		{"yes", `"sandbox":true,`, true, saysVerified},
		{"text", `"sandbox":"true",`, true, saysVerified},
		{"in metadata", `"sandbox":false,"metadata":{"sandbox":true},`, true, saysVerified},
		{"beside metadata", `"sandbox":true,"metadata":{},`, true, saysVerified},
		{"unreadable decides nothing", `"sandbox":1,`, false, verification.SaysUnknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := decoded(t, `{`+test.fields+done+`,"data":{"identity_document":{"id":"d","status":"verified"}}}`).Signal
			if s.Sandbox != test.sandbox || s.Says != test.says {
				t.Errorf("sandbox %v, says %s", s.Sandbox, s.Says)
			}
		})
	}
}

func TestTime(t *testing.T) {
	for seconds, want := range map[string]string{
		`"1790000000"`: "2026-09-21T14:13:20Z", `1790000000`: "2026-09-21T14:13:20Z", `0`: "1970-01-01T00:00:00Z",
		`253402300799`: "9999-12-31T23:59:59Z", `253402300800`: "0001-01-01T00:00:00Z", `-1`: "0001-01-01T00:00:00Z",
		`1e999`: "0001-01-01T00:00:00Z", `"99999999999999999999"`: "0001-01-01T00:00:00Z", `1790000000.5`: "0001-01-01T00:00:00Z",
		`"soon"`: "0001-01-01T00:00:00Z", `null`: "0001-01-01T00:00:00Z", `{}`: "0001-01-01T00:00:00Z",
	} {
		s := decoded(t, `{"event_time":`+seconds+`,`+done+`,"data":{"identity_document":{"id":"d","status":"verified"}}}`).Signal
		if got := s.At.Format("2006-01-02T15:04:05Z07:00"); got != want {
			t.Errorf("%s is %s, want %s", seconds, got, want)
		}
	}
}

func TestReasons(t *testing.T) {
	e := decoded(t, `{`+done+`,"data":{"identity_document":{"id":"d","status":"failed",
		"status_codes":["IDDV_1706",1103,"1101","IDVV_1199","IDDV_1101","IDDV_1706","POAV_1612"]}}}`)
	want := []verification.Reason{
		{Code: "IDDV_1706", Category: verification.CategoryDocument, Source: "status_codes"},
		{Code: "1103", Category: verification.CategoryDocument, Source: "status_codes"},
		{Code: "1101", Category: verification.CategoryUser, Source: "status_codes"},
		{Code: "IDVV_1199", Category: verification.CategoryUser, Source: "status_codes"},
		{Code: "IDDV_1101", Category: verification.CategoryDocument, Source: "status_codes"},
		{Code: "POAV_1612", Category: verification.CategoryDocument, Source: "status_codes"},
	}
	if diff := cmp.Diff(want, e.Signal.Reasons); diff != "" || len(e.Unknown) > 0 {
		t.Errorf("unknown %v, reasons (-want +got):\n%s", e.Unknown, diff)
	}
	for codes, want := range map[string][]verification.Reason{
		`["M. Le Bihan refuse"]`: {{Code: verification.Unlisted, Category: verification.CategoryOther, Source: "status_codes"}},
		`["SOON"]`:               {{Code: "SOON", Category: verification.CategoryOther, Source: "status_codes"}},
		`[{}]`:                   nil,
		`"IDDV_1706"`:            nil,
	} {
		e := decoded(t, `{`+done+`,"data":{"identity_document":{"id":"d","status":"failed","status_codes":`+codes+`}}}`)
		if diff := cmp.Diff(want, e.Signal.Reasons); diff != "" {
			t.Errorf("%s (-want +got):\n%s", codes, diff)
		}
		if diff := cmp.Diff([]string{"status_codes"}, e.Unknown); diff != "" || e.Signal.Says != saysFailed {
			t.Errorf("%s says %s, unknown (-want +got):\n%s", codes, e.Signal.Says, diff)
		}
	}
}

func TestLinksAndErasure(t *testing.T) {
	e := decoded(t, `{`+done+`,"data":{"identity_document":{"id":"a/b c","status":"verified","applicant_id":"p","previous_attempt_id":"d-0",
		"data_anonymized":true,"data":{"extracted_from_document":{"first_name":"Maël"}}}}}`)
	if e.Reference != "a/b c" || e.Signal.Applicant != "p" || e.Signal.PreviousReference != "d-0" {
		t.Errorf("reference %q, applicant %q, previous %q", e.Reference, e.Signal.Applicant, e.Signal.PreviousReference)
	}
	if !e.Signal.Anonymized || e.Claims != nil {
		t.Errorf("anonymized %v with claims %v", e.Signal.Anonymized, e.Claims)
	}
}

func TestUndecodable(t *testing.T) {
	for _, test := range []struct{ name, body, cause string }{
		{"no document", `{` + done + `,"data":{}}`, provider.CauseMissingReference},
		{"another document", `{` + done + `,"data":{"identity_video":{"id":"d","status":"verified"}}}`, provider.CauseMissingReference},
		{"no id", `{` + done + `,"data":{"identity_document":{"id":null,"status":"verified"}}}`, provider.CauseMissingReference},
		{"data outside", `{` + done + `,"identity_document":{"id":"d","status":"verified"}}`, provider.CauseMissingReference},
		{"another event", `{"event_name":"verification.identity_video.done","data":{"identity_document":{"id":"d","status":"verified"}}}`, provider.CauseEventMismatch},
		{"no JSON", `event_name=x`, provider.CauseInvalidJSON},
		{"no UTF-8", "{\"event_name\":\"\xc3\x28\"}", provider.CauseInvalidUTF8},
	} {
		t.Run(test.name, func(t *testing.T) {
			var undecodable *provider.DecodeError
			_, err := decode(provider.Delivery{Event: "verification_identity_document_done", Body: []byte(test.body)})
			if !errors.As(err, &undecodable) || undecodable.Cause != test.cause {
				t.Errorf("error %v, want %s", err, test.cause)
			}
		})
	}
}

// TestClaims covers what no sample has: a passport's two lines, and values that are unknown
// in part.
func TestClaims(t *testing.T) {
	e := decoded(t, `{`+done+`,"data":{"identity_document":{"id":"d","status":"verified","data":{"extracted_from_document":{
		"gender":"x","born_on":"1961-00-00","expired_on":"0000-00-00","mrz":{"line1":"P<FRA","line2":"12AB","line3":null}}}}}}`)
	want := &provider.Claims{Gender: new("x"), Birthdate: new("1961"), Document: &provider.Document{MRZ: new("P<FRA\n12AB")}}
	if diff := cmp.Diff(want, e.Claims); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

const done = `"event_name":"verification.identity_document.done"`

// decoded is the one element of a webhook.
func decoded(t *testing.T, body string) provider.Element {
	t.Helper()
	d, err := decode(provider.Delivery{Event: "verification_identity_document_done", Body: []byte(body)})
	if err != nil || len(d.Elements) != 1 {
		t.Fatalf("%d elements, error %v", len(d.Elements), err)
	}
	return d.Elements[0]
}
