package lifecycle

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// histories is how many random histories the law is tried on where no flag says otherwise:
// each starts a broker and opens databases several times.
const histories = "12"

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", histories); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

const (
	// trace is where every delivery of these tests begins, in the span begun.
	trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	begun = "00-" + trace + "-00f067aa0ba902b7-01"

	retention = time.Hour
	// window is shorter than what any test takes between two starts.
	window = 100 * time.Millisecond
	// fetchWait is how long the lifecycle takes to stop, which these tests have it do hundreds of times. It is longer than the window:
	// the stream has forgotten the ids of what was published when the next one starts.
	fetchWait = 150 * time.Millisecond
)

// body is what the provider of these tests sends.
type body struct {
	Ref       string    `json:"ref,omitempty"`
	Kind      string    `json:"kind,omitempty"`
	Says      string    `json:"says"`
	At        time.Time `json:"at"`
	Applicant string    `json:"applicant,omitempty"`
	Note      string    `json:"note,omitempty"` // makes bodies differ that say the same
	Sandbox   bool      `json:"sandbox,omitempty"`
	More      []body    `json:"more,omitempty"` // further elements
	Signed    string    `json:"signed,omitempty"`
	Reasons   int       `json:"reasons,omitempty"`
	// What an older decoder than the second does with the body: it takes it for unhandled or broken, or for another one.
	Hidden bool  `json:"hidden,omitempty"`
	Broken bool  `json:"broken,omitempty"`
	Before *body `json:"before,omitempty"`
	// Dropped bodies tell the second decoder of nothing.
	Dropped bool `json:"dropped,omitempty"`
}

// as is the body as a version of the decoder reads it.
func (b body) as(version int) (body, error) {
	switch {
	case version < 2 && b.Hidden, version >= 2 && b.Dropped:
		return body{}, provider.ErrUnhandled
	case version < 2 && b.Broken:
		return body{}, &provider.DecodeError{Cause: provider.CauseInvalidJSON, Detail: "body is not read yet"}
	case version < 2 && b.Before != nil:
		return *b.Before, nil
	default:
		return b, nil
	}
}

// acme signs only a part of its bodies, sends lists and has a sandbox: everything that a
// provider can do to the lifecycle.
func acme() provider.Provider { return acmeOf(1) }

// acmeOf is the provider with a version of its decoder.
func acmeOf(version int) provider.Provider {
	kind := func(name string, deadline time.Duration) *verification.Kind {
		return &verification.Kind{
			Provider: "acme", Name: name, Scope: verification.Case, OneApplicant: true, Deadline: deadline,
			Order: []verification.OrderField{verification.BySecond, verification.ByPhase},
			Table: []verification.Row{
				{Says: "started", Status: verification.Pending, Phase: verification.PhasePending, OpensAfter: []verification.Status{verification.Abandoned}},
				{Says: "review", Status: verification.AwaitingReview, Phase: verification.PhaseReview},
				{Says: "left", Status: verification.Abandoned, Phase: verification.PhaseEnded},
				{Says: "yes", Status: verification.Approved, Phase: verification.PhaseDecision},
				{Says: "no", Status: verification.Rejected, Phase: verification.PhaseDecision},
			},
		}
	}
	return provider.Provider{
		Name: "acme", OwnedPayloads: true, Budget: 0,
		Kinds:   []*verification.Kind{kind("check", 0), kind("timed", time.Minute)},
		Decode:  func(d provider.Delivery) (provider.Decoded, error) { return decodeAcme(d, version) },
		Example: provider.Example{Event: "check", Body: []byte(`{"ref":"example","says":"yes"}`)},
	}
}

func decodeAcme(d provider.Delivery, version int) (provider.Decoded, error) {
	switch d.Event {
	case provider.EventOther:
		return provider.Decoded{}, provider.ErrUnhandled
	case "seen":
		told, err := decodeAcme(provider.Delivery{Event: "check", Body: d.Body}, version)
		if err != nil {
			return provider.Decoded{}, err
		}
		var seen []verification.Signal
		for _, e := range told.Elements {
			seen = append(seen, e.Signal)
		}
		return provider.Decoded{Seen: seen}, provider.ErrUnhandled
	}
	var b body
	if json.Unmarshal(d.Body, &b) != nil {
		return provider.Decoded{}, &provider.DecodeError{Cause: provider.CauseInvalidJSON, Detail: "body is not JSON"}
	}
	b, err := b.as(version)
	if err != nil {
		return provider.Decoded{}, err
	}
	var decoded provider.Decoded
	for i, one := range append([]body{b}, b.More...) {
		if one.Ref == "" {
			return provider.Decoded{}, &provider.DecodeError{Cause: provider.CauseMissingReference, Detail: "ref"}
		}
		signed := d.Body
		if one.Signed != "" {
			signed = []byte(one.Signed)
		}
		if one.Kind == "" {
			one.Kind = "check"
		}
		reasons := make([]verification.Reason, one.Reasons)
		for n := range reasons {
			reasons[n] = verification.Reason{Code: fmt.Sprint("CODE_", n), Category: verification.CategoryOther, Source: "test"}
		}
		decoded.Elements = append(decoded.Elements, provider.Element{
			Kind: one.Kind, Reference: one.Ref,
			Signal: verification.Signal{
				ID: provider.SignalID(signed, i), Says: one.Says, At: one.At, Applicant: one.Applicant, Sandbox: one.Sandbox, Decoder: version, Reasons: reasons,
			},
		})
	}
	return decoded, nil
}

