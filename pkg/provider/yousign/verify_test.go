package yousign

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/provider"
)

const vectorSecret = "kq3Wm8Zt1Lx7Rv5Nc9Yb2Hd6Gf4Js0Pa"

// vectors are bodies whose signatures were computed with OpenSSL:
//
//	openssl dgst -sha256 -hmac <secret> <file>
var vectors = []struct{ name, body, signature string }{
	{
		"flat, with a line feed at the end, a slash and letters beyond ASCII",
		`{"event_id":"7c1f0e52-1a","event_name":"verification.identity_document.done","subscription_description":"Entrée / sud-ouest ✓","data":{"identity_document":{"id":"idd-1","status":"verified"}}}` + "\n",
		"sha256=fec32c3365ac902c27598b96fd417b1a244a604df0ff02f5a4798f5abecd1a64",
	},
	{
		"metadata",
		`{"metadata":{"event_id":"7c1f0e52-1b","event_name":"verification.identity_document.done"},"data":{"identity_document":{"id":"idd-2","status":"failed"}}}`,
		"sha256=c5165b5b99dbcbe901258daf253098a6f1b0fc679d50e158f7f158260e42ce81",
	},
}

func TestVerifyVectors(t *testing.T) {
	for i, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			receipt, err := verify(posted(v.signature, v.body, "another", vectorSecret))
			if err != nil {
				t.Fatal(err)
			}
			want := provider.Receipt{
				Event:      "verification_identity_document_done",
				DeliveryID: []string{"7c1f0e52-1a", "7c1f0e52-1b"}[i],
				Signed:     []byte(v.body),
				Secret:     1,
			}
			if diff := cmp.Diff(want, receipt); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if _, err := verify(posted(v.signature, v.body+"\n", vectorSecret)); !errors.Is(err, provider.ErrBadSignature) {
				t.Errorf("one line feed more: error %v", err)
			}
		})
	}
}

func TestSignatureHeader(t *testing.T) {
	v := vectors[0]
	digits := strings.TrimPrefix(v.signature, signaturePrefix)
	for header, want := range map[string]error{
		"":                             provider.ErrMissingSignature,
		digits:                         provider.ErrBadSignature,
		"sha256=":                      provider.ErrBadSignature,
		"SHA256=" + digits:             provider.ErrBadSignature,
		"sha1=" + digits:               provider.ErrBadSignature,
		"sha256=sha256=" + digits:      provider.ErrBadSignature,
		"sha256= " + digits:            provider.ErrBadSignature,
		v.signature + ", " + "sha256=": provider.ErrBadSignature,
	} {
		if _, err := verify(posted(header, v.body, vectorSecret)); !errors.Is(err, want) {
			t.Errorf("header %q: error %v, want %v", header, err, want)
		}
	}
}

func TestNaming(t *testing.T) {
	const done = `"event_name":"verification.identity_document.done"`
	for _, test := range []struct {
		name, body, event, delivery string
		family                      provider.Family
	}{
		{name: "flat", body: `{` + done + `,"event_id":"e-1"}`, event: "verification_identity_document_done", delivery: "e-1"},
		{name: "metadata", body: `{"metadata":{` + done + `,"event_id":"e-1"}}`, event: "verification_identity_document_done", delivery: "e-1"},
		{name: "metadata before the body", body: `{"event_name":"user.completed","event_id":"e-2","metadata":{` + done + `,"event_id":"e-1"}}`, event: "verification_identity_document_done", delivery: "e-1"},
		{name: "what metadata lacks", body: `{` + done + `,"event_id":"e-1","metadata":{"event_id":null}}`, event: "verification_identity_document_done", delivery: "e-1"},
		{name: "metadata is no object", body: `{` + done + `,"metadata":"verification.watchlist.done"}`, event: "verification_identity_document_done"},
		{name: "the last of two names", body: `{"event_name":"user.completed",` + done + `}`, event: "verification_identity_document_done"},
		{name: "a name in another case", body: `{"Event_Name":"verification.identity_document.done"}`, event: provider.EventUndecodable},
		{name: "unhandled", body: `{"event_name":"workflow_session.done"}`, event: "workflow_session_done"},
		{name: "identification of a signer", body: `{"event_name":"signer.identification_failed"}`, event: "signer_identification_failed"},
		{name: "new identification of a signer", body: `{"event_name":"signer.identification_paused"}`, event: provider.EventOther},
		{name: "no name", body: `{}`, event: provider.EventUndecodable},
		{name: "name is no text", body: `{"event_name":["verification.identity_document.done"]}`, event: provider.EventUndecodable},
		{name: "signature", body: `{"event_name":"signature_request.done"}`, event: provider.EventOther, family: provider.FamilyForeign},
		{name: "signer", body: `{"event_name":"signer.done"}`, event: provider.EventOther, family: provider.FamilyForeign},
		{name: "approver", body: `{"event_name":"approver.approved"}`, event: provider.EventOther, family: provider.FamilyForeign},
		{name: "seal", body: `{"event_name":"electronic_seal.done"}`, event: provider.EventOther, family: provider.FamilyForeign},
		{name: "contact", body: `{"event_name":"contact.created"}`, event: provider.EventOther, family: provider.FamilyForeign},
		{name: "user", body: `{"event_name":"user.completed"}`, event: provider.EventOther, family: provider.FamilyForeign},
		{name: "name for a subject", body: `{"event_name":"verification.>.*\r\nNats-Msg-Id: 1"}`, event: provider.EventOther},
		{name: "id for a header", body: `{` + done + `,"event_id":"e\r\nNats-Msg-Id: 1"}`, event: "verification_identity_document_done"},
		{name: "id too long", body: `{` + done + `,"event_id":"` + strings.Repeat("e", 129) + `"}`, event: "verification_identity_document_done"},
	} {
		t.Run(test.name, func(t *testing.T) {
			signed, err := sign(identityDocumentDone, []byte(test.body), vectorSecret)
			if err != nil {
				t.Fatal(err)
			}
			receipt, err := verify(posted(signed.Header[signatureHeader], test.body, vectorSecret))
			if err != nil {
				t.Fatal(err)
			}
			if receipt.Event != test.event || receipt.Family != test.family || receipt.DeliveryID != test.delivery {
				t.Errorf("event %s of family %d, delivery %q", receipt.Event, receipt.Family, receipt.DeliveryID)
			}
		})
	}
}

func posted(signature, body string, secrets ...string) provider.Request {
	return provider.Request{
		Header: func(header string) string {
			if header == signatureHeader {
				return signature
			}
			return ""
		},
		Body:    []byte(body),
		Secrets: secrets,
	}
}
