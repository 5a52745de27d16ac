//go:build linux

package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/seal"
)

// collect gathers what a run has left behind: from the ledger, from the streams as the broker's
// administrator reads them, and from the API.
func (r *round) collect(ctx context.Context) (*Evidence, error) {
	keys, err := seal.Open(r.in.keyDir(), []byte(masterKey))
	if err != nil {
		return nil, err
	}
	e := &Evidence{Window: r.cfg.Window, Providers: r.in.providers, Pseudonym: keys.Pseudonym}
	e.Requests, _ = r.ledger.snapshot()
	for stream, take := range map[string]func(bus.Stored) error{
		bus.Webhooks:      func(m bus.Stored) error { return e.webhook(m, keys) },
		bus.Held:          func(m bus.Stored) error { return e.webhook(m, keys) },
		bus.Verifications: e.event, bus.Sandbox: e.event,
		bus.Outcomes: func(m bus.Stored) error { return appendJSON(&e.Outcomes, m.Data) },
		bus.Dead:     func(m bus.Stored) error { return appendJSON(&e.Dead, m.Data) },
	} {
		if _, err := r.bus.Read(ctx, stream, ">", 1, take); err != nil {
			return nil, fmt.Errorf("collect: %w", err)
		}
	}
	if e.Deliveries, err = pages[Delivery](ctx, r.in, "/v1/deliveries?limit=500"); err != nil {
		return nil, err
	}
	for _, sandbox := range []string{"false", "true"} {
		rows, err := pages[Current](ctx, r.in, "/v1/verifications?limit=500&sandbox="+sandbox)
		if err != nil {
			return nil, err
		}
		e.Current = append(e.Current, rows...)
	}
	return e, nil
}

// webhook takes over a stored delivery.
func (e *Evidence) webhook(m bus.Stored, keys *seal.Keyring) error {
	w, err := event.DecodeWebhook(m.Header, m.Data)
	if err != nil {
		return err
	}
	body, err := keys.Open(w.SealKey, w.ID, w.Sealed)
	if err != nil {
		return fmt.Errorf("message %d of %s: %w", m.Seq, m.Stream, err)
	}
	stored := Stored{
		Stream: m.Stream, Seq: m.Seq, At: m.Time, ID: w.ID, Provider: w.Provider, Event: w.Event, Received: w.ReceivedAt, Body: body,
	}
	if key := m.Header[bus.MessageIDHeader]; len(key) > 0 {
		stored.Key = key[0]
	}
	e.Stored = append(e.Stored, stored)
	return nil
}

// event takes over a verification event.
func (e *Evidence) event(m bus.Stored) error {
	envelope, err := event.Decode(m.Header, m.Data)
	if err != nil {
		return err
	}
	data, _, err := event.VerificationOf(envelope)
	if err != nil {
		return err
	}
	e.Events = append(e.Events, Event{Stream: m.Stream, Seq: m.Seq, Verification: data})
	return nil
}

func appendJSON[T any](list *[]T, data []byte) error {
	var one T
	if err := json.Unmarshal(data, &one); err != nil {
		return err
	}
	*list = append(*list, one)
	return nil
}

// pages reads all pages of a list of the API.
func pages[T any](ctx context.Context, in *installation, path string) ([]T, error) {
	var rows []T
	for next := path; ; {
		body, err := in.get(ctx, in.api()+next)
		if err != nil {
			return nil, err
		}
		var page struct {
			Data []T
			Meta struct {
				Next string `json:"next_cursor"`
			}
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return nil, err
		}
		rows = append(rows, page.Data...)
		if page.Meta.Next == "" {
			return rows, nil
		}
		next = path + "&cursor=" + url.QueryEscape(page.Meta.Next)
	}
}

// progress is how far the API says that the read model is.
type progress struct {
	Deliveries []struct {
		Outcome string
		Count   int
	}
	Streams []struct {
		Stream string
		AsOf   uint64 `json:"as_of_sequence"`
		Lag    uint64
	}
}

// drained returns nil where the tables hold all that the streams do and no delivery is without
// an outcome.
func (r *round) drained(ctx context.Context) error {
	body, err := r.in.get(ctx, r.in.api()+"/v1/stats")
	if err != nil {
		return err
	}
	var said struct{ Data progress }
	if err := json.Unmarshal(body, &said); err != nil {
		return err
	}
	for _, d := range said.Data.Deliveries {
		if d.Outcome == "pending" && d.Count > 0 {
			return fmt.Errorf("%d deliveries have no outcome", d.Count)
		}
	}
	for _, s := range said.Data.Streams {
		state, err := r.bus.StreamState(ctx, s.Stream)
		if err != nil {
			return err
		}
		if s.Lag > 0 || s.AsOf < state.LastSeq {
			return fmt.Errorf("the tables are at %d of %d of %s, lag %d", s.AsOf, state.LastSeq, s.Stream, s.Lag)
		}
	}
	return nil
}