// harness is a broker, keys and a directory for the state.
type harness struct {
	t      testing.TB
	server *bus.Server
	bus    *bus.Bus
	keys   *seal.Keyring
	dir    string
	config Config
}

func newHarness(t testing.TB) *harness {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	dir := t.TempDir()
	server, err := bus.StartServer(bus.ServerConfig{
		Dir: filepath.Join(dir, "nats"), Addr: "off", PasswordFile: filepath.Join(dir, "password"), Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := bus.Connect(t.Context(), bus.Config{Server: server, Name: t.Name(), Logger: logger, FetchWait: fetchWait})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.Close()
		server.Shutdown()
	})
	if err := b.EnsureStreams(t.Context(), bus.StreamSettings{Retention: retention, DeduplicationWindow: window, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	keys, err := seal.Open(filepath.Join(dir, "keys"), make([]byte, seal.MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, server: server, bus: b, keys: keys, dir: filepath.Join(dir, "state")}
	h.config = Config{
		Bus: b, Keys: keys, Store: store.Location{Dir: h.dir}, Instance: "test", Providers: []provider.Provider{acme()},
		Retention: func(string) time.Duration { return retention }, Logger: logger,
	}
	return h
}

// post stores a delivery as the receiver does, and returns its position.
func (h *harness) post(token string, b any) uint64 {
	h.t.Helper()
	return h.postAt(token, b, time.Now())
}

func (h *harness) postAt(token string, b any, received time.Time) uint64 {
	h.t.Helper()
	data, isRaw := b.([]byte)
	if !isRaw {
		var err error
		if data, err = json.Marshal(b); err != nil {
			h.t.Fatal(err)
		}
	}
	id := event.WebhookID("acme", fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, token, time.Now().UnixNano())))[:8], data)
	key, sealed, err := h.keys.Seal("acme", received, id, data)
	if err != nil {
		h.t.Fatal(err)
	}
	w := event.Webhook{ID: id, Provider: "acme", Event: token, Instance: "test", ReceivedAt: received.UTC(), SealKey: key, Sealed: sealed, Traceparent: begun}
	envelope, err := w.Envelope()
	if err != nil {
		h.t.Fatal(err)
	}
	header, payload, err := event.Encode(envelope)
	if err != nil {
		h.t.Fatal(err)
	}
	header["traceparent"] = []string{begun}
	ack, err := h.bus.Publish(h.t.Context(), bus.Message{Subject: event.WebhookSubject("acme", token), Header: header, Data: payload})
	if err != nil {
		h.t.Fatal(err)
	}
	return ack.Seq
}

// start runs the lifecycle until the returned function is called.
func (h *harness) start() (stop func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, h.config) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Errorf("run: %v", err)
		}
	}
}

// settle runs the lifecycle until every delivery has its outcome.
func (h *harness) settle() {
	h.t.Helper()
	stop := h.start()
	defer stop()
	h.idle()
}

// idle waits until every delivery has its outcome.
func (h *harness) idle() {
	h.t.Helper()
	h.until("all deliveries are handled", func() bool {
		_, found, err := h.bus.FirstUnacked(h.t.Context(), bus.Webhooks, "lifecycle-acme", event.WebhookFilter("acme"))
		return err == nil && !found
	})
}

// until waits for a condition that another goroutine brings about.
func (h *harness) until(what string, holds func() bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			h.t.Fatalf("did not come about: %s", what)
		case <-ticker.C:
		}
	}
}

// published is one event of the stream.
type published struct {
	name string
	event.Verification
}

// events reads a stream of events, and holds it to its guarantees: versions without gaps, in
// order, each once.
func (h *harness) events(stream string) []published {
	h.t.Helper()
	var events []published
	versions := map[string]int{}
	h.read(stream, func(m bus.Stored) {
		envelope, err := event.Decode(m.Header, m.Data)
		if err != nil {
			h.t.Fatal(err)
		}
		data, name, err := event.VerificationOf(envelope)
		if err != nil {
			h.t.Fatal(err)
		}
		if versions[data.ID]++; data.Version != versions[data.ID] {
			h.t.Errorf("%s: version %d behind %d", data.ID, data.Version, versions[data.ID]-1)
		}
		events = append(events, published{name, data})
	})
	return events
}

func (h *harness) outcomes() []event.Outcome {
	h.t.Helper()
	var outcomes []event.Outcome
	h.read(bus.Outcomes, func(m bus.Stored) {
		var o event.Outcome
		if err := json.Unmarshal(m.Data, &o); err != nil {
			h.t.Fatal(err)
		}
		outcomes = append(outcomes, o)
	})
	return outcomes
}

func (h *harness) dead() []bus.DeadLetter {
	h.t.Helper()
	var letters []bus.DeadLetter
	h.read(bus.Dead, func(m bus.Stored) {
		var l bus.DeadLetter
		if err := json.Unmarshal(m.Data, &l); err != nil {
			h.t.Fatal(err)
		}
		letters = append(letters, l)
	})
	return letters
}

func (h *harness) read(stream string, fn func(bus.Stored)) {
	h.t.Helper()
	_, err := h.bus.Read(h.t.Context(), stream, "kyc.>", 1, func(m bus.Stored) error {
		fn(m)
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}
