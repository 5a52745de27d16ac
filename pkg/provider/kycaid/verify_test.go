package kycaid

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// The signatures were computed with OpenSSL: `base64 -w0 body | openssl dgst -sha512 -hmac <token>`.
const (
	vectorBody = `{"type":"VERIFICATION_STATUS_CHANGED","request_id":"0d4f","verification_id":"77aa",` +
		`"verification_status":"pending","note":"Zoë / Ærø \ud83d\ude00 😀"}` + "\n"
	vectorToken   = "kycaid-token-1"
	vectorMAC     = "27182dbbfd5f3270d25176e5906b2a880100c517408b4a34bc3ab1b4dbd20a30139adecce109e70b28d590d73e6d99f20970a93831a05a9b0b73ecb367d13bc5"
	vectorNoBreak = "31a3d2ecf8e7a67f45aa5ce404b16bb0b0ba4ab7a99ff59422be282c5597136271e891d71bba61154fdd4d2911db475c597b82094cc1fb088e023127cf52d90f"
	vectorRawMAC  = "130b8e36ecd19cb1413c5fab0d5bbe7ea5ae8e403a8d54684c799d5df6a7d1d1d0ccbca52b13a40ecec87d29ef2e72cc349ee9bc8d9250f320242c346a3250d5"
	otherToken    = "Schlüssel/2 "
	otherMAC      = "a93bdc2301e7c7e58cbf333aeb5cbe7b5f264a3d74a3162b07bf1a256ab2b44001b5ca36214cb3133026c998972612485fcb42f5b689a078980f5a3f30238496"
)

func posted(body, header string, secrets ...string) provider.Request {
	return provider.Request{
		Header: func(name string) string {
			if strings.EqualFold(name, "x-data-integrity") {
				return header
			}
			return ""
		},
		Body: []byte(body), Secrets: secrets,
	}
}

func TestVerifyVectors(t *testing.T) {
	for _, test := range []struct {
		name    string
		body    string
		header  string
		secrets []string
		secret  int
		err     error
	}{
		{name: "raw body", body: vectorBody, header: vectorMAC, secrets: []string{vectorToken}},
		{name: "without the line break", body: strings.TrimSuffix(vectorBody, "\n"), header: vectorNoBreak, secrets: []string{vectorToken}},
		{name: "token beyond ASCII", body: vectorBody, header: otherMAC, secrets: []string{otherToken}},
		{name: "older token", body: vectorBody, header: otherMAC, secrets: []string{vectorToken, otherToken}, secret: 1},
		{name: "line break lost", body: strings.TrimSuffix(vectorBody, "\n"), header: vectorMAC, secrets: []string{vectorToken}, err: provider.ErrBadSignature},
		{name: "body not in base64", body: vectorBody, header: vectorRawMAC, secrets: []string{vectorToken}, err: provider.ErrBadSignature},
		{name: "upper case", body: vectorBody, header: strings.ToUpper(vectorMAC), secrets: []string{vectorToken}, err: provider.ErrBadSignature},
		{name: "half of it", body: vectorBody, header: vectorMAC[:64], secrets: []string{vectorToken}, err: provider.ErrBadSignature},
		{name: "prefix", body: vectorBody, header: "sha512=" + vectorMAC, secrets: []string{vectorToken}, err: provider.ErrBadSignature},
		{name: "line break behind", body: vectorBody, header: vectorMAC + "\n", secrets: []string{vectorToken}, err: provider.ErrBadSignature},
		{name: "no header", body: vectorBody, secrets: []string{vectorToken}, err: provider.ErrMissingSignature},
	} {
		t.Run(test.name, func(t *testing.T) {
			receipt, err := verify(posted(test.body, test.header, test.secrets...))
			if !errors.Is(err, test.err) {
				t.Fatalf("verify: %v, want %v", err, test.err)
			}
			want := provider.Receipt{}
			if test.err == nil {
				want = provider.Receipt{
					Event: "verification_status_changed", DeliveryID: "0d4f", Signed: []byte(test.body), Secret: test.secret,
				}
			}
			if diff := cmp.Diff(want, receipt); diff != "" {
				t.Errorf("receipt (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReceipt checks how a signed body is named, and that nothing from it that could change
// an id or a subject gets through.
func TestReceipt(t *testing.T) {
	long := strings.Repeat("a", 5000)
	for _, test := range []struct {
		name, body, event, delivery string
	}{
		{"listed and unhandled", `{"type":"SERVICE_RESULT","request_id":"a-1"}`, "service_result", "a-1"},
		{"no request id", `{"type":"DATABASE_SCREENING"}`, "database_screening", ""},
		{"request id as a number", `{"type":"SERVICE_RESULT","request_id":17}`, "service_result", "17"},
		{"last of two names", `{"type":"SERVICE_RESULT","type":"DATABASE_SCREENING"}`, "database_screening", ""},
		{"unlisted", `{"type":"APPLICANT_DELETED","request_id":"a-1"}`, provider.EventOther, "a-1"},
		{"other case", `{"type":"verification_completed"}`, provider.EventOther, ""},
		{"wildcard", `{"type":"VERIFICATION_*.>","request_id":"a.>*"}`, provider.EventOther, ""},
		{"line breaks", `{"type":"VERIFICATION_COMPLETED\r\nNats-Msg-Id: 1","request_id":"a\r\nb: c"}`, provider.EventOther, ""},
		{"blanks", `{"type":"VERIFICATION COMPLETED","request_id":"a b"}`, provider.EventOther, ""},
		{"too long", `{"type":"` + long + `","request_id":"` + long + `"}`, provider.EventOther, ""},
		{"no name", `{"request_id":"a-1"}`, provider.EventUndecodable, "a-1"},
		{"no JSON", `type=VERIFICATION_COMPLETED`, provider.EventUndecodable, ""},
		{"empty", ``, provider.EventUndecodable, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			signed, err := sign(eventCompleted, []byte(test.body), vectorToken)
			if err != nil {
				t.Fatal(err)
			}
			receipt, err := verify(posted(test.body, signed.Header[signatureHeader], vectorToken))
			if err != nil {
				t.Fatal(err)
			}
			want := provider.Receipt{Event: test.event, DeliveryID: test.delivery, Signed: []byte(test.body)}
			if diff := cmp.Diff(want, receipt); diff != "" {
				t.Errorf("receipt (-want +got):\n%s", diff)
			}
		})
	}
}
