package receiver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
)

// TestOpensLate listens before the stores are open, and holds what comes until they are.
func TestOpensLate(t *testing.T) {
	b := startBroker(t)
	release := make(chan struct{})
	var tries atomic.Int32
	r := start(t, served(), site{connect: b.connect, open: func(ctx context.Context) (Stores, error) {
		if tries.Add(1) == 1 {
			return Stores{}, fmt.Errorf("first try: %w", bus.ErrUnavailable)
		}
		select {
		case <-release:
			return b.open(ctx)
		case <-ctx.Done():
			return Stores{}, ctx.Err()
		}
	}})
	if got := r.get(t, "/livez"); got.code != http.StatusOK {
		t.Errorf("livez: %d", got.code)
	}
	if got := r.get(t, "/readyz"); got.code != http.StatusServiceUnavailable || !strings.Contains(got.text, "stores") {
		t.Errorf("readyz: %d %s", got.code, got.text)
	}
	p := providers()[0]
	s := samples(t, &p)[0]
	signed := sign(t, &p, s.event, s.body, testSecret)
	held := make(chan reply, 1)
	go func() { held <- r.post(t, p.Name, signed) }()
	eventually(t, "the webhook is in flight", func() bool {
		return sumOf(t, "verdict_webhooks_in_flight", `provider="`+p.Name+`"`) == 1
	})
	close(release)
	got := <-held
	got.want(t, http.StatusOK, "accepted")
	if got := r.get(t, "/readyz"); got.code != http.StatusOK {
		t.Errorf("readyz: %d %s", got.code, got.text)
	}
}

// neverOpens is a site where everything is away.
var neverOpens = site{
	open: func(ctx context.Context) (Stores, error) {
		<-ctx.Done()
		return Stores{}, ctx.Err()
	},
	connect: func(ctx context.Context) (*bus.Bus, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	},
}

// TestNeverOpens answers within the budget where the stores do not open.
func TestNeverOpens(t *testing.T) {
	r := start(t, only("kycaid", func(s *Served) { s.Provider.Budget = 20 * time.Millisecond }), neverOpens)
	got := r.post(t, "kycaid", provider.Signed{Body: []byte("{}")})
	got.want(t, http.StatusServiceUnavailable, "unavailable")
	if got.header.Get("Retry-After") == "" {
		t.Error("the sender is not told when to come again")
	}
}

// TestStopsWhileOpening answers what is held when the receiver is stopped before it could open.
func TestStopsWhileOpening(t *testing.T) {
	r := start(t, served(), neverOpens)
	before := counted(t, "kycaid", "unavailable")
	held := make(chan reply, 1)
	go func() { held <- r.post(t, "kycaid", provider.Signed{Body: []byte("{}")}) }()
	eventually(t, "the webhook is in flight", func() bool {
		return sumOf(t, "verdict_webhooks_in_flight", `provider="kycaid"`) == 1
	})
	r.stop()
	got := <-held
	got.want(t, http.StatusServiceUnavailable, "unavailable")
	if counted(t, "kycaid", "unavailable") != before+1 {
		t.Error("the webhook is not counted")
	}
}

// TestCannotOpen ends where waiting does not help.
func TestCannotOpen(t *testing.T) {
	wrong := errors.New("wrong master key")
	err := Run(t.Context(), Config{
		Addr: "127.0.0.1:0", Instance: "test", Providers: served(), Logger: new(logBuffer).logger(),
		Open: func(context.Context) (Stores, error) { return Stores{}, wrong }, Connect: neverOpens.connect,
	})
	if !errors.Is(err, wrong) {
		t.Errorf("run: %v, want %v", err, wrong)
	}
}

// TestConfig refuses what makes no sense, before anything is opened.
func TestConfig(t *testing.T) {
	b := startBroker(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for want, change := range map[string]func(*Config){
		"instance":       func(c *Config) { c.Instance = "Not/Good" },
		"stores":         func(c *Config) { c.Open = nil },
		"no secret":      func(c *Config) { c.Providers[0].Secrets = nil },
		"served twice":   func(c *Config) { c.Providers[1] = c.Providers[0] },
		"broker":         func(c *Config) { c.Connect = nil },
		"mode":           func(c *Config) { c.Spool = "perhaps" },
		"policy":         func(c *Config) { c.Providers[0].Unsigned = "perhaps" },
		"already in use": func(c *Config) { c.Addr = taken.Addr().String() },
	} {
		c := Config{Addr: "127.0.0.1:0", Instance: "test", Providers: served(), Open: b.open, Connect: b.connect}
		change(&c)
		if err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("run: %v, want an error with %q", err, want)
		}
	}
}

// shortBudget is how long what must fail may take.
const shortBudget = 300 * time.Millisecond

