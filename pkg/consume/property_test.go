package consume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// Whatever is delivered again, fails, is cut or killed: every version is handled, in order, and one at a time of each verification.
func TestEverythingInOrder(t *testing.T) {
	b := newBroker(t)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		h := &hostile{
			b: b, name: fmt.Sprintf("team-%d", run), log: newLog(t),
			random:  rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0)),
			failing: rapid.Float64Range(0, 0.4).Draw(rt, "failing"), again: rapid.Float64Range(0, 0.5).Draw(rt, "again"),
		}
		h.log.do = h.do
		h.prepare(t)
		defer h.end()
		h.link = newLink(t, b.server.Addr().String())
		defer h.link.close()
		h.begin(t)
		var ids []verification.ID
		for i := range rapid.IntRange(1, 6).Draw(rt, "verifications") {
			ids = append(ids, made("idenfy", "id_verification", fmt.Sprintf("%d-%d", run, i)))
		}
		for range rapid.IntRange(20, 60).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"tell", "tell", "tell", "tell", "tell", "tell", "tell", "tell", "cut", "kill", "stop"}).Draw(rt, "step") {
			case "tell":
				b.tell(rapid.SampledFrom(ids).Draw(rt, "verification"), "noted")
			case "cut":
				h.link.cut()
			case "kill":
				h.kill(t)
			case "stop":
				h.stop(t)
			}
		}
		h.calm.Store(true)
		eventually(t, "every version", func() bool {
			return !slices.ContainsFunc(ids, func(id verification.ID) bool { return h.log.version(id) != b.versions[id.String()] })
		})
		eventually(t, "acks", func() bool {
			c, err := b.js.Consumer(t.Context(), Verifications, h.name)
			return err == nil && c.CachedInfo().NumAckPending == 0
		})
	})
}

// hostile is a consumer to which everything happens.
type hostile struct {
	b              *broker
	name           string
	log            *log
	failing, again float64
	link           *link
	calm           atomic.Bool
	start          Start

	mu      sync.Mutex
	random  *rand.Rand
	current *running
	conn    *nats.Conn
	spy     *nats.Subscription
}

// chance draws from a source that handlers share.
func (h *hostile) chance(p float64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.calm.Load() && h.random.Float64() < p
}

func (h *hostile) do(ctx context.Context, _ Event) error {
	if h.chance(h.failing) {
		return errors.New("not now")
	}
	if h.chance(0.1) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// prepare begins after what earlier runs have told, and has the broker deliver again what the consumer is busy with.
func (h *hostile) prepare(t *testing.T) {
	stream, err := h.b.js.Stream(t.Context(), Verifications)
	must(t, err)
	h.start = FromSequence(stream.CachedInfo().State.LastSeq + 1)
	h.spy, err = h.b.conn.Subscribe("$JS.ACK."+Verifications+"."+h.name+".>", func(m *nats.Msg) {
		if string(m.Data) == "+WPI" && h.chance(h.again) {
			_ = h.b.conn.Publish(m.Subject, []byte("-NAK")) // A chance that was missed.
		}
	})
	must(t, err)
}

func (h *hostile) begin(t *testing.T) {
	h.conn = h.b.connectTo(h.link.addr(), "admin:admin")
	h.current = begin(t, Config{
		Conn: h.conn, Name: h.name, Start: h.start, Logger: quiet, Workers: 4, MaxPerKey: 3, MaxUnacked: 32,
		AckWait: 150 * time.Millisecond, RetryMin: time.Millisecond, RetryMax: 4 * time.Millisecond, Grace: time.Millisecond, fetchWait: 20 * time.Millisecond,
	}, h.log.handle)
}

// kill ends the consumer without a word to the broker, as a crash does, once its handlers have returned: in this process they would go on.
func (h *hostile) kill(t *testing.T) {
	h.conn.Close()
	h.current.cancel()
	_ = h.current.wait() // It may have noticed the end of the connection.
	h.begin(t)
}

func (h *hostile) stop(t *testing.T) {
	h.current.stop()
	h.conn.Close()
	h.begin(t)
}

func (h *hostile) end() {
	h.current.cancel()
	_ = h.current.wait() // How a failed test ends says nothing more.
	h.conn.Close()
	_ = h.spy.Unsubscribe() // The connection ends with the test.
}

// link is a network that can be cut: whatever is on the way is lost.
type link struct {
	listener net.Listener
	to       string
	ending   sync.WaitGroup
	mu       sync.Mutex
	open     map[net.Conn]struct{}
}

func newLink(t *testing.T, to string) *link {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	l := &link{listener: listener, to: to, open: map[net.Conn]struct{}{}}
	l.ending.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			l.mu.Lock()
			l.open[near], l.open[far] = struct{}{}, struct{}{}
			l.mu.Unlock()
			l.ending.Go(func() { l.carry(near, far) })
			l.ending.Go(func() { l.carry(far, near) })
		}
	})
	return l
}

func (l *link) addr() string { return l.listener.Addr().String() }

func (l *link) carry(from, to net.Conn) {
	_, _ = io.Copy(to, from) // It ends with one of the two.
	from.Close()
	to.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, from)
}

func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		c.Close()
	}
}

func (l *link) close() {
	l.listener.Close()
	l.cut()
	l.ending.Wait()
}
