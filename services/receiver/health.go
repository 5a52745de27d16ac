package receiver

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
)

const (
	canarySubject = "kyc.canary"
	// canaryFor is how long the result of a durable write stands for those that follow.
	canaryFor = time.Second
	// canaryTimeout is above what a disk in trouble takes, and below what those who ask wait.
	canaryTimeout = 2 * time.Second
)

// check is one of the things that must work for a webhook to be taken.
type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// canary proves that a webhook could be sealed and that a write becomes durable. However many
// ask, it is tried once a second.
type canary struct {
	stores   Stores
	provider string // whose key is used; empty where none is served

	mu   sync.Mutex
	at   time.Time
	last []check
}

func (c *canary) check() []check {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() || time.Since(c.at) >= canaryFor {
		c.last = []check{c.keys(), c.broker()}
		c.at = time.Now()
	}
	return c.last
}

// keys tries the key that webhooks of this hour need.
func (c *canary) keys() check {
	if c.provider != "" {
		if _, _, err := c.stores.Keys.Seal(c.provider, time.Now(), canarySubject, nil); err != nil {
			return check{Name: "keys", Detail: "the key directory cannot be used"}
		}
	}
	return check{Name: "keys", OK: true}
}

func (c *canary) broker() check {
	// Not the context of who asks first: the others wait for this result too.
	ctx, cancel := context.WithTimeout(context.Background(), canaryTimeout)
	defer cancel()
	_, err := c.stores.Bus.Publish(ctx, bus.Message{Subject: canarySubject})
	switch {
	case err == nil:
		return check{Name: "broker", OK: true}
	case !c.stores.Bus.Connected():
		return check{Name: "broker", Detail: "the broker cannot be reached"}
	}
	return check{Name: "broker", Detail: "the broker does not make a message durable"}
}

// live answers for as long as the process serves requests.
func (r *receiver) live(w http.ResponseWriter, req *http.Request) {
	if !reads(w, req) {
		return
	}
	writeJSON(w, "application/json", http.StatusOK, struct {
		Status string `json:"status"`
	}{"live"})
}

// ready answers whether a webhook that came now would become durable.
func (r *receiver) ready(w http.ResponseWriter, req *http.Request) {
	if !reads(w, req) {
		return
	}
	var checks []check
	select {
	case <-r.opened:
		checks = r.canary.check()
	default:
		checks = []check{{Name: "stores", Detail: "the broker and the keys are being opened"}}
	}
	status, text := http.StatusOK, "ready"
	if slices.ContainsFunc(checks, func(c check) bool { return !c.OK }) {
		status, text = http.StatusServiceUnavailable, "unready"
	}
	writeJSON(w, "application/json", status, struct {
		Status string  `json:"status"`
		Checks []check `json:"checks"`
	}{text, checks})
}

// reads refuses every method but those that read.
func reads(w http.ResponseWriter, req *http.Request) bool {
	if req.Method == http.MethodGet || req.Method == http.MethodHead {
		return true
	}
	problem(w, event.CauseMethodNotAllowed, http.StatusMethodNotAllowed, "GET, HEAD")
	return false
}
