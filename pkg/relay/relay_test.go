package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/bus/bustest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	subject = "kyc.v1.idenfy.id_verification.approved"
	filter  = "kyc.v1.idenfy.>"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func startServer(t *testing.T, dir, addr string) *bus.Server {
	t.Helper()
	server, err := bus.StartServer(bus.ServerConfig{
		Dir: filepath.Join(dir, "nats"), Addr: addr, PasswordFile: filepath.Join(dir, "password"), Logger: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	return server
}

func newBus(t *testing.T) *bus.Bus {
	t.Helper()
	return bustest.Open(t, bustest.Settings(time.Hour))
}

func password(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "password"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

var errFinal = errors.New("final")

// rows is a source in memory.
type rows struct {
	bus    *bus.Bus
	fenced bool

	mu       sync.Mutex
	next     uint64
	waiting  []Row
	position uint64
	refused  []uint64
	resyncs  int
	calls    int // of Published
	chunk    int // of what Waiting returns; 0 is no bound but the caller's
	// forget and say are the errors of the next call of Published and of Waiting.
	forget, say error
}

func newRows(b *bus.Bus, fenced bool) *rows { return &rows{bus: b, fenced: fenced} }

func message(id string) bus.Message {
	return bus.Message{Subject: subject, Header: map[string][]string{bus.MessageIDHeader: {id}}, Data: []byte(id)}
}

func (s *rows) add(messages ...bus.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range messages {
		s.next++
		s.waiting = append(s.waiting, Row{ID: s.next, Message: m})
	}
}

func (s *rows) Waiting(_ context.Context, limit int) ([]Row, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.say
	s.say = nil
	if s.chunk > 0 {
		limit = s.chunk
	}
	n := min(limit, len(s.waiting))
	return slices.Clone(s.waiting[:n]), n < len(s.waiting), err
}

func (s *rows) Published(_ context.Context, published []Row, last uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	err := s.forget
	s.forget = nil
	if err != nil {
		return err
	}
	for i, row := range published {
		if s.waiting[i].ID != row.ID {
			return fmt.Errorf("%w: row %d is not the first that waits", errFinal, row.ID)
		}
	}
	s.waiting = s.waiting[len(published):]
	s.position = max(s.position, last)
	return nil
}

func (s *rows) Refused(_ context.Context, row Row, _ error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = append(s.refused, row.ID)
	s.waiting = slices.DeleteFunc(s.waiting, func(r Row) bool { return r.ID == row.ID })
	return nil
}

func (s *rows) Resync(ctx context.Context) (bus.Fence, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resyncs++
	_, err := s.bus.Read(ctx, bus.Verifications, filter, s.position+1, func(m bus.Stored) error {
		s.position = m.Seq
		s.waiting = slices.DeleteFunc(s.waiting, func(r Row) bool { return string(r.Message.Data) == string(m.Data) })
		return nil
	})
	if err != nil || !s.fenced {
		return bus.Fence{}, err
	}
	return bus.Fence{Filter: filter, LastSeq: s.position}, nil
}

func (s *rows) Final(err error) bool { return errors.Is(err, errFinal) }

// run runs a relay until the test ends, or until the returned function is called.
func run(t *testing.T, s *rows) (*Relay, func() error) {
	t.Helper()
	r := New(s, quiet)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, s.bus) }()
	stop := sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = stop() })
	return r, stop
}

