package consume

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

func TestMain(m *testing.M) {
	// Every run of the property waits for the broker many times; -rapid.checks on the command line counts.
	if err := flag.Set("rapid.checks", "6"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

const (
	adminURL  = "nats://admin:admin@"
	teamInbox = "_INBOX_team"
)

// broker is a real server with the streams of Verdict, an administrator, and a team with the least rights for its consumer `team`.
type broker struct {
	t      testing.TB
	dir    string
	server *natsserver.Server
	conn   *nats.Conn
	js     jetstream.JetStream
	// versions are those that were told, by verification.
	mu       sync.Mutex
	versions map[string]int
}

func newBroker(t testing.TB) *broker {
	t.Helper()
	b := &broker{t: t, dir: t.TempDir(), versions: map[string]int{}}
	b.start(natsserver.RANDOM_PORT)
	t.Cleanup(func() { b.stop() })
	b.conn = b.connect("admin:admin")
	var err error
	b.js, err = jetstream.New(b.conn)
	must(t, err)
	b.ensureStreams()
	return b
}

func (b *broker) start(port int) {
	b.t.Helper()
	team := &natsserver.Permissions{
		Publish: &natsserver.SubjectPermission{Allow: []string{
			"$JS.API.CONSUMER.INFO.KYC_VERIFICATIONS.team", "$JS.API.CONSUMER.MSG.NEXT.KYC_VERIFICATIONS.team",
			"$JS.ACK.KYC_VERIFICATIONS.team.>", "$JS.ACK.*.*.KYC_VERIFICATIONS.team.>",
		}},
		Subscribe: &natsserver.SubjectPermission{Allow: []string{teamInbox + ".>"}},
	}
	server, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: b.dir, NoSigs: true, NoLog: true,
		Users: []*natsserver.User{{Username: "admin", Password: "admin"}, {Username: "team", Password: "team", Permissions: team}},
	})
	must(b.t, err)
	server.Start()
	if !server.ReadyForConnections(10 * time.Second) {
		b.t.Fatal("the broker does not listen")
	}
	b.server = server
}

func (b *broker) stop() {
	b.server.Shutdown()
	b.server.WaitForShutdown()
}

// restart stops the server and starts it again with what it has on disk.
func (b *broker) restart() {
	b.t.Helper()
	port := b.server.Addr().(*net.TCPAddr).Port
	b.stop()
	b.start(port)
}

func (b *broker) ensureStreams() {
	b.t.Helper()
	admin, err := bus.Connect(b.t.Context(), bus.Config{URL: adminURL + b.server.Addr().String(), Name: "verdict", Logger: quiet})
	must(b.t, err)
	defer admin.Close()
	must(b.t, admin.EnsureStreams(b.t.Context(), bus.StreamSettings{Retention: 168 * time.Hour, DeduplicationWindow: 2 * time.Minute, Replicas: 1}))
}

// connect connects as user:password until the test ends.
func (b *broker) connect(user string, options ...nats.Option) *nats.Conn {
	b.t.Helper()
	return b.connectTo(b.server.Addr().String(), user, options...)
}

func (b *broker) connectTo(addr, user string, options ...nats.Option) *nats.Conn {
	b.t.Helper()
	options = append([]nats.Option{
		nats.MaxReconnects(-1), nats.ReconnectWait(5 * time.Millisecond), nats.ReconnectJitter(0, 0), nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}, options...)
	conn, err := nats.Connect("nats://"+user+"@"+addr, options...)
	must(b.t, err)
	b.t.Cleanup(conn.Close)
	return conn
}

// made is a verification that a test tells of.
func made(provider, kind, reference string) verification.ID {
	return verification.NewID(provider, kind, reference)
}

// tell publishes the next event of a verification, and returns its sequence.
func (b *broker) tell(id verification.ID, status string) uint64 {
	b.t.Helper()
	return b.tellIn(false, id, verification.Case, status)
}

