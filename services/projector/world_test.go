package projector

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/bus/bustest"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/provider/idenfy"
	"github.com/verdict-stream/verdict/pkg/provider/treezor"
	"github.com/verdict-stream/verdict/pkg/provider/yousign"
	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

const retention = 168 * time.Hour

// world is a broker with the streams, a key directory, and the verifications that the deliveries told of so far.
type world struct {
	t       testing.TB
	bus     *bus.Bus
	keys    *seal.Keyring
	now     time.Time // when the next delivery is received
	records map[string]*verification.Record
	// batches are what was not published yet, by stream, where it is not published at once.
	batches map[string]*batch
}

func newWorld(t testing.TB) *world {
	t.Helper()
	b := bustest.Open(t, bustest.Settings(retention))
	keys, err := seal.Open(t.TempDir(), bytes.Repeat([]byte{7}, seal.MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, bus: b, keys: keys, now: time.Now().UTC().Truncate(time.Second), records: map[string]*verification.Record{}}
}

// projector returns one with an empty read model of its own.
func (w *world) projector(t testing.TB) *projector {
	t.Helper()
	return newProjector(w.config(t))
}

func (w *world) config(t testing.TB) Config {
	t.Helper()
	return w.configAt(t, store.Location{Dir: t.TempDir()})
}

// configAt is config with the read model at a place.
func (w *world) configAt(t testing.TB, at store.Location) Config {
	t.Helper()
	model, err := store.OpenReadModel(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := model.Close(); err != nil {
			t.Error(err)
		}
	})
	return Config{
		Bus: w.bus, Keys: w.keys, Model: model,
		Providers: []provider.Provider{idenfy.Provider, treezor.Provider, yousign.Provider},
		Retention: func(string) time.Duration { return retention },
		Logger:    slog.New(slog.DiscardHandler),
	}
}

func (w *world) publish(subject string, header map[string][]string, data []byte) uint64 {
	w.t.Helper()
	if stream := batched(subject); stream != "" && w.batches != nil {
		return w.wait(stream, bus.Message{Subject: subject, Header: header, Data: data})
	}
	ack, err := w.bus.Publish(w.t.Context(), bus.Message{Subject: subject, Header: header, Data: data})
	if err != nil {
		w.t.Fatal(err)
	}
	return ack.Seq
}

func (w *world) publishJSON(subject string, value any) {
	w.t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		w.t.Fatal(err)
	}
	w.publish(subject, nil, data)
}

// received is an accepted delivery.
type received struct {
	provider *provider.Provider
	id       string
	seq      uint64
	at       time.Time
	event    string
	body     []byte
}

// seal makes the message of a delivery, as the receiver does, a second after the one before.
func (w *world) seal(p *provider.Provider, token string, body []byte) (received, map[string][]string, []byte) {
	w.t.Helper()
	w.now = w.now.Add(time.Second)
	d := received{provider: p, id: event.WebhookID(p.Name, "", body), at: w.now, event: token, body: body}
	key, sealed, err := w.keys.Seal(p.Name, d.at, d.id, body)
	if err != nil {
		w.t.Fatal(err)
	}
	webhook := event.Webhook{
		ID: d.id, Provider: p.Name, Event: token, Instance: "test", ReceivedAt: d.at, SealKey: key, Sealed: sealed,
	}
	envelope, err := webhook.Envelope()
	if err != nil {
		w.t.Fatal(err)
	}
	header, data, err := event.Encode(envelope)
	if err != nil {
		w.t.Fatal(err)
	}
	return d, header, data
}

// receive makes a delivery durable, as the receiver does.
func (w *world) receive(p *provider.Provider, name string, body string) received {
	w.t.Helper()
	d, header, data := w.seal(p, p.Token(name), []byte(body))
	// The deduplication window is over, always.
	delete(header, event.MessageID)
	d.seq = w.publish(event.WebhookSubject(p.Name, d.event), header, data)
	return d
}

// hold keeps a delivery for a human, as the receiver does.
func (w *world) hold(p *provider.Provider, name string, body string) {
	w.t.Helper()
	_, header, data := w.seal(p, p.Token(name), []byte(body))
	w.publish(event.HeldSubject(p.Name), header, data)
}

// fold applies the signals of a delivery and publishes what they changed, as the lifecycle does.
func (w *world) fold(d received) {
	w.t.Helper()
	decoded, err := d.provider.Decode(provider.Delivery{Event: d.event, Body: d.body})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, element := range decoded.Elements {
		s := element.Signal
		s.Received(d.seq, d.at, d.id)
		w.apply(verification.NewID(d.provider.Name, element.Kind, element.Reference), s)
	}
}