func flush(t *testing.T, r *Relay) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// stored returns the data of all messages, in the order of the stream.
func stored(t *testing.T, b *bus.Bus) []string {
	t.Helper()
	var all []string
	_, err := b.Read(t.Context(), bus.Verifications, ">", 1, func(m bus.Stored) error {
		all = append(all, string(m.Data))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func many(prefix string, n int) (messages []bus.Message, ids []string) {
	for i := range n {
		id := fmt.Sprint(prefix, i)
		messages, ids = append(messages, message(id)), append(ids, id)
	}
	return messages, ids
}

func TestEverythingInOrder(t *testing.T) {
	for _, fenced := range []bool{true, false} {
		s := newRows(newBus(t), fenced)
		var want []string
		left, ids := many("left", 2*bus.MaxBatch+1)
		s.add(left...)
		want = append(want, ids...)
		r, stop := run(t, s)
		for _, n := range []int{1, few, few + 1} {
			messages, ids := many(fmt.Sprint("run", n, "-"), n)
			s.add(messages...)
			want = append(want, ids...)
			flush(t, r)
		}
		s.chunk = 3
		chunked, ids := many("chunked", 10)
		s.add(chunked...)
		want = append(want, ids...)
		flush(t, r)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, stored(t, s.bus)); diff != "" {
			t.Errorf("fenced %v: stream (-want +got):\n%s", fenced, diff)
		}
		if len(s.waiting) > 0 || s.resyncs != 1 {
			t.Errorf("fenced %v: %d rows wait after %d resyncs", fenced, len(s.waiting), s.resyncs)
		}
	}
}

// TestFewAreForgottenTogether has a source write once, where that is a sync as each publish is.
func TestFewAreForgottenTogether(t *testing.T) {
	for _, test := range []struct {
		refused []int
		calls   int
	}{{nil, 1}, {[]int{0}, 1}, {[]int{few - 1}, 1}, {[]int{3, 4}, 2}} {
		s := newRows(newBus(t), true)
		messages, _ := many("a", few)
		var want []uint64
		for _, bad := range test.refused {
			messages[bad].Subject = "kyc.v1.*"
			want = append(want, uint64(bad+1))
		}
		s.add(messages...)
		r, _ := run(t, s)
		flush(t, r)
		if diff := cmp.Diff(want, s.refused); diff != "" || s.calls != test.calls || len(s.waiting) > 0 {
			t.Errorf("forgotten in %d calls, want %d; %d rows wait; refused (-want +got):\n%s", s.calls, test.calls, len(s.waiting), diff)
		}
	}
}

// TestForgottenIsNotDoubled publishes and cannot note it, as a process that dies between does.
func TestForgottenIsNotDoubled(t *testing.T) {
	for _, fenced := range []bool{true, false} {
		for _, n := range []int{1, 3, 20} {
			s := newRows(newBus(t), fenced)
			s.forget = errors.New("the database is away")
			messages, ids := many("a", n)
			s.add(messages...)
			r, _ := run(t, s)
			flush(t, r)
			if diff := cmp.Diff(ids, stored(t, s.bus)); diff != "" {
				t.Errorf("fenced %v: stream (-want +got):\n%s", fenced, diff)
			}
		}
	}
}

// TestWhatTheStreamCannotTake keeps nobody waiting.
func TestWhatTheStreamCannotTake(t *testing.T) {
	for _, fenced := range []bool{true, false} {
		s := newRows(newBus(t), fenced)
		messages, ids := many("a", 40)
		for _, bad := range []int{0, 7, 39} {
			messages[bad].Subject = "kyc.v1.*"
		}
		s.add(messages...)
		r, _ := run(t, s)
		flush(t, r)
		if diff := cmp.Diff([]uint64{1, 8, 40}, s.refused); diff != "" {
			t.Errorf("refused (-want +got):\n%s", diff)
		}
		want := slices.Delete(slices.Delete(slices.Delete(ids, 39, 40), 7, 8), 0, 1)
		if diff := cmp.Diff(want, stored(t, s.bus)); diff != "" {
			t.Errorf("stream (-want +got):\n%s", diff)
		}
	}
}

// TestAnIDThatTheStreamHas is of a message that another has published.
func TestAnIDThatTheStreamHas(t *testing.T) {
	s := newRows(newBus(t), false)
	r, _ := run(t, s)
	messages, ids := many("a", 30)
	for _, known := range []int{3, 17, 18} {
		if _, err := s.bus.Publish(t.Context(), messages[known]); err != nil {
			t.Fatal(err)
		}
	}
	s.add(messages...)
	flush(t, r)
	got := stored(t, s.bus)
	slices.Sort(got)
	slices.Sort(ids)
	if diff := cmp.Diff(ids, got); diff != "" {
		t.Errorf("stream (-want +got):\n%s", diff)
	}
	if s.resyncs != 1 || len(s.refused) > 0 {
		t.Errorf("%d resyncs, refused %v", s.resyncs, s.refused)
	}
}

// TestBrokenFence has another publisher come between.
func TestBrokenFence(t *testing.T) {
	s := newRows(newBus(t), true)
	r, _ := run(t, s)
	flush(t, r)
	if _, err := s.bus.Publish(t.Context(), message("foreign")); err != nil {
		t.Fatal(err)
	}
	messages, ids := many("a", 20)
	s.add(messages...)
	flush(t, r)
	if diff := cmp.Diff(append([]string{"foreign"}, ids...), stored(t, s.bus)); diff != "" {
		t.Errorf("stream (-want +got):\n%s", diff)
	}
	if s.resyncs < 2 {
		t.Error("the stream was not read again")
	}
}

// TestBrokerAway publishes what came meanwhile once it is back.
func TestBrokerAway(t *testing.T) {
	dir := t.TempDir()
	server := startServer(t, dir, "127.0.0.1:0")
	addr := server.Addr()
	b, err := bus.Connect(t.Context(), bus.Config{URL: "nats://admin:" + password(t, dir) + "@" + addr, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	settings := bus.StreamSettings{Retention: time.Hour, DeduplicationWindow: 2 * time.Minute, Replicas: 1}
	if err := b.EnsureStreams(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	s := newRows(b, true)
	r, stop := run(t, s)
	flush(t, r)
	server.Shutdown()
	messages, ids := many("a", 20)
	s.add(messages...)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Flush(ended); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("flush while the broker is away: error %v", err)
	}
	startServer(t, dir, addr)
	flush(t, r)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ids, stored(t, b)); diff != "" {
		t.Errorf("stream (-want +got):\n%s", diff)
	}
}

// TestFinal ends with the error that the source calls final, and goes on after another.
func TestFinal(t *testing.T) {
	s := newRows(newBus(t), true)
	s.say = errors.New("the database is away")
	s.add(message("a"))
	r, _ := run(t, s)
	flush(t, r)

	s = newRows(s.bus, true)
	s.say = fmt.Errorf("read: %w", errFinal)
	if err := New(s, quiet).Run(t.Context(), s.bus); !errors.Is(err, errFinal) {
		t.Errorf("error %v, want %v", err, errFinal)
	}
}
