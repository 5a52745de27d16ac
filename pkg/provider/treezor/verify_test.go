package treezor

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// vectors are payloads with the signatures of both forms. The forms and the codes were
// computed with Python: json.dumps(payload, separators=(",", ":")).replace("/", "\\/"), hmac
// and base64; where dumps would write a number in another way the form is written by hand.
var vectors = []struct {
	name, payload, form string
	rawMAC, formMAC     string
}{
	{
		"one form", `{"userId":"1","n":10}`, `{"userId":"1","n":10}`,
		"fSLTUCWtpoYc0ykMqfz9tEbZNfNp59RHHy/a3MlcDR4=", "fSLTUCWtpoYc0ykMqfz9tEbZNfNp59RHHy/a3MlcDR4=",
	},
	{
		"white space and numbers",
		"{ \"userId\" : \"1\",\n  \"list\" : [ 1 , 2.50 , -0 , 1E2 ],\t\"no\" : null }", `{"userId":"1","list":[1,2.50,-0,1E2],"no":null}`,
		"OYRbYfk2BlBY59ZIezWg1pTcD3u9geodskDWF3vATqs=", "5t3Xh6KujNJXWERpiG31eH79uvqc2BfkV3D7Aw5wTE0=",
	},
	{
		"beyond ASCII",
		"{\"city\":\"KÖLN\",\"tag\":\"a/b\",\"emoji\":\"😀\",\"line\":\"\u2028\",\"quote\":\"\\\"<>&'\"}",
		`{"city":"K\u00d6LN","tag":"a\/b","emoji":"\ud83d\ude00","line":"\u2028","quote":"\"<>&'"}`,
		"7oZl4LOgcqWttrUqQlIwjbGPEo2f721E0U0DymrHCfY=", "xekfOvaJus1xTChijMpJgE5B9/GmUvou4TE6nfJ+8PI=",
	},
	{
		"other escapes",
		`{"city":"K\u00D6LN","tag":"a\/b","emoji":"\uD83D\uDE00","bell":"\u0007\u0009"}`,
		`{"city":"K\u00d6LN","tag":"a\/b","emoji":"\ud83d\ude00","bell":"\u0007\t"}`,
		"FvuM6jkYz89Scko8cz2o0EiRXc3ZHmjKFZs2SKpe9BU=", "oE0J4rNFC2ae08ue3dmo/AE7lHtGaYVzmvXRqjbg108=",
	},
}

