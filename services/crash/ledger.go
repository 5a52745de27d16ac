package crash

import (
	"strings"
	"sync"
	"time"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/services/simulator"
)

// ledger keeps every request of a run and what was answered.
type ledger struct {
	mu       sync.Mutex
	requests []Request
	fault    string
	lastKept time.Time
	gap      time.Duration
}

// heard notes an exchange.
func (l *ledger) heard(x simulator.Exchange) {
	r := Request{
		Provider: x.Player.Provider.Name, Forged: x.Forged, Status: x.Status, Answer: x.ID, Result: x.Result, Cause: x.Cause,
		Sent: x.Sent, Answered: x.Answered,
	}
	r.ID, r.Key, r.Event = identify(x.Player.Provider, x.Posted, x.Player.Secret)
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Fault = l.fault
	l.requests = append(l.requests, r)
	if r.kept() && r.Answered.After(l.lastKept) {
		if !l.lastKept.IsZero() {
			l.gap = max(l.gap, r.Answered.Sub(l.lastKept))
		}
		l.lastKept = r.Answered
	}
}

// identify returns the id of a webhook, what it is recognised by, and the token of its event:
// all three follow from what is posted.
func identify(p *provider.Provider, posted provider.Posted, secret string) (id, key, token string) {
	signed, err := p.Post(posted, secret)
	if err != nil {
		return "", "", ""
	}
	receipt, err := p.Verify(provider.Request{
		Segment: strings.TrimPrefix(signed.Path, "/"), Header: func(name string) string { return signed.Header[name] },
		Body: signed.Body, Secrets: []string{secret},
	})
	if err != nil {
		return "", "", ""
	}
	id = event.WebhookID(p.Name, receipt.DeliveryID, receipt.Signed)
	key = id
	if p.NameUnsigned() {
		key += "/" + receipt.Event
	}
	return id, key, receipt.Event
}

// during says what is wrong from now on; empty is nothing.
func (l *ledger) during(fault string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = fault
}

// keptSince reports whether a webhook that was sent behind a time was taken.
func (l *ledger) keptSince(at time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.requests) - 1; i >= 0 && l.requests[i].Answered.After(at); i-- {
		if r := &l.requests[i]; r.kept() && r.Sent.After(at) {
			return true
		}
	}
	return false
}

// snapshot returns the requests so far, and the longest time in which none was taken.
func (l *ledger) snapshot() ([]Request, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Request(nil), l.requests...), l.gap
}
