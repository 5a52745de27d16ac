package receiver

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/capacity"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/spool"
)

// openSpool opens the spool of a directory until the test or the returned function ends it.
func openSpool(t testing.TB, dir string, limits spool.Limits) *spool.Spool {
	t.Helper()
	s, err := spool.Open(filepath.Join(dir, "spool"), limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// spooled has the receiver answer once a webhook is in the spool.
func (b *broker) spooled(t testing.TB, s *spool.Spool) site {
	t.Helper()
	return site{
		mode: SpoolAlways, aside: filepath.Join(b.dir, "aside"), connect: b.connect,
		open: func(context.Context) (Stores, error) { return Stores{Keys: b.keys, Spool: s}, nil },
	}
}

// kycaidWebhook is a signed webhook; those of different numbers are different.
func kycaidWebhook(t testing.TB, number int) provider.Signed {
	t.Helper()
	p := providers()[2]
	s := samples(t, &p)[0]
	body := fmt.Appendf(nil, `{"number":%d,%s`, number, s.body[1:])
	return sign(t, &p, s.event, body, testSecret)
}

func kycaidOnly(change ...func(*Served)) []Served {
	return only("kycaid", func(s *Served) {
		for _, c := range change {
			c(s)
		}
	})
}

func impatient(s *Served) { s.Provider.Budget = shortBudget }

// ids lists the ids of the stored webhooks, in order.
func (b *broker) ids(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, m := range b.messages(t, bus.Webhooks) {
		all = append(all, m.Header["ce-id"][0])
	}
	return all
}

func (b *broker) eventually(t *testing.T, want []string) {
	t.Helper()
	eventually(t, "the webhooks are published", func() bool {
		state, err := b.bus.StreamState(t.Context(), bus.Webhooks)
		return err == nil && state.LastSeq >= uint64(len(want))
	})
	if diff := cmp.Diff(want, b.ids(t)); diff != "" {
		t.Errorf("stream (-want +got):\n%s", diff)
	}
}

// TestSpooled answers from the spool, publishes in order, and knows what comes again.
func TestSpooled(t *testing.T) {
	b := startBroker(t)
	s := openSpool(t, b.dir, spool.Limits{})
	r := start(t, kycaidOnly(), b.spooled(t, s))
	var want []string
	for i := range 20 {
		got := r.post(t, "kycaid", kycaidWebhook(t, i))
		got.want(t, http.StatusOK, "accepted")
		want = append(want, got.ID)
		r.post(t, "kycaid", kycaidWebhook(t, i)).want(t, http.StatusOK, "duplicate")
	}
	b.eventually(t, want)
	w, body := b.webhook(t, b.messages(t, bus.Webhooks)[7])
	if posted := kycaidWebhook(t, 7).Body; string(body) != string(posted) || w.Provider != "kycaid" || w.ReceivedAt.IsZero() {
		t.Errorf("stored %+v with the body %s, want %s", w, body, posted)
	}
	eventually(t, "the spool is empty", func() bool { return s.Size().Entries == 0 })
	// The next receiver knows it from the stream.
	r.stop()
	again := start(t, kycaidOnly(), b.spooled(t, s))
	again.post(t, "kycaid", kycaidWebhook(t, 3)).want(t, http.StatusOK, "duplicate")
	if got := again.get(t, "/readyz"); got.code != http.StatusOK || !strings.Contains(got.text, `"ready"`) || !strings.Contains(got.text, `{"name":"spool","ok":true}`) {
		t.Errorf("readyz: %d %s", got.code, got.text)
	}
}

// TestSpooledWithoutBroker takes webhooks before there is a broker, is not held up by large ones
// that it may not take, and publishes them in order later, also by another process.
func TestSpooledWithoutBroker(t *testing.T) {
	b := startBroker(t)
	s := openSpool(t, b.dir, spool.Limits{})
	without := b.spooled(t, s)
	without.connect = neverOpens.connect
	r := start(t, kycaidOnly(impatient), without)
	var want []string
	for i := range 5 {
		got := r.post(t, "kycaid", kycaidWebhook(t, i))
		got.want(t, http.StatusOK, "accepted")
		want = append(want, got.ID)
	}
	if got := r.get(t, "/readyz"); got.code != http.StatusOK || !strings.Contains(got.text, `"degraded"`) {
		t.Errorf("readyz: %d %s", got.code, got.text)
	}
	if got := sumOf(t, "verdict_spool_webhooks"); got != 5 {
		t.Errorf("the metrics tell of %v webhooks in the spool, want 5", got)
	}
	p := providers()[2]
	large := sign(t, &p, samples(t, &p)[0].event, []byte(`{"x":"`+strings.Repeat("x", smallBody)+`"}`), testSecret)
	r.post(t, "kycaid", large).want(t, http.StatusServiceUnavailable, "unavailable")
	r.stop()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = openSpool(t, b.dir, spool.Limits{})
	release := make(chan struct{})
	later := b.spooled(t, s)
	later.connect = func(ctx context.Context) (*bus.Bus, error) {
		select {
		case <-release:
			return b.bus, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	r = start(t, kycaidOnly(), later)
	r.post(t, "kycaid", kycaidWebhook(t, 2)).want(t, http.StatusOK, "duplicate")
	got := r.post(t, "kycaid", kycaidWebhook(t, 5))
	got.want(t, http.StatusOK, "accepted")
	close(release)
	b.eventually(t, append(want, got.ID))
	r.post(t, "kycaid", large).want(t, http.StatusOK, "accepted")
}

// TestPastTheMark refuses what the spool has no room for, and takes it once the broker is back.
func TestPastTheMark(t *testing.T) {
	dir := t.TempDir()
	server := startServer(t, dir, "127.0.0.1:0")
	addr := server.Addr()
	b := &broker{dir: dir, keys: openKeys(t, dir)}
	b.bus = connect(t, bus.Config{URL: "nats://admin:" + password(t, dir) + "@" + addr})
	s := openSpool(t, dir, spool.Limits{Bytes: 8 << 10})
	r := start(t, kycaidOnly(impatient), b.spooled(t, s))
	server.Shutdown()
	var want []string
	number := 0
	for ; ; number++ {
		got := r.post(t, "kycaid", kycaidWebhook(t, number))
		if got.code != http.StatusOK {
			got.want(t, http.StatusServiceUnavailable, "unavailable")
			break
		}
		want = append(want, got.ID)
	}
	if len(want) == 0 {
		t.Fatal("nothing is taken while the broker is away")
	}
	if got := r.get(t, "/readyz"); got.code != http.StatusServiceUnavailable || !strings.Contains(got.text, "past its mark") {
		t.Errorf("readyz: %d %s", got.code, got.text)
	}
	t.Cleanup(startServer(t, dir, addr).Shutdown)
	eventually(t, "the webhook is taken", func() bool {
		got := r.post(t, "kycaid", kycaidWebhook(t, number))
		if got.code == http.StatusOK {
			want = append(want, got.ID)
		}
		return got.code == http.StatusOK
	})
	b.eventually(t, want)
}

// TestDiskPastItsMark refuses before anything is written, in every mode.
func TestDiskPastItsMark(t *testing.T) {
	b := startBroker(t)
	for _, mode := range []SpoolMode{SpoolAlways, SpoolOff, SpoolOnOutage} {
		s := openSpool(t, t.TempDir(), spool.Limits{})
		full := b.spooled(t, s)
		full.mode = mode
		full.open = func(context.Context) (Stores, error) {
			return Stores{Keys: b.keys, Spool: s, Disk: capacity.NewDisk(b.dir, math.MaxUint64)}, nil
		}
		r := start(t, kycaidOnly(impatient), full)
		r.post(t, "kycaid", kycaidWebhook(t, 1)).want(t, http.StatusServiceUnavailable, "unavailable")
		if got := r.get(t, "/readyz"); got.code != http.StatusServiceUnavailable || !strings.Contains(got.text, "no room") {
			t.Errorf("%s: readyz: %d %s", mode, got.code, got.text)
		}
		r.stop()
		if n := len(b.ids(t)); n > 0 {
			t.Errorf("%s: %d webhooks are stored", mode, n)
		}
	}
}

// TestSpoolOnOutage waits for the broker while it acks, spools while it does not, and keeps the
// order when it is back.
func TestSpoolOnOutage(t *testing.T) {
	dir := t.TempDir()
	server := startServer(t, dir, "127.0.0.1:0")
	addr := server.Addr()
	b := &broker{dir: dir, keys: openKeys(t, dir)}
	b.bus = connect(t, bus.Config{URL: "nats://admin:" + password(t, dir) + "@" + addr})
	s := openSpool(t, dir, spool.Limits{})
	site := b.spooled(t, s)
	site.mode = SpoolOnOutage
	r := start(t, kycaidOnly(), site)
	var want []string
	post := func(number int) {
		t.Helper()
		got := r.post(t, "kycaid", kycaidWebhook(t, number))
		got.want(t, http.StatusOK, "accepted")
		want = append(want, got.ID)
	}
	eventually(t, "the broker is known", func() bool { return strings.Contains(r.get(t, "/readyz").text, `"ready"`) })
	eventually(t, "the proof of readiness has left the spool", func() bool { return s.Size().Entries == 0 })
	post(0)
	if diff := cmp.Diff(want, b.ids(t)); diff != "" {
		t.Errorf("stream at the time of the answer (-want +got):\n%s", diff)
	}
	server.Shutdown()
	for i := range 10 {
		post(1 + i)
	}
	r.post(t, "kycaid", kycaidWebhook(t, 5)).want(t, http.StatusOK, "duplicate")
	t.Cleanup(startServer(t, dir, addr).Shutdown)
	for i := range 10 {
		post(11 + i)
	}
	b.eventually(t, want)
}

// TestHeldNeedsTheBroker stores what is held in its stream, which may be full.
func TestHeldNeedsTheBroker(t *testing.T) {
	b := startBroker(t)
	s := openSpool(t, b.dir, spool.Limits{})
	p := providers()[3]
	review := unsigned(sign(t, &p, "kycreview.request", sampleOf(t, &p, "kycreview_request").body, testSecret))
	without := b.spooled(t, s)
	without.connect = neverOpens.connect
	r := start(t, only("treezor", impatient), without)
	r.post(t, p.Name, review).want(t, http.StatusServiceUnavailable, "unavailable")
	r.stop()
	r = start(t, only("treezor", func(*Served) {}), b.spooled(t, s))
	r.post(t, p.Name, review).want(t, http.StatusOK, "held")
	if n := len(b.messages(t, bus.Held)); n != 1 {
		t.Errorf("%d held webhooks", n)
	}
}

// TestDamagedSpool ends the receiver: what is behind the damage must not overtake it.
func TestDamagedSpool(t *testing.T) {
	b := startBroker(t)
	s := openSpool(t, b.dir, spool.Limits{})
	site := b.spooled(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	err := Run(ctx, Config{
		Addr: "127.0.0.1:0", Instance: "test", Providers: kycaidOnly(), Open: site.open, Connect: site.connect,
		Spool: SpoolAlways, DeduplicationWindow: testWindow, Logger: new(logBuffer).logger(),
	})
	if !errors.Is(err, spool.ErrClosed) {
		t.Errorf("run: %v, want %v", err, spool.ErrClosed)
	}
}

// TestLeftOver empties a spool that is not used any more.
func TestLeftOver(t *testing.T) {
	b := startBroker(t)
	s := openSpool(t, b.dir, spool.Limits{})
	without := b.spooled(t, s)
	without.connect = neverOpens.connect
	r := start(t, kycaidOnly(impatient), without)
	got := r.post(t, "kycaid", kycaidWebhook(t, 1))
	got.want(t, http.StatusOK, "accepted")
	r.stop()
	off := b.spooled(t, s)
	off.mode = SpoolOff
	r = start(t, kycaidOnly(), off)
	b.eventually(t, []string{got.ID})
	r.post(t, "kycaid", kycaidWebhook(t, 1)).want(t, http.StatusOK, "duplicate")
	next := r.post(t, "kycaid", kycaidWebhook(t, 2))
	next.want(t, http.StatusOK, "accepted")
	if diff := cmp.Diff([]string{got.ID, next.ID}, b.ids(t)); diff != "" {
		t.Errorf("stream at the time of the answer (-want +got):\n%s", diff)
	}
}

// TestAskedForReadiness leaves nothing behind, however often and long.
func TestAskedForReadiness(t *testing.T) {
	b := startBroker(t)
	s := openSpool(t, b.dir, spool.Limits{})
	without := b.spooled(t, s)
	without.connect = neverOpens.connect
	r := start(t, kycaidOnly(), without)
	eventually(t, "the receiver is ready", func() bool { return r.get(t, "/readyz").code == http.StatusOK })
	if size := s.Size(); size.Entries != 0 {
		t.Errorf("the spool holds %+v", size)
	}
}
