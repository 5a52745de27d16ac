// Package bustest gives tests a broker of their own.
package bustest

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
)

// Settings are those of streams on a single node.
func Settings(retention time.Duration) bus.StreamSettings {
	return bus.StreamSettings{Retention: retention, DeduplicationWindow: time.Minute, Replicas: 1}
}

// Open starts a server in this process, with empty streams of all kinds, and returns a connection to it. Both end with the test.
func Open(t testing.TB, settings bus.StreamSettings) *bus.Bus {
	t.Helper()
	dir, quiet := t.TempDir(), slog.New(slog.DiscardHandler)
	server, err := bus.StartServer(bus.ServerConfig{
		Dir: filepath.Join(dir, "nats"), Addr: "off", PasswordFile: filepath.Join(dir, "password"), Logger: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	b, err := bus.Connect(t.Context(), bus.Config{Server: server, Name: t.Name(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := b.EnsureStreams(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	return b
}