func TestVerifyVectors(t *testing.T) {
	for _, v := range vectors {
		for _, form := range []struct{ name, mac, signed string }{
			{"raw", v.rawMAC, v.payload}, {"php", v.formMAC, v.form},
		} {
			t.Run(v.name+"/"+form.name, func(t *testing.T) {
				flat := webhookBody("document.create", v.payload, `,"webhook_id":"w-1","object_payload_signature":"`+form.mac+`"`)
				nested := `{"messageId":"m-1","webhookId":"w-2","webhook":` + flat + `,"clientId":"9"}`
				want := provider.Receipt{Event: "document_create", DeliveryID: "w-1", Signed: []byte(form.signed), Secret: 1}
				for _, body := range []string{flat, nested} {
					receipt, err := verify(posted(body, "newer", testSecret))
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(want, receipt); diff != "" {
						t.Errorf("receipt (-want +got):\n%s", diff)
					}
				}
			})
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	const payload, good = `{"userId":"1","n":10}`, "fSLTUCWtpoYc0ykMqfz9tEbZNfNp59RHHy/a3MlcDR4="
	member := func(value string) string { return `,"object_payload_signature":` + value }
	text := func(mac string) string { return member(`"` + mac + `"`) }
	for _, test := range []struct {
		name, body string
		err        error
	}{
		{"number written in another way", webhookBody("qes.created", `{"userId":"1","n":10.0}`, text(good)), provider.ErrBadSignature},
		{"members in another order", webhookBody("qes.created", `{"n":10,"userId":"1"}`, text(good)), provider.ErrBadSignature},
		{"one member more", webhookBody("qes.created", `{"userId":"1","n":10,"x":1}`, text(good)), provider.ErrBadSignature},
		{"second payload counts", webhookBody("qes.created", payload, text(good)+`,"object_payload":{"userId":"2"}`), provider.ErrBadSignature},
		{"payload in another case", `{"webhook":"qes.created","Object_Payload":` + payload + text(good) + `}`, provider.ErrBadSignature},
		{"no payload", `{"webhook":"qes.created"` + text(good) + `}`, provider.ErrBadSignature},
		{"payload is null", webhookBody("qes.created", `null`, text(good)), provider.ErrBadSignature},
		{"signature outside of the nested form", `{"webhook":` + webhookBody("qes.created", payload, "") + text(good) + `}`, provider.ErrMissingSignature},
		{"no padding", webhookBody("qes.created", payload, text(strings.TrimRight(good, "="))), provider.ErrBadSignature},
		{"alphabet of URLs", webhookBody("qes.created", payload, text(strings.ReplaceAll(good, "/", "_"))), provider.ErrBadSignature},
		{"line break in it", webhookBody("qes.created", payload, text(good[:20]+`\n`+good[20:])), provider.ErrBadSignature},
		{"other last bits", webhookBody("qes.created", payload, text(good[:42]+"5=")), provider.ErrBadSignature},
		{"hexadecimal", webhookBody("qes.created", payload, text("7d22d35025ada6861cd3290ca9fcfdb446d935f369e7d4471f2fdadcc95c0d1e")), provider.ErrBadSignature},
		{"too short", webhookBody("qes.created", payload, text("fSLTUA==")), provider.ErrBadSignature},
		{"a number", webhookBody("qes.created", payload, member("7")), provider.ErrBadSignature},
		{"an object", webhookBody("qes.created", payload, member(`{"a":1}`)), provider.ErrBadSignature},
		{"a wrong one for a review", webhookBody("kycreview.result", payload, text(good[1:]+"A")), provider.ErrBadSignature},
		{"an odd one for a review", webhookBody("kycreview.result", payload, member("[]")), provider.ErrBadSignature},
		{"none", webhookBody("qes.created", payload, ""), provider.ErrMissingSignature},
		{"null", webhookBody("qes.created", payload, member("null")), provider.ErrMissingSignature},
		{"empty", webhookBody("qes.created", payload, text("")), provider.ErrMissingSignature},
		{"none for a foreign event", webhookBody("payin.create", payload, ""), provider.ErrMissingSignature},
		{"a wrong one for a foreign event", webhookBody("payin.create", payload, text(good[1:]+"A")), provider.ErrBadSignature},
		{"almost a review", webhookBody("kycreviews.result", payload, ""), provider.ErrMissingSignature},
		{"review in another case", webhookBody("KYCREVIEW.result", payload, ""), provider.ErrMissingSignature},
		{"no name", `{"object_payload":` + payload + `}`, provider.ErrMissingSignature},
		{"name is null", `{"webhook":null,"object_payload":` + payload + `}`, provider.ErrMissingSignature},
		{"invalid UTF-8", webhookBody("kycreview.result", "{\"a\":\"\xff\"}", ""), provider.ErrMissingSignature},
		{"too deep", webhookBody("kycreview.result", strings.Repeat("[", 11000)+strings.Repeat("]", 11000), ""), provider.ErrMissingSignature},
		{"not an object", `["webhook"]`, provider.ErrMissingSignature},
	} {
		t.Run(test.name, func(t *testing.T) {
			if receipt, err := verify(posted(test.body)); !errors.Is(err, test.err) {
				t.Errorf("verify: %v, %v, want %v", receipt, err, test.err)
			}
		})
	}
}

func TestReceipt(t *testing.T) {
	const payload = `{"users":[]}`
	signed := signedAs(payload)
	long := strings.Repeat("a", 5000)
	for _, test := range []struct {
		name, body string
		want       provider.Receipt
	}{
		{"handled", webhookBody("user.kycreview", payload, signed), provider.Receipt{Event: "user_kycreview"}},
		{"capitals", webhookBody("videoConference.created", payload, signed), provider.Receipt{Event: "videoconference_created"}},
		{"known, tells nothing", webhookBody("user.update", payload, signed), provider.Receipt{Event: "user_update"}},
		{"not listed", webhookBody("user.freeze", payload, signed), provider.Receipt{Event: provider.EventOther}},
		{"foreign", webhookBody("payin.create", payload, signed), provider.Receipt{Event: provider.EventOther, Family: provider.FamilyForeign}},
		{"foreign for its case", webhookBody("User.kycreview", payload, signed), provider.Receipt{Event: provider.EventOther, Family: provider.FamilyForeign}},
		{"foreign for its beginning", webhookBody("userkycreview", payload, signed), provider.Receipt{Event: provider.EventOther, Family: provider.FamilyForeign}},
		{"wildcard", webhookBody("user.kyc*>", payload, signed), provider.Receipt{Event: provider.EventOther}},
		{"line breaks", webhookBody(`user.kycreview\r\nNats-Msg-Id: 1`, payload, signed), provider.Receipt{Event: provider.EventOther}},
		{"blanks", webhookBody("user.kycreview ", payload, signed), provider.Receipt{Event: provider.EventOther}},
		{"too long", webhookBody("user."+long, payload, signed), provider.Receipt{Event: provider.EventOther}},
		{"no name", `{"object_payload":` + payload + signed + `}`, provider.Receipt{Event: provider.EventUndecodable}},
		{"name of another type", `{"webhook":7,"object_payload":` + payload + signed + `}`, provider.Receipt{Event: provider.EventUndecodable}},
		{"number as id", webhookBody("user.kycreview", payload, signed+`,"webhook_id":10448213`), provider.Receipt{Event: "user_kycreview", DeliveryID: "10448213"}},
		{"id outside", `{"webhookId":"w-9","webhook":` + webhookBody("user.kycreview", payload, signed) + `}`, provider.Receipt{Event: "user_kycreview", DeliveryID: "w-9"}},
		{"id with wildcard", webhookBody("user.kycreview", payload, signed+`,"webhook_id":"a.>*"`), provider.Receipt{Event: "user_kycreview"}},
		{"id with line breaks", webhookBody("user.kycreview", payload, signed+`,"webhook_id":"a\r\nb: c"`), provider.Receipt{Event: "user_kycreview"}},
		{"id too long", webhookBody("user.kycreview", payload, signed+`,"webhook_id":"`+long+`"`), provider.Receipt{Event: "user_kycreview"}},
		{"payload undecodable", webhookBody("user.kycreview", `[1]`, signedAs(`[1]`)), provider.Receipt{Event: "user_kycreview", Signed: []byte("[1]")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			receipt, err := verify(posted(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if test.want.Signed == nil {
				test.want.Signed = []byte(payload)
			}
			if diff := cmp.Diff(test.want, receipt); diff != "" {
				t.Errorf("receipt (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUnsigned checks the only two bodies that are let through without a signature.
func TestUnsigned(t *testing.T) {
	const handshake = `{"Type":"SubscriptionConfirmation","Token":"2f","SubscribeURL":"https://example.com/?a=b"}`
	withoutPayload := `{"webhook":"kycreview.request","webhook_id":"w-1"}`
	for _, test := range []struct {
		name, body string
		want       provider.Receipt
	}{
		{"review", webhookBody("kycreview.result", `{ "tag": "a/b" }`, ""), provider.Receipt{Event: "kycreview_result", Family: provider.FamilyUnsigned, Signed: []byte(`{"tag":"a\/b"}`)}},
		{"review not listed", webhookBody("kycreview.reopened", `{}`, ""), provider.Receipt{Event: provider.EventOther, Family: provider.FamilyUnsigned, Signed: []byte(`{}`)}},
		{"review without a payload", withoutPayload, provider.Receipt{Event: "kycreview_request", Family: provider.FamilyUnsigned, DeliveryID: "w-1", Signed: []byte(withoutPayload)}},
		{"handshake", handshake, provider.Receipt{Event: provider.EventOther, Family: provider.FamilyConfirmation, Signed: []byte(handshake)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			receipt, err := verify(posted(test.body))
			if err != nil {
				t.Fatal(err)
			}
			test.want.Secret = -1
			if diff := cmp.Diff(test.want, receipt); diff != "" {
				t.Errorf("receipt (-want +got):\n%s", diff)
			}
		})
	}
}
