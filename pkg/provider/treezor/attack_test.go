package treezor

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/provider"
)

// The tests below are those of somebody who has captured one webhook and its signature, and
// not the secret. Only the payload is signed, so he may change everything else.

const captured = `{"users":[{"userId":"7304418","kycReview":"2","city":"K\u00d6LN","address1":"1\/2"}]}`

// received verifies and decodes a webhook as the services do.
func received(t *testing.T, body string) (provider.Receipt, provider.Decoded) {
	t.Helper()
	receipt, err := verify(posted(body))
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	decoded, err := decode(provider.Delivery{Event: receipt.Event, Body: []byte(body)})
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	return receipt, decoded
}

// TestRewrittenPayload writes a payload in another way. Where the PHP form is signed that
// cannot be told from the original, so it is the same delivery with the same signal; where
// the bytes are signed it is refused.
func TestRewrittenPayload(t *testing.T) {
	raw := strings.NewReplacer(`\u00d6`, "Ö", `\/`, "/").Replace(captured)
	for _, test := range []struct{ name, payload string }{
		{"one blank more", strings.Replace(captured, ":", ": ", 1)},
		{"a line break at the end", captured + "\n"},
		{"other escapes", strings.Replace(captured, `\u00d6`, `\u00D6`, 1)},
		{"fewer escapes", raw},
		{"more escapes", strings.Replace(captured, "7304418", `\u0037304418`, 1)},
	} {
		t.Run(test.name, func(t *testing.T) {
			original, said := received(t, webhookBody("user.kycreview", captured, signedAs(captured)))
			rewritten, saidAgain := received(t, webhookBody("user.kycreview", test.payload, signedAs(captured)))
			if diff := cmp.Diff(original, rewritten); diff != "" {
				t.Errorf("receipts differ (-original +rewritten):\n%s", diff)
			}
			if diff := cmp.Diff(said, saidAgain); diff != "" {
				t.Errorf("signals differ (-original +rewritten):\n%s", diff)
			}
			if test.payload == raw {
				return // it is the one that is signed below
			}
			if _, err := verify(posted(webhookBody("user.kycreview", strings.Replace(raw, ":", ": ", 1), signedAs(raw)))); !errors.Is(err, provider.ErrBadSignature) {
				t.Errorf("verify what is signed as bytes: %v, want %v", err, provider.ErrBadSignature)
			}
		})
	}
}

// TestOtherEnvelope changes what is around a payload: the signal is the same one and about
// the same verification, so the copy has no effect.
func TestOtherEnvelope(t *testing.T) {
	flat := webhookBody("user.kycreview", captured, signedAs(captured))
	_, want := received(t, flat)
	for _, test := range []struct{ name, body string }{
		{"another name of the family", webhookBody("user.kycrequest", captured, signedAs(captured))},
		{"another object_id", webhookBody("user.kycreview", captured, signedAs(captured)+`,"object_id":"1"`)},
		{"another webhook_id", webhookBody("user.kycreview", captured, signedAs(captured)+`,"webhook_id":"forged"`)},
		{"another time", webhookBody("user.kycreview", captured, signedAs(captured)+`,"webhook_created_at":99999999999999`)},
		{"nested", `{"webhookId":"forged","webhook":` + flat + `,"object_id":"1","clientId":"1"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, got := received(t, test.body)
			if len(got.Elements) != 1 || got.Elements[0].Reference != want.Elements[0].Reference ||
				got.Elements[0].Kind != want.Elements[0].Kind || got.Elements[0].Signal.ID != want.Elements[0].Signal.ID {
				t.Errorf("elements %+v, want a copy of %+v", got.Elements, want.Elements)
			}
		})
	}
}

// TestOtherLiveness moves a payload to another verification, which only the envelope names:
// the id of the signal stays the payload's, by which its owner is known.
func TestOtherLiveness(t *testing.T) {
	const payload = `{"kyc-status":"processed","user_id":"5520911","score":1}`
	_, mine := received(t, webhookBody("kycliveness.update", payload, signedAs(payload)+`,"object_id":"one"`))
	_, forged := received(t, webhookBody("kycliveness.update", payload, signedAs(payload)+`,"object_id":"other"`))
	if mine.Elements[0].Reference != "one" || forged.Elements[0].Reference != "other" {
		t.Errorf("references %q and %q, want the objects'", mine.Elements[0].Reference, forged.Elements[0].Reference)
	}
	if mine.Elements[0].Signal.ID != forged.Elements[0].Signal.ID || forged.Elements[0].Signal.Applicant != "5520911" {
		t.Errorf("signal %+v, want the id and the applicant of what is signed", forged.Elements[0].Signal)
	}
	if !Provider.OwnedPayloads {
		t.Error("a payload belongs to nobody")
	}
}

// TestOtherEvent puts payloads under every name whose payload has another shape.
func TestOtherEvent(t *testing.T) {
	payloads := map[string]string{
		"user.":            captured,
		"kycreview.":       `{"userId":1,"kycReview":2,"kycStatus":"VALIDATED"}`,
		"document.":        `{"documents":[{"documentId":"9","documentStatus":"VALIDATED","userId":"1"}]}`,
		"kycliveness.":     `{"kyc-status":"processed","user_id":"1","score":1}`,
		"qes.":             `{"transactionNumber":"4be0","result":"SUCCESS","userId":"1"}`,
		"videoConference.": `{"transactionNumber":"4be0","result":"SUCCESS","userId":"1"}`,
	}
	identification := func(family string) bool { return family == "qes." || family == "videoConference." }
	for _, event := range decoders {
		if event.decode == nil {
			continue
		}
		for family, payload := range payloads {
			if strings.HasPrefix(event.event, family) || identification(family) && identification(event.event[:strings.Index(event.event, ".")+1]) {
				continue
			}
			t.Run(event.event+" with a payload of "+family, func(t *testing.T) {
				refusal{
					event: provider.Token(event.event), cause: provider.CauseEventMismatch,
					body: webhookBody(event.event, payload, `,"object_id":"1"`),
				}.check(t)
			})
		}
	}
}
