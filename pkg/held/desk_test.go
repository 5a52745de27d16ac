package held

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/bus/bustest"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const retention = 2 * time.Hour

func newDesk(t *testing.T) *Desk {
	t.Helper()
	keys, err := seal.Open(t.TempDir(), bytes.Repeat([]byte{7}, seal.MasterKeySize))
	check(t, err)
	return &Desk{Bus: bustest.Open(t, bustest.Settings(retention)), Keys: keys, Retention: func(string) time.Duration { return retention }, Providers: []provider.Provider{{
		Name: "acme",
		Verify: func(r provider.Request) (provider.Receipt, error) {
			if bytes.Contains(r.Body, []byte("confirm")) {
				return provider.Receipt{Event: provider.EventOther, Family: provider.FamilyConfirmation}, nil
			}
			return provider.Receipt{}, provider.ErrMissingSignature
		},
	}}}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (d *Desk) hold(t *testing.T, name, body string, at time.Time) {
	t.Helper()
	id := "acme:" + strconv.Itoa(int(at.UnixNano()))
	key, sealed, err := d.Keys.Seal("acme", at, id, []byte(body))
	check(t, err)
	w := event.Webhook{ID: id, Provider: "acme", Event: name, Instance: "test", ReceivedAt: at, SealKey: key, Sealed: sealed, Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"}
	header, data, err := w.Encode()
	check(t, err)
	header[bus.MessageIDHeader] = []string{id + "/" + name}
	_, err = d.Bus.Publish(t.Context(), bus.Message{Subject: event.HeldSubject("acme"), Header: header, Data: data})
	check(t, err)
}

// A delivery that is released lies among the accepted ones as it was held, opens there, and is told of.
func TestRelease(t *testing.T) {
	d := newDesk(t)
	now := time.Now().UTC()
	d.hold(t, "done", `{"a":1}`, now)
	before, err := d.Item(t.Context(), 1)
	check(t, err)
	item, err := d.Decide(t.Context(), Release, 1)
	check(t, err)
	stored, err := d.Bus.Get(t.Context(), bus.Webhooks, 1)
	check(t, err)
	accepted, err := event.DecodeWebhook(stored.Header, stored.Data)
	check(t, err)
	body, err := d.Keys.Open(accepted.SealKey, accepted.ID, accepted.Sealed)
	if err != nil || string(body) != `{"a":1}` || accepted.ID != before.ID || !accepted.ReceivedAt.Equal(now) ||
		stored.Subject != event.WebhookSubject("acme", "done") || stored.Header[bus.MessageIDHeader][0] != before.ID+"/done" {
		t.Errorf("released as %+v on %s, %v", accepted, stored.Subject, err)
	}
	told, err := d.Bus.Get(t.Context(), bus.Outcomes, 1)
	check(t, err)
	var outcome event.Outcome
	check(t, json.Unmarshal(told.Data, &outcome))
	if outcome.Outcome != event.Repeat || outcome.Cause != CauseReleased || outcome.Stream != bus.Held || outcome.Sequence != 1 ||
		!outcome.ReceivedAt.Equal(now) || outcome.Delivery != item.ID || outcome.Traceparent != before.Traceparent {
		t.Errorf("told: %+v", outcome)
	}
	for name, again := range map[string]func() error{
		"released":  func() error { _, err := d.Decide(t.Context(), Release, 1); return err },
		"discarded": func() error { _, err := d.Decide(t.Context(), Discard, 1); return err },
		"shown":     func() error { _, err := d.Item(t.Context(), 0); return err },
	} {
		if err := again(); !errors.Is(err, ErrNotHeld) {
			t.Errorf("%s once more: %v", name, err)
		}
	}
}

// The handshake of an endpoint, and what cannot be read any more, can only be discarded.
func TestWhatCannotBeReleased(t *testing.T) {
	d := newDesk(t)
	now := time.Now()
	d.hold(t, provider.EventOther, "confirm this", now)
	d.hold(t, "done", "late", now.Add(-2*retention))
	d.hold(t, provider.EventOther, "a webhook of a name that is not listed", now.Add(time.Nanosecond))
	if _, err := d.Decide(t.Context(), Release, 1); !errors.Is(err, ErrHandshake) {
		t.Errorf("a handshake: %v", err)
	}
	if _, err := d.Decide(t.Context(), Release, 2); !errors.Is(err, ErrExpired) {
		t.Errorf("expired: %v", err)
	}
	keys := d.Keys
	d.Keys = nil
	if _, err := d.Decide(t.Context(), Release, 3); !errors.Is(err, ErrNoKeys) || !Closed(err) {
		t.Errorf("without keys: %v", err)
	}
	d.Keys = keys
	if state, err := d.Bus.StreamState(t.Context(), bus.Webhooks); err != nil || state.Messages > 0 {
		t.Errorf("%d were released, %v", state.Messages, err)
	}
	if _, err := d.Decide(t.Context(), Release, 3); err != nil {
		t.Errorf("a webhook: %v", err)
	}
	for _, seq := range []uint64{1, 2} {
		_, err := d.Decide(t.Context(), Discard, seq)
		check(t, err)
	}
	if page, err := d.Page(t.Context(), Filter{}, 0, 10); err != nil || len(page.Items) > 0 {
		t.Errorf("still held: %+v, %v", page, err)
	}
}

func TestHeldIsListedByPage(t *testing.T) {
	d := newDesk(t)
	now := time.Now()
	for i := range 5 {
		d.hold(t, []string{"done", "begun"}[i%2], "x", now.Add(time.Duration(i)))
	}
	page, err := d.Page(t.Context(), Filter{Event: "done"}, 0, 2)
	if err != nil || len(page.Items) != 2 || page.Next != 3 {
		t.Fatalf("%+v, %v", page, err)
	}
	page, err = d.Page(t.Context(), Filter{Event: "done"}, page.Next, 2)
	if err != nil || len(page.Items) != 1 || page.Next != 0 || page.Items[0].Seq != 5 {
		t.Errorf("%+v, %v", page, err)
	}
	for _, f := range []Filter{{Provider: "other"}, {Delivery: "acme:1"}, {Since: now.Add(time.Hour)}, {Until: now.Add(-time.Hour)}} {
		if page, err := d.Page(t.Context(), f, 0, 10); err != nil || len(page.Items) > 0 {
			t.Errorf("%+v: %d, %v", f, len(page.Items), err)
		}
	}
}
