package receiver

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/capacity"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/spool"
)

const (
	canarySubject = "kyc.canary"
	// canaryFor is how long the result of a durable write stands for those that follow.
	canaryFor = time.Second
	// canaryTimeout is above what a disk takes, and below the second that those who ask commonly
	// wait.
	canaryTimeout = 800 * time.Millisecond
	// levelsFor is how long a look at how full the streams are stands.
	levelsFor = 10 * time.Second
)

// check is one of the things that must work for a webhook to be taken.
type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
	// Optional is what webhooks are taken without, for a while.
	Optional bool `json:"-"`
}

// canary proves that a webhook could be sealed and that a write becomes durable. However many
// ask, it is tried once a second.
type canary struct {
	stores   Stores
	broker   *connection
	spools   bool
	provider string // whose key is used; empty where none is served

	mu     sync.Mutex
	at     time.Time
	last   []check
	looked time.Time
	levels []capacity.Level
}

func (c *canary) check() []check {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() || time.Since(c.at) >= canaryFor {
		// Not the context of who asks first: the others wait for this result too.
		ctx, cancel := context.WithTimeout(context.Background(), canaryTimeout)
		defer cancel()
		c.last = []check{c.keys(), c.disk()}
		if c.spools {
			c.last = append(c.last, c.spool(ctx))
		}
		c.last = append(c.last, c.stream(ctx), c.streams(ctx))
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

func (c *canary) disk() check {
	if c.stores.Disk != nil {
		if err := c.stores.Disk.Room(); err != nil {
			return check{Name: "disk", Detail: err.Error()}
		}
	}
	return check{Name: "disk", OK: true}
}

// spool tries to make something durable as webhooks are.
func (c *canary) spool(ctx context.Context) check {
	err := c.stores.Spool.Probe(ctx)
	switch {
	case err == nil:
		return check{Name: "spool", OK: true}
	case errors.Is(err, spool.ErrFull):
		return check{Name: "spool", Detail: "the spool is past its mark: the broker does not take what it holds"}
	}
	return check{Name: "spool", Detail: "the disk does not make an entry durable"}
}

func (c *canary) stream(ctx context.Context) check {
	result := check{Name: "broker", Optional: c.spools}
	b := c.broker.get()
	if b == nil {
		result.Detail = "the broker has not been reached yet"
		return result
	}
	_, err := b.Publish(ctx, bus.Message{Subject: canarySubject})
	switch {
	case err == nil:
		result.OK = true
	case !b.Connected():
		result.Detail = "the broker cannot be reached"
	default:
		result.Detail = "the broker does not make a message durable"
	}
	return result
}

// streams tells which streams are nearly full. What goes to the others is taken.
func (c *canary) streams(ctx context.Context) check {
	result := check{Name: "streams", OK: true, Optional: true}
	b := c.broker.get()
	if b == nil || !b.Connected() {
		return result // as far as is known
	}
	if c.looked.IsZero() || time.Since(c.looked) >= levelsFor {
		c.levels, c.looked = b.Levels(ctx), time.Now()
	}
	var full []string
	for _, l := range c.levels {
		if l.Near() {
			full = append(full, l.Name)
		}
	}
	if len(full) > 0 {
		result.OK, result.Detail = false, "nearly full: "+strings.Join(full, ", ")
	}
	return result
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

// ready answers whether a webhook that came now would become durable. With a spool it would
// without the broker too, which shows as degraded.
func (r *receiver) ready(w http.ResponseWriter, req *http.Request) {
	if !reads(w, req) {
		return
	}
	var checks []check
	select {
	case <-r.opened:
		checks = r.canary.check()
	default:
		checks = []check{{Name: "stores", Detail: "the keys and the spool are being opened"}}
	}
	status, text := http.StatusOK, "ready"
	for _, c := range checks {
		switch {
		case c.OK:
		case c.Optional && status == http.StatusOK:
			text = "degraded"
		case !c.Optional:
			status, text = http.StatusServiceUnavailable, "unready"
		}
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
