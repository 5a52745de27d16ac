package event_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// TestEncodeVerification writes a verification event as its envelope is written, whatever is in it.
func TestEncodeVerification(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.StringMatching(`[a-z0-9_-]{1,8}`), rapid.StringMatching(`[a-z0-9_-]{1,8}`), rapid.String())
		value := rapid.OneOf(rapid.StringMatching(`[!-~]{0,20}`), rapid.StringMatching(`[ -~]{0,20}`), rapid.String())
		v := event.NewVerification(checkID, verification.Step, fullChange())
		v.ID, v.Provider, v.CausationID = value.Draw(t, "id"), name.Draw(t, "provider"), value.Draw(t, "cause")
		v.Version, v.OccurredAt = rapid.Int().Draw(t, "version"), time.Time{}
		if rapid.Bool().Draw(t, "timed") {
			v.OccurredAt = time.Unix(rapid.Int64Range(-1e11, 1e12).Draw(t, "at"), 0).In(time.FixedZone("", rapid.IntRange(-90_000, 90_000).Draw(t, "zone")))
		}
		instance, published, trace := name.Draw(t, "instance"), name.Draw(t, "published"), value.Draw(t, "trace")
		var want map[string][]string
		var wantData []byte
		e, refused := v.Envelope(instance, published, trace)
		if refused == nil {
			want, wantData, refused = event.Encode(e)
		}
		header, data, err := v.Encode(instance, published, trace)
		if (err != nil) != (refused != nil) {
			t.Fatalf("error %v, want %v", err, refused)
		}
		if diff := cmp.Diff(want, header); diff != "" {
			t.Errorf("headers differ (-want +got):\n%s", diff)
		}
		if !bytes.Equal(wantData, data) {
			t.Errorf("data %s, want %s", data, wantData)
		}
	})
}

// TestDecodeWebhook reads the message of a delivery as its envelope is read, whatever is in its header.
func TestDecodeWebhook(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := webhook()
		header, data, err := w.Encode()
		if err != nil {
			t.Fatal(err)
		}
		changeHeader(t, header)
		var want event.Webhook
		e, refused := event.Decode(header, data)
		if refused == nil {
			want, refused = event.WebhookOf(e)
		}
		got, err := event.DecodeWebhook(header, data)
		if (err != nil) != (refused != nil) {
			t.Fatalf("error %v, want %v", err, refused)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("webhook (-want +got):\n%s", diff)
		}
	})
}

// TestDecodeVerification reads the message of a verification event as its envelope is read, whatever is in its header.
func TestDecodeVerification(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := event.NewVerification(checkID, verification.Step, fullChange())
		v.ID = rapid.SampledFrom([]string{v.ID, v.ID, "no-id"}).Draw(t, "id")
		header, data, err := v.Encode("a", "approved", "trace")
		if err != nil {
			t.Fatal(err)
		}
		data = rapid.SampledFrom([][]byte{data, data, nil, []byte("{"), []byte(`"text"`)}).Draw(t, "data")
		changeHeader(t, header)
		var want event.Verification
		var wantPublished string
		e, refused := event.Decode(header, data)
		if refused == nil {
			want, wantPublished, refused = event.VerificationOf(e)
		}
		got, published, err := event.DecodeVerification(header, data)
		if (err != nil) != (refused != nil) {
			t.Fatalf("error %v, want %v", err, refused)
		}
		if diff := cmp.Diff(want, got); diff != "" || published != wantPublished {
			t.Errorf("published %q, want %q; verification (-want +got):\n%s", published, wantPublished, diff)
		}
	})
}

// changeHeader changes up to three attributes to what may be in the header of anybody's message.
func changeHeader(t *rapid.T, header map[string][]string) {
	names := []string{
		"Nats-Msg-Id", "traceparent", "ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time", "ce-datacontenttype", "content-type",
		"ce-sealkey", "ce-traceparent", "ce-causationid", "ce-other", "ce-", "ce-a-b", "ce-subject", "ce-dataschema",
	}
	odd := rapid.OneOf(
		rapid.SampledFrom([]string{
			"", "a", "1.0", "0.3", "application/json", "application/octet-stream", "text/plain; a", "/verdict/a", "//", "/verdict//a", "/verdict/%zz",
			"kyc.webhook.a.b", "kyc.webhook.a", "kyc.webhook..", "kyc.v1.verification.x", "kyc.v1.verification.", "a%20b", "%zz", " a ", "é", "\xff",
			"0001-01-01T00:00:00Z", "2026-03-01T11:00:00.5+01:00", "2026-03-01T11:00:00z", "2026-03-01t11:00:00Z", "yesterday", strings.Repeat("a", 4097),
		}),
		rapid.String(),
	)
	for range rapid.IntRange(0, 3).Draw(t, "changes") {
		name := rapid.SampledFrom(names).Draw(t, "name")
		spelling := rapid.SampledFrom([]string{name, name, strings.ToUpper(name), strings.Title(name)}).Draw(t, "spelling") //nolint:staticcheck // The names are ASCII.
		switch rapid.SampledFrom([]string{"set", "set", "empty", "remove"}).Draw(t, "change") {
		case "set":
			// Of several spellings that are not ours, any one may stand.
			for other := range header {
				if spelling != name && other != name && strings.EqualFold(other, name) {
					delete(header, other)
				}
			}
			header[spelling] = []string{odd.Draw(t, "value"), "another"}
		case "empty":
			header[spelling] = nil
		case "remove":
			delete(header, spelling)
		}
	}
}
