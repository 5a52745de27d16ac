package simulator

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/provider/all"
	"github.com/verdict-stream/verdict/pkg/verification"
)

const peerSecret = "5e8a0c27d91f"

// peer is what the simulator talks to: the providers' own folders and the engine, without
// anything that makes them durable. Its faults are those that a simulation is there to find.
type peer struct {
	faults
	*httptest.Server
	providers []provider.Provider

	mu       sync.Mutex
	seq      uint64
	requests int
	received map[string]int  // by body, where it was taken
	hungUp   map[string]bool // by body
	records  map[string]*verification.Record
	events   map[string][]verification.Change // by the name of the record
}

type faults struct {
	busy         int           // that many requests are answered with 503 at first
	hangUp       int           // of that many requests, one is cut off; no body more than once
	trusting     bool          // bad signatures are taken
	forgetful    bool          // what was taken has no effect
	refusedAlike int           // every webhook is answered with this status
	slow         time.Duration // how long the first answer takes
	doubled      bool          // every event is published twice
	overtaken    bool          // of every webhook a later copy is handled first
	unlike       bool          // what is to be ignored or held is accepted
	refusal      string        // the cause that bad signatures are refused for, in place of bad_signature
}

func newPeer(t *testing.T, f faults) *peer {
	p := &peer{faults: f, providers: all.Providers(), received: map[string]int{}, hungUp: map[string]bool{}, records: map[string]*verification.Record{}, events: map[string][]verification.Change{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /webhooks/{provider}/{segment...}", p.webhook)
	mux.HandleFunc("POST /webhooks/{provider}", p.webhook)
	mux.HandleFunc("GET /v1/verifications/{provider}/{kind}/{reference}", p.verification)
	mux.HandleFunc("GET /v1/verifications/{provider}/{kind}/{reference}/events", p.timeline)
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// players are all providers with all scenarios.
func (p *peer) players() []Player {
	var players []Player
	for i := range p.providers {
		one := &p.providers[i]
		players = append(players, Player{Provider: one, Scenarios: one.Scenarios, Secret: peerSecret, URL: p.URL + "/webhooks/" + one.Name})
	}
	return players
}

func (p *peer) webhook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	if p.requests == 1 {
		time.Sleep(p.slow)
	}
	known := p.known(r.PathValue("provider"))
	receipt, err := known.Verify(provider.Request{
		Segment: r.PathValue("segment"), Header: r.Header.Get, Body: body, Secrets: []string{peerSecret},
	})
	switch {
	case p.requests <= p.busy:
		refuse(w, http.StatusServiceUnavailable, "unavailable")
	case p.hangUp > 0 && p.requests%p.hangUp == 0 && !p.hungUp[string(body)]:
		p.hungUp[string(body)] = true
		panic(http.ErrAbortHandler)
	case p.refusedAlike > 0:
		w.WriteHeader(p.refusedAlike)
	case err != nil && !p.trusting:
		refuse(w, known.RefusedStatus, cmp.Or(p.refusal, causeBadSignature))
	case err != nil:
		fmt.Fprint(w, `{"id":"x","status":"accepted"}`)
	case !p.unlike && receipt.Family == provider.FamilyForeign:
		fmt.Fprintf(w, `{"id":"x","status":%q}`, resultIgnored)
	default:
		p.received[string(body)]++
		status := resultAccepted
		if !p.unlike && receipt.Family == provider.FamilyUnsigned {
			status = resultHeld
		}
		if p.received[string(body)] > 1 {
			status = resultDuplicate
		}
		if receipt.Family == provider.FamilyVerification {
			if err := p.fold(known, provider.Delivery{Event: receipt.Event, Body: body}); err != nil {
				panic(err)
			}
		}
		fmt.Fprintf(w, `{"id":"x","status":%q}`, status)
	}
}

func refuse(w http.ResponseWriter, status int, cause string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"title":"Refused","status":%d,"cause":%q}`, status, cause)
}

func (p *peer) known(name string) *provider.Provider {
	for i := range p.providers {
		if p.providers[i].Name == name {
			return &p.providers[i]
		}
	}
	panic("no provider " + name)
}

// fold applies a delivery as the lifecycle does.
func (p *peer) fold(known *provider.Provider, d provider.Delivery) error {
	p.seq++
	decoded, err := known.Decode(d)
	if errors.Is(err, provider.ErrUnhandled) || p.forgetful {
		return nil
	}
	for _, e := range decoded.Elements {
		kind, _ := known.Kind(e.Kind)
		if err := kind.Fill(&e.Signal); err != nil {
			return err
		}
		e.Signal.Received(p.seq, time.Now(), fmt.Sprint(p.seq))
		id := verification.NewID(known.Name, e.Kind, e.Reference)
		key := recordKey(id.String(), e.Signal.Sandbox)
		if p.records[key] == nil {
			p.records[key] = &verification.Record{ID: id}
		}
		change, err := kind.Apply(p.records[key], e.Signal)
		if err != nil {
			return err
		}
		if change == nil {
			continue
		}
		if p.overtaken {
			later := *change
			later.Signal.Seq += 1000
			p.records[key].Version++
			p.events[key] = append(p.events[key], later)
		}
		p.events[key] = append(p.events[key], *change)
		if p.doubled {
			p.records[key].Version++
			p.events[key] = append(p.events[key], *change)
		}
	}
	return err
}

func recordKey(id string, sandbox bool) string { return fmt.Sprint(id, " ", sandbox) }

func (p *peer) verification(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/v1/verifications/")
	record := p.records[recordKey(path, r.URL.Query().Get("sandbox") == "true")]
	if record == nil {
		refuse(w, http.StatusNotFound, "not_found")
		return
	}
	show(w, map[string]any{
		"status": record.State.Status, "decided_by": record.State.By, "attempt": record.State.Attempt,
		"anomalies": record.State.Anomalies, "version": record.Version,
	})
}

func (p *peer) timeline(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	path := strings.TrimSuffix(strings.TrimPrefix(r.URL.EscapedPath(), "/v1/verifications/"), "/events")
	events := []map[string]any{}
	for _, change := range p.events[recordKey(path, r.URL.Query().Get("sandbox") == "true")] {
		events = append(events, map[string]any{"event": change.Event, "version": change.Version, "signal": change.Signal})
	}
	show(w, events)
}

func show(w http.ResponseWriter, data any) {
	body, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(body)
}
