// Package bustest gives tests a broker of their own.
package bustest

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/verdict-stream/verdict/pkg/bus"
)

// Settings are those of streams on a single node.
func Settings(retention time.Duration) bus.StreamSettings {
	return bus.StreamSettings{Retention: retention, DeduplicationWindow: time.Minute, Replicas: 1}
}

// Open starts a server in this process, with empty streams of all kinds, and returns a connection to it. Both end with the test.
func Open(t testing.TB, settings bus.StreamSettings) *bus.Bus {
	t.Helper()
	b, _, _ := open(t, settings)
	return b
}

// OpenBare is Open with what JetStream itself tells besides.
func OpenBare(t testing.TB, settings bus.StreamSettings) (*bus.Bus, jetstream.JetStream) {
	t.Helper()
	b, server, passwordFile := open(t, settings)
	password, err := os.ReadFile(passwordFile)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := nats.Connect("", nats.InProcessServer(server), nats.UserInfo("admin", strings.TrimSpace(string(password))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return b, js
}

func open(t testing.TB, settings bus.StreamSettings) (b *bus.Bus, server *bus.Server, passwordFile string) {
	t.Helper()
	dir, quiet := t.TempDir(), slog.New(slog.DiscardHandler)
	passwordFile = filepath.Join(dir, "password")
	server, err := bus.StartServer(bus.ServerConfig{Dir: filepath.Join(dir, "nats"), Addr: "off", PasswordFile: passwordFile, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	b, err = bus.Connect(t.Context(), bus.Config{Server: server, Name: t.Name(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := b.EnsureStreams(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	return b, server, passwordFile
}
