package receiver

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/seal"
)

const testWindow = 2 * time.Minute

// broker is an in-process server in a directory of its own.
type broker struct {
	server *bus.Server
	bus    *bus.Bus
	keys   *seal.Keyring
	dir    string
}

func startServer(t testing.TB, dir, addr string) *bus.Server {
	t.Helper()
	server, err := bus.StartServer(bus.ServerConfig{
		Dir: filepath.Join(dir, "nats"), Addr: addr, PasswordFile: passwordFile(dir), Logger: new(logBuffer).logger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func passwordFile(dir string) string { return filepath.Join(dir, "nats-admin-password") }

func password(t testing.TB, dir string) string {
	t.Helper()
	text, err := os.ReadFile(passwordFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func startBroker(t testing.TB) *broker {
	t.Helper()
	dir := t.TempDir()
	server := startServer(t, dir, "off")
	t.Cleanup(server.Shutdown)
	b := &broker{server: server, dir: dir, keys: openKeys(t, dir)}
	b.bus = connect(t, bus.Config{Server: server})
	return b
}

func openKeys(t testing.TB, dir string) *seal.Keyring {
	t.Helper()
	keys, err := seal.Open(filepath.Join(dir, "keys"), bytes.Repeat([]byte{7}, seal.MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func connect(t testing.TB, config bus.Config) *bus.Bus {
	t.Helper()
	config.Logger = new(logBuffer).logger()
	b, err := bus.Connect(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	settings := bus.StreamSettings{Retention: 24 * time.Hour, DeduplicationWindow: testWindow, Replicas: 1}
	if err := b.EnsureStreams(context.Background(), settings); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *broker) open(context.Context) (Stores, error) { return Stores{Keys: b.keys}, nil }

func (b *broker) connect(context.Context) (*bus.Bus, error) { return b.bus, nil }

// site has the receiver wait for the stream's ack.
func (b *broker) site() site { return site{open: b.open, connect: b.connect} }

// receiver returns one that does not listen, and is open.
func (b *broker) receiver(t testing.TB, config Config) *receiver {
	t.Helper()
	config.Instance, config.Spool, config.DeduplicationWindow = "test", SpoolOff, testWindow
	config.Open, config.Connect = b.open, b.connect
	r, err := newReceiver(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.abort)
	if err := errors.Join(r.connect(t.Context()), r.openStores(t.Context())); err != nil {
		t.Fatal(err)
	}
	return r
}

// messages returns all messages of a stream.
func (b *broker) messages(t testing.TB, stream string) []bus.Stored {
	t.Helper()
	var all []bus.Stored
	if _, err := b.bus.Read(context.Background(), stream, ">", 1, func(m bus.Stored) error {
		all = append(all, m)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// webhook reads a stored delivery and opens its body.
func (b *broker) webhook(t testing.TB, m bus.Stored) (event.Webhook, []byte) {
	t.Helper()
	envelope, err := event.Decode(m.Header, m.Data)
	if err != nil {
		t.Fatal(err)
	}
	w, err := event.WebhookOf(envelope)
	if err != nil {
		t.Fatal(err)
	}
	body, err := b.keys.Open(w.SealKey, w.ID, w.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	return w, body
}
