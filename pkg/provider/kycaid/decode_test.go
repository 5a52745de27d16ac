package kycaid

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

const (
	completed = `"type":"VERIFICATION_COMPLETED","applicant_id":"4d10","verification_id":"91b5"`
	changed   = `"type":"VERIFICATION_STATUS_CHANGED","applicant_id":"4d10","verification_id":"91b5"`
)

// decodeOne decodes a body under the token of its own name.
func decodeOne(t *testing.T, body string) provider.Element {
	t.Helper()
	decoded, err := decode(provider.Delivery{Event: "verification_completed", Body: []byte(body)})
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	if len(decoded.Elements) != 1 {
		t.Fatalf("%d elements, want 1", len(decoded.Elements))
	}
	return decoded.Elements[0]
}

func TestStatus(t *testing.T) {
	unknown := verification.SaysUnknown
	for _, test := range []struct {
		name, members, says, unknown string
	}{
		{"true", completed + `,"status":"completed","verified":true`, saysApproved, ""},
		{"true as text", completed + `,"status":"completed","verified":"true"`, saysApproved, ""},
		{"false", completed + `,"status":"completed","verified":false`, saysDeclined, ""},
		{"false as text", completed + `,"status":"completed","verified":"false"`, saysDeclined, ""},
		{"null", completed + `,"status":"completed","verified":null`, saysUndecided, ""},
		{"absent", completed + `,"status":"completed"`, saysUndecided, ""},
		{"unknown decision", completed + `,"status":"completed","verified":"maybe"`, saysUndecided, "verified"},
		{"decision as a number", completed + `,"status":"completed","verified":1`, saysUndecided, "verified"},
		{"decision as an object", completed + `,"status":"completed","verified":{"value":true}`, saysUndecided, "verified"},
		{"decision in another case", completed + `,"status":"completed","verified":"TRUE"`, saysUndecided, "verified"},
		{"last of two decisions", completed + `,"status":"completed","verified":true,"verified":false`, saysDeclined, ""},
		{"decided while pending", completed + `,"status":"pending","verified":true`, saysPending, ""},
		{"unused", changed + `,"verification_status":"unused"`, saysUnused, ""},
		{"pending", changed + `,"verification_status":"pending"`, saysPending, ""},
		{"completed without a decision", changed + `,"verification_status":"completed"`, saysUndecided, ""},
		{"the other field's name", changed + `,"status":"pending"`, saysPending, ""},
		{"the other field's name too", completed + `,"verification_status":"unused"`, saysUnused, ""},
		{"its own field first", changed + `,"status":"completed","verification_status":"pending","verified":true`, saysPending, ""},
		{"unknown status", completed + `,"status":"reopened","verified":true`, unknown, "status"},
		{"unknown status of the change", changed + `,"verification_status":"Completed"`, unknown, "verification_status"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := decodeOne(t, "{"+test.members+"}")
			var wantUnknown, wantAnomalies []string
			if test.unknown != "" {
				wantUnknown, wantAnomalies = []string{test.unknown}, []string{verification.AnomalyUnknownValue}
			}
			if e.Signal.Says != test.says {
				t.Errorf("says %q, want %q", e.Signal.Says, test.says)
			}
			if !slices.Equal(e.Unknown, wantUnknown) || !slices.Equal(e.Signal.Anomalies, wantAnomalies) {
				t.Errorf("unknown %v, anomalies %v, want %v and %v", e.Unknown, e.Signal.Anomalies, wantUnknown, wantAnomalies)
			}
			if !e.Signal.At.IsZero() {
				t.Errorf("time %v from a body without one", e.Signal.At)
			}
		})
	}
}

