package consume

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// tables are read models behind an API that pages as the real one does: by the position of the latest event, stable under inserts.
type tables struct {
	t      *testing.T
	b      *broker
	server *httptest.Server
	// lag is how many events the tables are behind; failures is how many requests fail first; size is that of a page.
	lag      atomic.Int64
	failures atomic.Int64
	size     int
	// between is called before each page.
	between func()
	other   atomic.Bool // the tables are of another stream
	asked   sync.Map
}

func newTables(t *testing.T, b *broker) *tables {
	a := &tables{t: t, b: b, size: 3}
	a.server = httptest.NewServer(a)
	t.Cleanup(a.server.Close)
	return a
}

func (a *tables) api() API {
	return API{URL: a.server.URL + "/", Token: "secret", Client: a.server.Client()}
}

func (a *tables) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.asked.Store(r.URL.Path, true)
	switch {
	case r.Header.Get("Authorization") != "Bearer secret":
		http.Error(w, `{"cause":"unauthorized"}`, http.StatusUnauthorized)
	case a.failures.Add(-1) >= 0:
		http.Error(w, "not now", http.StatusServiceUnavailable)
	case r.URL.Path == "/v1/stream":
		if a.other.Load() {
			http.Error(w, `{"cause":"position_unknown"}`, http.StatusConflict)
		}
	default:
		a.list(w, r)
	}
}