func (b *broker) tellIn(sandbox bool, id verification.ID, scope verification.Scope, published string) uint64 {
	b.t.Helper()
	b.mu.Lock()
	b.versions[id.String()]++
	version := b.versions[id.String()]
	b.mu.Unlock()
	v := event.Verification{
		ID: id.String(), Provider: id.Provider, Kind: id.Kind, Reference: id.Reference, Scope: scope, Status: verification.Status(published), Version: version,
		Reasons: []verification.Reason{}, Anomalies: []string{}, OccurredAt: time.Now(), ReceivedAt: time.Now(), CausationID: "cause:1",
	}
	if !slices.Contains(verification.Statuses, v.Status) {
		v.Status = verification.Pending
	}
	header, data, err := v.Encode("default", published, "")
	must(b.t, err)
	ack, err := b.js.PublishMsg(b.t.Context(), &nats.Msg{
		Subject: event.VerificationSubject(sandbox, id.Provider, id.Kind, published), Header: header, Data: data,
	})
	must(b.t, err)
	return ack.Sequence
}

func (b *broker) info(name string) *jetstream.ConsumerInfo {
	b.t.Helper()
	c, err := b.js.Consumer(b.t.Context(), Verifications, name)
	must(b.t, err)
	return c.CachedInfo()
}

func (b *broker) has(name string) bool {
	_, err := b.js.Consumer(b.t.Context(), Verifications, name)
	return err == nil
}

// quick is a configuration that keeps tests short without changing what happens.
func (b *broker) quick(name string) Config {
	return Config{
		Conn: b.connect("admin:admin"), Name: name, Start: FromBeginning(), Logger: quiet,
		AckWait: 500 * time.Millisecond, RetryMin: time.Millisecond, RetryMax: 5 * time.Millisecond, fetchWait: 50 * time.Millisecond,
	}
}

// running is a Run in a goroutine.
type running struct {
	t      testing.TB
	cancel context.CancelFunc
	ended  chan struct{}
	err    error
}

func begin(t testing.TB, config Config, handle Handler) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		r.err = Run(ctx, config, handle)
	}()
	t.Cleanup(func() {
		cancel()
		<-r.ended
	})
	return r
}

// stop ends it as ctx does; that must be no error.
func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	if err := r.wait(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) wait() error {
	r.t.Helper()
	select {
	case <-r.ended:
		return r.err
	case <-time.After(patience):
		r.t.Fatal("Run does not return")
		return nil
	}
}

// patience is how long anything that must happen may take.
const patience = 30 * time.Second

func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// log is a handler that keeps what it was given, and checks what must always hold: one at a time of each verification, and none before the
// version before it was handled.
type log struct {
	t      testing.TB
	mu     sync.Mutex
	busy   map[string]bool
	done   map[string]int
	events []Event
	// anywhere lets verifications begin with any version.
	anywhere bool
	// do is what happens while an event is handled.
	do func(context.Context, Event) error
}

func newLog(t testing.TB) *log {
	return &log{t: t, busy: map[string]bool{}, done: map[string]int{}}
}

func (l *log) handle(ctx context.Context, e Event) error {
	l.mu.Lock()
	if l.busy[e.ID] {
		l.t.Errorf("two events of %s at a time", e.ID)
	}
	if begun := l.done[e.ID]; e.Version > begun+1 && !(begun == 0 && l.anywhere) && !e.Snapshot {
		l.t.Errorf("version %d of %s comes after %d", e.Version, e.ID, begun)
	}
	l.busy[e.ID] = true
	do := l.do
	l.mu.Unlock()
	var err error
	if do != nil {
		err = do(ctx, e)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy[e.ID] = false
	if err == nil {
		l.done[e.ID] = max(l.done[e.ID], e.Version)
		l.events = append(l.events, e)
	}
	return err
}

// names are the events that were handled, in order, as id@version.
func (l *log) names() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var names []string
	for _, e := range l.events {
		names = append(names, fmt.Sprintf("%s@%d", e.ID, e.Version))
	}
	return names
}

func (l *log) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.events)
}

func (l *log) version(id verification.ID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.done[id.String()]
}