// TestBrokerAway refuses what cannot be made durable, and takes it again as soon as it can.
func TestBrokerAway(t *testing.T) {
	dir := t.TempDir()
	server := startServer(t, dir, "127.0.0.1:0")
	addr := server.Addr()
	b := &broker{dir: dir, keys: openKeys(t, dir)}
	b.bus = connect(t, bus.Config{URL: "nats://admin:" + password(t, dir) + "@" + addr})
	r := start(t, only("treezor", func(s *Served) { s.Provider.Budget = shortBudget }), b.site())
	p := providers()[3]
	s := sampleOf(t, &p, "kycliveness_create")
	signed := sign(t, &p, s.event, s.body, testSecret)
	review := unsigned(sign(t, &p, "kycreview.request", sampleOf(t, &p, "kycreview_request").body, testSecret))

	server.Shutdown()
	for _, posted := range []provider.Signed{signed, review} {
		got := r.post(t, p.Name, posted)
		got.want(t, http.StatusServiceUnavailable, "unavailable")
		if got.header.Get("Retry-After") == "" {
			t.Error("the sender is not told when to come again")
		}
	}
	if got := r.get(t, "/readyz"); got.code != http.StatusServiceUnavailable || !strings.Contains(got.text, "broker") {
		t.Errorf("readyz: %d %s", got.code, got.text)
	}
	if got := r.get(t, "/livez"); got.code != http.StatusOK {
		t.Errorf("livez: %d", got.code)
	}

	server = startServer(t, dir, addr)
	t.Cleanup(server.Shutdown)
	eventually(t, "the webhook is accepted", func() bool { return r.post(t, p.Name, signed).code == http.StatusOK })
	eventually(t, "the receiver is ready", func() bool { return r.get(t, "/readyz").code == http.StatusOK })
	r.post(t, p.Name, review).want(t, http.StatusOK, "held")
}

// TestReady makes no more than one durable write for all who ask in a second.
func TestReady(t *testing.T) {
	b := startBroker(t)
	c := b.receiver(t, Config{Providers: served()}).canary
	for range 3 {
		for _, one := range c.check() {
			if !one.OK {
				t.Errorf("not ready: %+v", one)
			}
		}
	}
	written := func() uint64 {
		state, err := b.bus.StreamState(t.Context(), bus.Canary)
		if err != nil {
			t.Fatal(err)
		}
		return state.LastSeq
	}
	before := written()
	c.at = time.Now().Add(time.Hour) // As if it had been tried just now.
	c.check()
	if got := written(); got != before {
		t.Errorf("%d writes while the last result is fresh", got-before)
	}
	c.at = time.Now().Add(-canaryFor)
	c.check()
	if got := written(); got != before+1 {
		t.Errorf("%d writes after the last result has aged, want 1", got-before)
	}
}

// TestNearlyFullStreams shows what will soon be refused, and takes all that is not.
func TestNearlyFullStreams(t *testing.T) {
	b := startBroker(t)
	r := start(t, kycaidOnly(), b.site())
	eventually(t, "the receiver is ready", func() bool { return strings.Contains(r.get(t, "/readyz").text, `"ready"`) })
	const much = 55 << 20 // of 64
	part := make([]byte, 1<<20)
	for range much / len(part) {
		if _, err := b.bus.Publish(t.Context(), bus.Message{Subject: event.HeldSubject("treezor"), Data: part}); err != nil {
			t.Fatal(err)
		}
	}
	c := &canary{broker: newConnection()}
	c.broker.use(b.bus)
	if got := c.streams(t.Context()); got.OK || !got.Optional || !strings.Contains(got.Detail, bus.Held) {
		t.Errorf("with %s nearly full: %+v", bus.Held, got)
	}
	r.post(t, "kycaid", kycaidWebhook(t, 1)).want(t, http.StatusOK, "accepted")
}

// TestKeysAway is not ready, and takes nothing, where webhooks cannot be sealed.
func TestKeysAway(t *testing.T) {
	b := startBroker(t)
	if err := os.RemoveAll(filepath.Join(b.dir, "keys")); err != nil {
		t.Fatal(err)
	}
	r := start(t, served(), b.site())
	p := providers()[2]
	s := samples(t, &p)[0]
	eventually(t, "the stores are open", func() bool { return strings.Contains(r.get(t, "/readyz").text, `"keys","ok":false`) })
	r.post(t, p.Name, sign(t, &p, s.event, s.body, testSecret)).want(t, http.StatusServiceUnavailable, "unavailable")
	if n := len(b.messages(t, bus.Webhooks)); n != 0 {
		t.Errorf("%d messages are stored", n)
	}
}

// TestSmallMessages follows a broker that takes less, and refuses one that takes too little.
func TestSmallMessages(t *testing.T) {
	for _, c := range []struct {
		payload int32
		want    string
	}{
		{256 << 10, ""},
		{smallBody, "max_payload"},
	} {
		server, err := natsserver.NewServer(&natsserver.Options{
			Port: natsserver.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true,
			StoreDir: filepath.Join(t.TempDir(), "nats"), MaxPayload: c.payload,
		})
		if err != nil {
			t.Fatal(err)
		}
		server.Start()
		if !server.ReadyForConnections(time.Minute) {
			t.Fatal("the server does not start")
		}
		b := &broker{keys: openKeys(t, t.TempDir())}
		b.bus = connect(t, bus.Config{URL: server.ClientURL()})
		if c.want != "" {
			err := Run(t.Context(), Config{Addr: "127.0.0.1:0", Instance: "test", Providers: served(), Open: b.open, Connect: b.connect})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("run: %v, want an error with %q", err, c.want)
			}
		} else {
			r := start(t, served(), b.site())
			p := providers()[1]
			for size, want := range map[int]int{int(c.payload) - envelope: 200, int(c.payload) - envelope + 1: 413} {
				signed := sign(t, &p, p.Events[0].Name, []byte(strings.Repeat("x", size)), testSecret)
				if got := r.post(t, p.Name, signed); got.code != want {
					t.Errorf("%d bytes: answer %d %s, want %d", size, got.code, got.text, want)
				}
			}
			r.stop()
		}
		b.bus.Close()
		server.Shutdown()
		server.WaitForShutdown()
	}
}
