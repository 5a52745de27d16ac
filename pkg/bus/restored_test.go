package bus

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// serverWith returns the settings of a server in a directory of its own, with a password that others know too.
func serverWith(t *testing.T, addr, password string) ServerConfig {
	t.Helper()
	config := serverConfig(t.TempDir(), addr)
	if err := os.WriteFile(config.PasswordFile, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	return config
}

const (
	password      = "correct-horse-battery-staple-0123456789abcdef"
	wrongPassword = "wrong-horse-battery-staple-0123456789abcdef00"
)

// TestStreamsThatVanished are made again when the broker comes back without them.
func TestStreamsThatVanished(t *testing.T) {
	first := startTestServer(t, serverWith(t, "127.0.0.1:0", password))
	addr := first.Addr()
	b := connectTestBus(t, Config{URL: "nats://admin:" + password + "@" + addr})
	if err := b.EnsureStreams(t.Context(), testSettings); err != nil {
		t.Fatal(err)
	}
	first.Shutdown()
	startTestServer(t, serverWith(t, addr, password))
	eventually(t, "the streams are there again", func() bool {
		_, err := b.Publish(t.Context(), testMessage("kyc.webhook.idenfy.other", "1", "sealed"))
		return err == nil
	})
}

// lines gets what is logged, line by line.
type lines func(string)

// Write passes one line on.
func (l lines) Write(line []byte) (int, error) {
	l(string(line))
	return len(line), nil
}

// TestRefusedForAWhile connects again once the broker takes the password, however often it did not.
func TestRefusedForAWhile(t *testing.T) {
	config := serverWith(t, "127.0.0.1:0", password)
	server := startTestServer(t, config)
	addr := server.Addr()
	b := connectTestBus(t, Config{URL: "nats://admin:" + password + "@" + addr})
	server.Shutdown()

	refused := make(chan struct{}, 10)
	other := serverWith(t, addr, wrongPassword)
	other.Logger = slog.New(slog.NewTextHandler(lines(func(line string) {
		if strings.Contains(line, "authentication error") {
			select {
			case refused <- struct{}{}:
			default:
			}
		}
	}), nil))
	server = startTestServer(t, other)
	for range 4 {
		receive(t, refused)
	}
	server.Shutdown()
	config.Addr = addr
	config.Dir = filepath.Join(t.TempDir(), "nats")
	startTestServer(t, config)
	eventually(t, "it is connected", b.Connected)
}