func (a *tables) list(w http.ResponseWriter, r *http.Request) {
	if a.between != nil {
		a.between()
	}
	stream, err := a.b.js.Stream(r.Context(), Verifications)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	asOf := stream.CachedInfo().State.LastSeq
	asOf -= min(asOf, uint64(max(a.lag.Add(-1), 0)))
	latest := map[string]state{}
	for seq := uint64(1); seq <= asOf; seq++ {
		m, err := stream.GetMsg(r.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		must(a.t, err)
		envelope, err := event.Decode(m.Header, m.Data)
		must(a.t, err)
		v, _, err := event.VerificationOf(envelope)
		must(a.t, err)
		latest[v.ID] = state{Verification: v, Sequence: seq, UpdatedAt: m.Time}
	}
	after, _ := strconv.ParseUint(r.FormValue("cursor"), 10, 64)
	var p page
	for _, s := range latest {
		if s.Sequence > after && (r.FormValue("provider") == "" || s.Provider == r.FormValue("provider")) {
			p.Data = append(p.Data, s)
		}
	}
	slices.SortFunc(p.Data, func(x, y state) int { return cmp.Compare(x.Sequence, y.Sequence) })
	if len(p.Data) > a.size {
		p.Data = p.Data[:a.size]
		next := strconv.FormatUint(p.Data[a.size-1].Sequence, 10)
		p.Meta.NextCursor = &next
	}
	p.Meta.AsOfSequence = asOf
	must(a.t, json.NewEncoder(w).Encode(p))
}

// States come first, then the events that are not in them: none is missed and none comes twice, whatever is told meanwhile.
func TestSnapshotThenTail(t *testing.T) {
	for _, premade := range []bool{false, true} {
		t.Run(map[bool]string{false: "made", true: "premade"}[premade], func(t *testing.T) {
			b := newBroker(t)
			a := newTables(t, b)
			a.failures.Store(1)
			var ids []verification.ID
			for i := range 10 {
				ids = append(ids, made("idenfy", "id_verification", strconv.Itoa(i)))
				b.tell(ids[i], "pending")
			}
			page := 0
			a.between = func() {
				if page++; page < 6 {
					b.tell(ids[page%3], "noted")
					b.tell(ids[9-page%2], "noted")
				}
			}
			config := b.quick("team-a")
			config.Start, config.Premade = Snapshot(a.api()), premade
			if premade {
				_, err := b.js.CreateConsumer(t.Context(), Verifications, jetstream.ConsumerConfig{
					Durable: "team-a", AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Second, MaxAckPending: 100, DeliverPolicy: jetstream.DeliverNewPolicy,
				})
				must(t, err)
				// The tables get to where the consumer begins later.
				b.tell(ids[0], "noted")
				a.lag.Store(4)
			}
			l := newLog(t)
			r := begin(t, config, l.handle)
			complete := func() bool {
				return !slices.ContainsFunc(ids, func(id verification.ID) bool {
					b.mu.Lock()
					defer b.mu.Unlock()
					return l.version(id) < b.versions[id.String()]
				})
			}
			eventually(t, "everything", func() bool { return b.has("team-a") && complete() })
			for _, id := range ids {
				b.tell(id, "approved")
			}
			eventually(t, "the end", complete)
			eventually(t, "acks", func() bool { return b.info("team-a").NumAckPending == 0 })
			r.stop()
			names := l.names()
			if distinct := slices.Compact(slices.Sorted(slices.Values(names))); len(distinct) != len(names) {
				t.Errorf("of %d events %d came twice: %q", len(names), len(names)-len(distinct), names)
			}
			if e := l.events[0]; !e.Snapshot || e.Published != "" || e.Sequence == 0 {
				t.Errorf("the first is %+v", e)
			}
			// The next start takes no second snapshot.
			a.asked.Clear()
			again := begin(t, config, l.handle)
			b.tell(ids[0], "noted")
			eventually(t, "another", complete)
			again.stop()
			if _, asked := a.asked.Load("/v1/verifications"); asked {
				t.Error("another snapshot was taken")
			}
		})
	}
}

// A run that ends before every state is handled begins with the first state again.
func TestSnapshotCutShort(t *testing.T) {
	b := newBroker(t)
	a := newTables(t, b)
	for i := range 10 {
		b.tell(made("idenfy", "id_verification", strconv.Itoa(i)), "pending")
	}
	config := b.quick("team-a")
	config.Start, config.Workers = Snapshot(a.api()), 1
	l := newLog(t)
	l.do = func(_ context.Context, e Event) error {
		if e.Reference == "5" {
			return errors.New("not now")
		}
		return nil
	}
	r := begin(t, config, l.handle)
	eventually(t, "all others", func() bool { return l.count() == 9 })
	if b.has("team-a") {
		t.Error("there is a position before every state is handled")
	}
	r.stop()
	l.mu.Lock()
	l.do = nil
	l.mu.Unlock()
	begin(t, config, l.handle)
	eventually(t, "the position", func() bool { return b.has("team-a") })
	if got := l.count(); got != 19 {
		t.Errorf("%d states were handled, want 9 and 10", got)
	}
}

func TestSnapshotFilter(t *testing.T) {
	b := newBroker(t)
	a := newTables(t, b)
	one, two := made("idenfy", "id_verification", "one"), made("kycaid", "form_verification", "two")
	b.tell(one, "approved")
	b.tell(one, "rejected")
	b.tell(two, "approved")
	config := b.quick("team-a")
	config.Start, config.Filter = Snapshot(a.api()), Filter{Statuses: []string{"approved"}}
	l := newLog(t)
	l.anywhere = true
	begin(t, config, l.handle)
	eventually(t, "a position", func() bool { return b.has("team-a") })
	b.tell(one, "approved")
	eventually(t, "the event", func() bool { return l.count() == 2 })
	if got := strings.Join(l.names(), " "); got != two.String()+"@1 "+one.String()+"@3" {
		t.Errorf("handled %s", got)
	}
}

// What keeps a snapshot from being right ends the run with what to do, and leaves no position.
func TestSnapshotErrors(t *testing.T) {
	b := newBroker(t)
	b.tell(made("idenfy", "id_verification", "one"), "pending")
	for name, c := range map[string]struct {
		change func(*tables, *API)
		want   string
	}{
		"token":  {func(_ *tables, api *API) { api.Token = "wrong" }, "401"},
		"stream": {func(a *tables, _ *API) { a.other.Store(true) }, "another KYC_VERIFICATIONS"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newTables(t, b)
			api := a.api()
			c.change(a, &api)
			config := b.quick(name)
			config.Start = Snapshot(api)
			if err := begin(t, config, newLog(t).handle).wait(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v", err)
			}
			if _, err := b.js.Consumer(t.Context(), Verifications, name); !errors.Is(err, jetstream.ErrConsumerNotFound) {
				t.Errorf("a consumer is left: %v", err)
			}
		})
	}
}
