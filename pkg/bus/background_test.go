package bus

import (
	"errors"
	"net"
	"testing"
)

// A connection in the background is there before the broker is.
func TestConnectInTheBackground(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	config := serverConfig(t.TempDir(), addr)
	s := startTestServer(t, config)
	password := s.password
	s.Shutdown()

	b, err := Connect(t.Context(), Config{URL: AdminURL(addr, password), Logger: quiet, Background: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	ctx, cancel := shortly(t)
	defer cancel()
	if _, err := b.StreamState(ctx, Dead); !errors.Is(err, ErrUnavailable) || b.Connected() {
		t.Errorf("without a broker: %v", err)
	}
	if _, err := b.Publish(ctx, testMessage("kyc.canary", "1", "x")); !errors.Is(err, ErrUnavailable) {
		t.Errorf("publishing without a broker: %v", err)
	}
	startTestServer(t, config)
	eventually(t, "the broker is found", func() bool { return b.EnsureStreams(t.Context(), testSettings) == nil })
}
