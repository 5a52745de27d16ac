package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// deliveryRow is one delivery as the API shows it.
type deliveryRow struct {
	ID            *string  `json:"id"`
	Stream        string   `json:"stream"`
	Sequence      uint64   `json:"sequence"`
	Provider      string   `json:"provider"`
	Event         string   `json:"event"`
	Outcome       *string  `json:"outcome"`
	Cause         *string  `json:"cause"`
	Verifications []string `json:"verifications"`
}

// fact is one event of a verification, as a plain client reads it from its stream.
type fact struct {
	ID       string `json:"id"`
	Status   string `json:"status"`
	Version  int    `json:"version"`
	Sequence uint64 `json:"sequence"`
}

// account checks what must hold whatever has happened, once everything that was taken has come
// to its outcome: each 200 is a delivery with exactly one outcome and none was applied twice,
// every stream of events numbers the versions of a verification without a gap or a repetition,
// and the read model says what the streams say.
func (in *installation) account() error {
	return in.within("account", func() error {
		rows, err := pages[deliveryRow](in, "/v1/deliveries?limit=500")
		if err != nil {
			return err
		}
		if err := in.answered(rows); err != nil {
			return err
		}
		for stream, sandbox := range map[string]bool{"KYC_VERIFICATIONS": false, "KYC_SANDBOX": true} {
			if err := in.told(stream, sandbox); err != nil {
				return err
			}
		}
		return nil
	})
}

// answered compares the answers with the deliveries.
func (in *installation) answered(rows []deliveryRow) error {
	stored := map[string]int{}
	applied := map[string]int{}
	for _, r := range rows {
		if r.Outcome == nil || *r.Outcome == "" {
			return fmt.Errorf("delivery %d of %s has no outcome", r.Sequence, r.Stream)
		}
		if r.ID == nil {
			continue
		}
		stored[*r.ID]++
		if *r.Outcome == "applied" {
			applied[*r.ID+" as "+r.Event]++
		}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	accepted := map[string]int{}
	for _, t := range in.taken {
		if t.Status == "accepted" || t.Status == "held" {
			accepted[t.ID]++
		}
		if t.Status != "ignored" && stored[t.ID] == 0 {
			return fmt.Errorf("%s was answered with %s and is no delivery", t.ID, t.Status)
		}
	}
	for id, n := range accepted {
		if stored[id] < n {
			return fmt.Errorf("%s was accepted %d times and stored %d times", id, n, stored[id])
		}
	}
	for id, n := range applied {
		if n > 1 {
			return fmt.Errorf("%s was applied %d times", id, n)
		}
	}
	return nil
}

// told compares a stream of events with itself and with the read model.
func (in *installation) told(stream string, sandbox bool) error {
	events, err := in.facts(stream)
	if err != nil {
		return err
	}
	last := map[string]fact{}
	for _, e := range events {
		if e.Version != last[e.ID].Version+1 {
			return fmt.Errorf("%s: version %d of %s follows version %d", stream, e.Version, e.ID, last[e.ID].Version)
		}
		last[e.ID] = e
	}
	rows, err := pages[fact](in, "/v1/verifications?limit=500&sandbox="+strconv.FormatBool(sandbox))
	if err != nil {
		return err
	}
	if len(rows) != len(last) {
		return fmt.Errorf("%d verifications are in the read model, %d in %s", len(rows), len(last), stream)
	}
	for _, r := range rows {
		if r != last[r.ID] {
			return fmt.Errorf("the read model says %+v, %s says %+v", r, stream, last[r.ID])
		}
		body, err := in.api("/v1/verifications/" + r.ID + "/events?sandbox=" + strconv.FormatBool(sandbox))
		if err != nil {
			return err
		}
		var timeline struct{ Data []fact }
		if err := json.Unmarshal(body, &timeline); err != nil {
			return err
		}
		for i, e := range timeline.Data {
			if e.Version != i+1 {
				return fmt.Errorf("the timeline of %s has version %d at %d", r.ID, e.Version, i)
			}
		}
		if len(timeline.Data) != r.Version {
			return fmt.Errorf("the timeline of %s has %d events of %d", r.ID, len(timeline.Data), r.Version)
		}
	}
	return nil
}

// facts reads a stream of events.
func (in *installation) facts(stream string) ([]fact, error) {
	messages, err := in.messages(stream)
	if err != nil {
		return nil, err
	}
	facts := make([]fact, len(messages))
	for i, m := range messages {
		if err := json.Unmarshal(m.Data, &facts[i]); err != nil {
			return nil, err
		}
		facts[i].Sequence = m.Sequence
		want := fmt.Sprintf("%s@%d", facts[i].ID, facts[i].Version)
		id, err := url.PathUnescape(first(m.Header["ce-id"]))
		if err != nil || id != want {
			return nil, fmt.Errorf("message %d of %s is called %s, not %s", m.Sequence, stream, id, want)
		}
	}
	return facts, nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// stream looks at a stream as any client of the broker can.
func (in *installation) stream(name string, look func(context.Context, jetstream.Stream) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	conn, err := in.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	s, err := js.Stream(ctx, name)
	if err != nil {
		return err
	}
	return look(ctx, s)
}

// messages reads a whole stream.
func (in *installation) messages(stream string) (messages []*jetstream.RawStreamMsg, err error) {
	err = in.stream(stream, func(ctx context.Context, s jetstream.Stream) error {
		state := s.CachedInfo().State
		for seq := max(state.FirstSeq, 1); seq <= state.LastSeq; seq++ {
			m, err := s.GetMsg(ctx, seq)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			messages = append(messages, m)
		}
		return nil
	})
	return messages, err
}

// connect connects to the broker as its administrator.
func (in *installation) connect() (*nats.Conn, error) {
	if slices.Contains(in.form.roles, broker) {
		return nats.Connect(in.settings["VERDICT_NATS_URL"])
	}
	password, err := os.ReadFile(filepath.Join(in.data(), "nats-admin-password"))
	if err != nil {
		return nil, err
	}
	return nats.Connect("nats://"+in.settings["VERDICT_NATS_ADDR"], nats.UserInfo("admin", strings.TrimSpace(string(password))))
}

// pages reads all pages of a list.
func pages[T any](in *installation, path string) ([]T, error) {
	var rows []T
	for cursor := ""; ; {
		body, err := in.api(path + cursor)
		if err != nil {
			return nil, err
		}
		var page struct {
			Data []T
			Meta struct {
				Next *string `json:"next_cursor"`
			}
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return nil, err
		}
		rows = append(rows, page.Data...)
		if page.Meta.Next == nil || *page.Meta.Next == "" {
			return rows, nil
		}
		cursor = "&cursor=" + url.QueryEscape(*page.Meta.Next)
	}
}
