package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// restartable returns a server that can be started again, as it was configured, and a bus that finds it there.
func restartable(t *testing.T) (*Server, ServerConfig, *Bus) {
	t.Helper()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := serverConfig(t.TempDir(), probe.Addr().String())
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	server := startTestServer(t, config)
	b := connectTestBus(t, Config{URL: "nats://admin:" + server.password + "@" + config.Addr})
	if err := b.EnsureStreams(t.Context(), testSettings); err != nil {
		t.Fatal(err)
	}
	return server, config, b
}

// A broker of its own process goes away and comes back several times while messages are published and consumed.
func TestNothingIsLostWhenTheBrokerRestarts(t *testing.T) {
	server, config, b := restartable(t)
	const total, publishers, restarts = 2000, 20, 3
	var mu sync.Mutex
	seen := map[string]bool{}
	c := webhooks(func(_ context.Context, m Stored) error {
		mu.Lock()
		defer mu.Unlock()
		seen[m.Header[MessageIDHeader][0]] = true
		return nil
	})
	c.Concurrency = 4
	runConsumers(t, b, c)

	var next atomic.Int64
	var published, restarting sync.WaitGroup
	milestones := make(chan struct{}, restarts)
	for range publishers {
		published.Go(func() {
			for i := next.Add(1); i <= total; i = next.Add(1) {
				if i%(total/(restarts+1)) == 0 && i < total {
					milestones <- struct{}{}
				}
				m := testMessage(webhookSubject, fmt.Sprintf("idenfy:%d", i), "sealed")
				for {
					// The ack of a message that was under way at the restart never comes.
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					_, err := b.Publish(ctx, m)
					cancel()
					if err == nil {
						break
					}
					if !errors.Is(err, ErrUnavailable) {
						t.Errorf("publish: %v", err)
						return
					}
				}
			}
		})
	}
	restarting.Go(func() {
		for range restarts {
			<-milestones
			server.Shutdown()
			again, err := StartServer(config)
			if err != nil {
				t.Errorf("restart: %v", err)
				return
			}
			server = again
		}
	})
	published.Wait()
	restarting.Wait()
	t.Cleanup(server.Shutdown)
	allDone(t, b)

	mu.Lock()
	defer mu.Unlock()
	if len(seen) != total {
		t.Errorf("%d of %d messages came", len(seen), total)
	}
	if state, err := b.StreamState(t.Context(), Webhooks); err != nil || state.Messages != total {
		t.Errorf("the stream holds %d messages, %v; an uncertain publish was repeated under another id", state.Messages, err)
	}
	if letters := deadLetters(t, b); len(letters) != 0 {
		t.Errorf("dead letters: %+v", letters)
	}
}

// A consumer may start before its broker can be reached again, and its position survives the broker.
func TestAConsumerStartsWhileTheBrokerIsAway(t *testing.T) {
	server, config, b := restartable(t)
	publishWebhook(t, b, "idenfy:1")
	server.Shutdown()
	eventually(t, "the loss is noticed", func() bool { return !b.Connected() })
	seen := make(chan uint64, 1)
	runConsumers(t, b, webhooks(func(_ context.Context, m Stored) error {
		seen <- m.Seq
		return nil
	}))
	startTestServer(t, config)
	if got := receive(t, seen); got != 1 {
		t.Errorf("message %d", got)
	}
	allDone(t, b)
}

func TestRunStopsWhileTheBrokerIsAway(t *testing.T) {
	s := startTestServer(t, serverConfig(t.TempDir(), "off"))
	b := connectTestBus(t, Config{Server: s})
	if err := b.EnsureStreams(t.Context(), testSettings); err != nil {
		t.Fatal(err)
	}
	publishWebhook(t, b, "idenfy:1")
	started := make(chan struct{})
	stop := runConsumers(t, b, webhooks(func(ctx context.Context, _ Stored) error {
		close(started)
		<-ctx.Done()
		return ctx.Err()
	}))
	receive(t, started)
	s.Shutdown()
	eventually(t, "the loss is noticed", func() bool { return !b.Connected() })
	stopped := make(chan struct{})
	go func() {
		stop()
		close(stopped)
	}()
	receive(t, stopped)
}
