package bus

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// A server that is shut down while one of its streams is being made leaves that one's files open.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"))
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// quick is a timing that keeps tests short without changing what happens.
var quick = timing{
	ackWait: 2 * time.Second, fetchWait: 100 * time.Millisecond, grace: time.Second,
	backoffBase: 5 * time.Millisecond, backoffMax: 20 * time.Millisecond, pauseMax: 20 * time.Millisecond,
}

var testSettings = StreamSettings{Retention: 168 * time.Hour, DeduplicationWindow: 2 * time.Minute, Replicas: 1}

func serverConfig(dir, addr string) ServerConfig {
	return ServerConfig{Dir: filepath.Join(dir, "nats"), Addr: addr, PasswordFile: filepath.Join(dir, "nats-admin-password"), Logger: quiet}
}

func startTestServer(t testing.TB, config ServerConfig) *Server {
	t.Helper()
	s, err := StartServer(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

func connectTestBus(t testing.TB, config Config) *Bus {
	t.Helper()
	config.Logger = quiet
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := Connect(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	b.timing = quick
	t.Cleanup(b.Close)
	return b
}

// newTestBus returns a bus on a server of its own, with all streams.
func newTestBus(t testing.TB) *Bus {
	t.Helper()
	b := connectTestBus(t, Config{Server: startTestServer(t, serverConfig(t.TempDir(), "off"))})
	if err := b.EnsureStreams(t.Context(), testSettings); err != nil {
		t.Fatal(err)
	}
	return b
}

// addStream makes a stream that the tests alone use.
func addStream(t *testing.T, b *Bus, config jetstream.StreamConfig) {
	t.Helper()
	if _, err := b.js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
}

// publish stores one message with an id.
func publish(t *testing.T, b *Bus, subject, id, data string) Ack {
	t.Helper()
	ack, err := b.Publish(t.Context(), testMessage(subject, id, data))
	if err != nil {
		t.Fatal(err)
	}
	return ack
}

func testMessage(subject, id, data string) Message {
	return Message{Subject: subject, Header: map[string][]string{MessageIDHeader: {id}}, Data: []byte(data)}
}

// runConsumers runs the consumers until the returned function is called or the test ends; the function returns once they have stopped.
func runConsumers(t *testing.T, b *Bus, consumers ...Consumer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.Run(ctx, consumers...); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// receive waits for the next value; a test that hangs shows where.
func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// shortly returns a context for what is not answered where it fails.
func shortly(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), 500*time.Millisecond)
}