func TestReference(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 3)[:37]
	for _, test := range []struct {
		name, body, reference string
	}{
		{"36 characters", `{"type":"VERIFICATION_COMPLETED","status":"pending","verification_id":"` + long[:36] + `"}`, long[:36]},
		{"37 characters", `{"type":"VERIFICATION_COMPLETED","status":"pending","verification_id":"` + long + `"}`, long},
		{"null and completed", `{"type":"VERIFICATION_COMPLETED","status":"completed","verification_id":null,"applicant_id":"4d10"}`, "applicant:4d10"},
		{"absent and completed", `{"type":"VERIFICATION_STATUS_CHANGED","verification_status":"completed","applicant_id":"4d10"}`, "applicant:4d10"},
		{"a number", `{"type":"VERIFICATION_COMPLETED","status":"pending","verification_id":1e999}`, "1e999"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if e := decodeOne(t, test.body); e.Reference != test.reference || e.Kind != "form_verification" {
				t.Errorf("%s %q, want %q", e.Kind, e.Reference, test.reference)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, test := range []struct {
		name, event, body, cause string // no cause: not handled
	}{
		{"null id and pending", "verification_completed", `{"type":"VERIFICATION_COMPLETED","status":"pending","verification_id":null,"applicant_id":"4d10"}`, ""},
		{"null id and unused", "verification_status_changed", `{"type":"VERIFICATION_STATUS_CHANGED","verification_status":"unused","applicant_id":"4d10"}`, ""},
		{"null id and unknown", "verification_completed", `{"type":"VERIFICATION_COMPLETED","status":"reopened","verified":true,"applicant_id":"4d10"}`, ""},
		{"unlisted", "verification_completed", `{"type":"APPLICANT_DELETED"}`, ""},
		{"known, tells nothing", "database_screening", `{"type":"DATABASE_SCREENING","verification_id":"91b5"}`, ""},
		{"received as unlisted", provider.EventOther, `{` + completed + `,"status":"completed"}`, ""},
		{"no ids", "verification_completed", `{"type":"VERIFICATION_COMPLETED","status":"completed","verified":true}`, provider.CauseMissingReference},
		{"no ids, pending", "verification_completed", `{"type":"VERIFICATION_COMPLETED","status":"pending"}`, provider.CauseMissingReference},
		{"ids of wrong types", "verification_completed", `{"type":"VERIFICATION_COMPLETED","status":"completed","verification_id":{},"applicant_id":["a"]}`, provider.CauseMissingReference},
		{"no status", "verification_completed", `{` + completed + `,"verified":true}`, provider.CauseMissingField},
		{"status of a wrong type", "verification_completed", `{` + completed + `,"status":["completed"]}`, provider.CauseMissingField},
		{"no name", "undecodable", `{"status":"completed"}`, provider.CauseMissingField},
		{"invalid UTF-8", "verification_completed", `{` + completed + `,"status":"` + "\xff" + `"}`, provider.CauseInvalidUTF8},
		{"too deep", "verification_completed", `{` + completed + `,"status":` + strings.Repeat("[", 11000) + strings.Repeat("]", 11000) + `}`, provider.CauseInvalidJSON},
	} {
		t.Run(test.name, func(t *testing.T) {
			decoded, err := decode(provider.Delivery{Event: test.event, Body: []byte(test.body)})
			var undecodable *provider.DecodeError
			switch {
			case len(decoded.Elements) > 0:
				t.Error("elements came with the error")
			case test.cause == "" && !errors.Is(err, provider.ErrUnhandled):
				t.Errorf("decode: %v, want %v", err, provider.ErrUnhandled)
			case test.cause != "" && (!errors.As(err, &undecodable) || undecodable.Cause != test.cause):
				t.Errorf("decode: %v, want %s", err, test.cause)
			}
		})
	}
}

func TestSignal(t *testing.T) {
	body := `{` + changed + `,"external_applicant_id":"customer-7","verification_status":"unused","applicant":{"applicant_id":"ffff","external_applicant_id":"inner"}}`
	want := verification.Signal{
		ID:    provider.SignalID([]byte(body), 0),
		Event: "verification_status_changed", Says: saysUnused,
		Applicant: "4d10", ExternalReference: "customer-7", Decoder: 1,
	}
	// The delivery's name counts for nothing: the body is signed and names its event itself.
	if diff := cmp.Diff(want, decodeOne(t, body).Signal); diff != "" {
		t.Errorf("signal (-want +got):\n%s", diff)
	}
	if e := decodeOne(t, strings.Replace(body, `"external_applicant_id":"customer-7",`, "", 1)); e.Signal.ExternalReference != "inner" {
		t.Errorf("external reference %q, want the applicant's", e.Signal.ExternalReference)
	}
}

func TestReasons(t *testing.T) {
	e := decodeOne(t, `{`+completed+`,"status":"completed","verified":false,"verifications":{
		"video":{"decline_reasons":["OTHER"]},
		"document":{"verified":false,"comment":"Number AB123","decline_reasons":["BAD_QUALITY","FAKE_DOCUMENT","BAD_QUALITY","free text, with blanks",{"a":1},null]},
		"aml":{"decline_reasons":["PROHIBITED_JURISDICTION"]},
		"facial":{"decline_reasons":["COMPULSION","LIMIT_REACHED_OTP"]},
		"address":{"decline_reasons":"BAD_QUALITY"},
		"a b":{"decline_reasons":["DIFFERENT_FACES",1103]},
		"profile":null}}`)
	want := []verification.Reason{
		{Code: "DIFFERENT_FACES", Category: verification.CategoryFace, Source: "unlisted"},
		{Code: "1103", Category: verification.CategoryOther, Source: "unlisted"},
		{Code: "PROHIBITED_JURISDICTION", Category: verification.CategoryAML, Source: "aml"},
		{Code: "BAD_QUALITY", Category: verification.CategoryDocument, Source: "document"},
		{Code: "FAKE_DOCUMENT", Category: verification.CategoryFraud, Source: "document"},
		{Code: "unlisted", Category: verification.CategoryDocument, Source: "document"},
		{Code: "COMPULSION", Category: verification.CategoryFraud, Source: "facial"},
		{Code: "LIMIT_REACHED_OTP", Category: verification.CategoryFace, Source: "facial"},
		{Code: "OTHER", Category: verification.CategoryOther, Source: "video"},
	}
	if diff := cmp.Diff(want, e.Signal.Reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}
