package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// startServer answers requests with what handle returns for each, counted from 1, and closes
// the connection where that is empty. A channel that it waits for ends with the test.
func startServer(t *testing.T, handle func(n int64, done <-chan struct{}) string) (addr string, requests *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	requests = new(atomic.Int64)
	done := make(chan struct{})
	t.Cleanup(func() { close(done); listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				reader := bufio.NewReader(conn)
				for {
					request, err := http.ReadRequest(reader)
					if err != nil {
						return
					}
					if _, err := io.Copy(io.Discard, request.Body); err != nil {
						return
					}
					text := handle(requests.Add(1), done)
					if _, err := io.WriteString(conn, text); text == "" || err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String(), requests
}

const good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

func status(code int, header string) string {
	return fmt.Sprintf("HTTP/1.1 %d X\r\ncontent-length: 1\r\n%s\r\n!", code, header)
}

// Whatever a server does, every request has one outcome, and it is the right one.
func TestEveryRequestIsCounted(t *testing.T) {
	const count, connections = 120, 4
	for name, test := range map[string]struct {
		handle func(n int64, done <-chan struct{}) string
		want   map[string]int
	}{
		"good": {func(int64, <-chan struct{}) string { return good }, map[string]int{outcomeOK: count}},
		"every third is refused": {func(n int64, _ <-chan struct{}) string {
			if n%3 == 0 {
				return status(503, "Retry-After: 5\r\n")
			}
			return good
		}, map[string]int{outcomeOK: 80, "status 503": 40}},
		"refused and hung up on": {func(n int64, _ <-chan struct{}) string {
			if n%2 == 0 {
				return status(401, "connection: close\r\n")
			}
			return good
		}, map[string]int{outcomeOK: 60, "status 401": 60}},
		"another success": {func(int64, <-chan struct{}) string { return status(202, "") }, map[string]int{"status 202": count}},
		"closed without an answer": {func(n int64, _ <-chan struct{}) string {
			if n%4 == 0 {
				return ""
			}
			return good
		}, map[string]int{outcomeOK: 90, outcomeClosed: 30}},
		"stalls": {func(n int64, done <-chan struct{}) string {
			if n == 1 {
				<-done
			}
			return good
		}, map[string]int{outcomeOK: count - 1, outcomeStalled: 1}},
		"no HTTP":           {func(int64, <-chan struct{}) string { return "220 mail\r\n\r\n" }, map[string]int{outcomeUnreadable: count}},
		"more than it says": {func(int64, <-chan struct{}) string { return good + good }, map[string]int{outcomeUnreadable: count}},
	} {
		t.Run(name, func(t *testing.T) {
			addr, requests := startServer(t, test.handle)
			got, err := load{addr: addr, webhooks: testWebhooks(t), connections: connections, count: count, patience: time.Second}.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.outcomes); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got.sent() != count || requests.Load() != count || got.latency.TotalCount() != int64(got.ok()) || got.failed() != count-got.ok() {
				t.Errorf("%d sent, %d arrived, %d latencies for %d that were taken, %d failed",
					got.sent(), requests.Load(), got.latency.TotalCount(), got.ok(), got.failed())
			}
		})
	}
}

func TestWhereNobodyListensEveryRequestIsRefused(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	listener.Close()
	const count = 3
	got, err := load{addr: addr, webhooks: testWebhooks(t), connections: 1, count: count}.run(t.Context())
	if diff := cmp.Diff(map[string]int{outcomeRefused: count}, got.outcomes); diff != "" || err != nil {
		t.Errorf("error %v, (-want +got)\n%s", err, diff)
	}
}

// At a given rate what is waited for counts: a server that takes none of them for a while makes
// all late that were to be begun meanwhile.
func TestLatencyCountsFromWhenARequestWasToBeBegun(t *testing.T) {
	const hold, rate, count = 300 * time.Millisecond, 1000, 100
	addr, _ := startServer(t, func(n int64, _ <-chan struct{}) string {
		if n == 1 {
			<-time.After(hold)
		}
		return good
	})
	got, err := load{addr: addr, webhooks: testWebhooks(t), connections: 1, count: count, rate: rate}.run(t.Context())
	if err != nil || got.ok() != count {
		t.Fatalf("%d were taken, error %v", got.ok(), err)
	}
	// The last was to be begun after 99 ms, and came behind the first.
	if least := got.latency.Min(); least < int64((hold-count*time.Second/rate)/shortest) {
		t.Errorf("one took %d µs: it counts from when it was sent", least)
	}
}

func TestALoadEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	addr, _ := startServer(t, func(n int64, _ <-chan struct{}) string {
		if n == 10 {
			cancel()
		}
		return good
	})
	for _, rate := range []float64{0, 50} {
		_, err := load{addr: addr, webhooks: testWebhooks(t), connections: 2, duration: time.Hour, rate: rate}.run(ctx)
		if err == nil {
			t.Error("an interrupted load is not whole")
		}
	}
}