// tell is a delivery that is received and folded at once.
func (w *world) tell(p *provider.Provider, name string, body string) received {
	w.t.Helper()
	d := w.receive(p, name, body)
	w.fold(d)
	return d
}

// record returns the record of a verification, real or of the sandbox.
func (w *world) record(id verification.ID, sandbox bool) *verification.Record {
	key := id.String()
	if sandbox {
		key = "sandbox " + key
	}
	if w.records[key] == nil {
		w.records[key] = &verification.Record{ID: id, Sandbox: sandbox}
	}
	return w.records[key]
}

func (w *world) kind(id verification.ID) *verification.Kind {
	w.t.Helper()
	for _, p := range []*provider.Provider{&idenfy.Provider, &treezor.Provider, &yousign.Provider} {
		if kind, ok := p.Kind(id.Kind); ok && p.Name == id.Provider {
			return kind
		}
	}
	w.t.Fatalf("no kind %s/%s", id.Provider, id.Kind)
	return nil
}

// apply adds a signal, sent or made, to its verification.
func (w *world) apply(id verification.ID, s verification.Signal) {
	w.t.Helper()
	kind := w.kind(id)
	// Made signals stand in no table.
	if s.Seq > 0 {
		if err := kind.Fill(&s); err != nil {
			w.t.Fatal(err)
		}
	}
	record := w.record(id, s.Sandbox)
	change, err := kind.Apply(record, s)
	if err != nil {
		w.t.Fatal(err)
	}
	w.announce(kind, record, change)
}

// announce publishes the event of a change.
func (w *world) announce(kind *verification.Kind, record *verification.Record, change *verification.Change) {
	w.t.Helper()
	if change == nil {
		return
	}
	data := event.NewVerification(record.ID, kind.Scope, *change)
	envelope, err := data.Envelope("test", change.Event, "")
	if err != nil {
		w.t.Fatal(err)
	}
	header, body, err := event.Encode(envelope)
	if err != nil {
		w.t.Fatal(err)
	}
	w.publish(event.VerificationSubject(record.Sandbox, record.ID.Provider, record.ID.Kind, change.Event), header, body)
}

// disown takes the effect of a delivery's one signal away.
func (w *world) disown(id verification.ID, d received) {
	w.t.Helper()
	kind, record := w.kind(id), w.record(id, false)
	w.announce(kind, record, kind.Disown(record, w.signal(d), true, verification.Cause{ID: d.id, Seq: d.seq}))
}

// anonymize makes the personal data of a verification go, up to a delivery.
func (w *world) anonymize(id verification.ID, through received) {
	w.t.Helper()
	w.apply(id, verification.NewAnonymized(through.seq, w.now, false))
}

// signal is the id of a delivery's one signal.
func (w *world) signal(d received) string {
	w.t.Helper()
	decoded, err := d.provider.Decode(provider.Delivery{Event: d.event, Body: d.body})
	if err != nil || len(decoded.Elements) != 1 {
		w.t.Fatalf("%d elements, error %v", len(decoded.Elements), err)
	}
	return decoded.Elements[0].Signal.ID
}

// step is a message and who handles it.
type step struct {
	bus.Stored
	handle func(context.Context, bus.Stored) error
}

// steps lists everything that the streams hold.
func (w *world) steps(p *projector) []step {
	w.t.Helper()
	return bind(p, w.messages(p))
}

// messages lists what the streams hold, by the name of the consumer.
func (w *world) messages(p *projector) map[string][]bus.Stored {
	w.t.Helper()
	messages := map[string][]bus.Stored{}
	for _, c := range p.consumers() {
		_, err := w.bus.Read(w.t.Context(), c.Stream, c.Filter, 1, func(m bus.Stored) error {
			messages[c.Name] = append(messages[c.Name], m)
			return nil
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return messages
}

// bind gives the messages to the consumers of a projector.
func bind(p *projector, messages map[string][]bus.Stored) []step {
	var all []step
	for _, c := range p.consumers() {
		for _, m := range messages[c.Name] {
			all = append(all, step{m, c.Handle})
		}
	}
	return all
}

// project handles everything that the streams hold, each stream in its order.
func (w *world) project(p *projector) {
	w.t.Helper()
	for _, s := range w.steps(p) {
		if err := s.handle(w.t.Context(), s.Stored); err != nil {
			w.t.Fatalf("%s %d: %v", s.Stream, s.Seq, err)
		}
	}
}

// reversed handles it the other way round.
func (w *world) reversed(p *projector) {
	w.t.Helper()
	all := w.steps(p)
	slices.Reverse(all)
	for _, s := range all {
		if err := s.handle(w.t.Context(), s.Stored); err != nil {
			w.t.Fatalf("%s %d: %v", s.Stream, s.Seq, err)
		}
	}
}
