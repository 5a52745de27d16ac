package doctor

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/bus/bustest"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/provider/all"
	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/services/lifecycle"
	"github.com/verdict-stream/verdict/services/projector"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

const retention = 168 * time.Hour

var settings = bustest.Settings(retention)

// world is an installation without a receiver: deliveries are published by the test.
type world struct {
	t         *testing.T
	dir       string
	bus       *bus.Bus
	keys      *seal.Keyring
	at        store.Location
	providers []provider.Provider
	sent      int
	stop      func()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	w := &world{t: t, dir: t.TempDir(), bus: bustest.Open(t, settings), stop: func() {}}
	var err error
	w.keys, err = seal.Open(filepath.Join(w.dir, "keys"), []byte(strings.Repeat("k", seal.MasterKeySize)))
	w.must(err)
	w.at = store.Location{Dir: w.dir}
	for _, p := range all.Providers() {
		if p.Name == "idenfy" || p.Name == "kycaid" {
			w.providers = append(w.providers, p)
		}
	}
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// run starts lifecycle and projector until stop is called.
func (w *world) run() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		_ = lifecycle.Run(ctx, lifecycle.Config{
			Bus: w.bus, Keys: w.keys, Store: w.at, Instance: "default", Providers: w.providers,
			Retention: func(string) time.Duration { return retention }, Logger: quiet,
		})
	})
	running.Go(func() {
		model, err := store.OpenReadModel(ctx, w.at)
		if err != nil {
			return
		}
		defer model.Close()
		_ = projector.Run(ctx, projector.Config{
			Bus: w.bus, Keys: w.keys, Model: model, Providers: w.providers, Retention: func(string) time.Duration { return retention }, Logger: quiet,
		})
	})
	w.stop = func() {
		cancel()
		running.Wait()
		w.stop = func() {}
	}
}

// deliver publishes one delivery and returns its position.
func (w *world) deliver(name, token, body string) uint64 {
	w.t.Helper()
	w.sent++
	now := time.Now().UTC()
	hook := event.Webhook{
		ID: event.WebhookID(name, fmt.Sprint(w.sent), []byte(body)), Provider: name, Event: token, Instance: "default", ReceivedAt: now,
	}
	var err error
	hook.SealKey, hook.Sealed, err = w.keys.Seal(name, now, hook.ID, []byte(body))
	w.must(err)
	header, data, err := hook.Encode()
	w.must(err)
	ack, err := w.bus.Publish(w.t.Context(), bus.Message{Subject: "kyc.webhook." + name + "." + token, Header: header, Data: data})
	w.must(err)
	return ack.Seq
}

// approved is a delivery that tells of a verification.
func (w *world) approved(n int) uint64 {
	w.t.Helper()
	sample, err := os.ReadFile("../../pkg/provider/idenfy/samples/id_verification_manual_finish.approved.json")
	w.must(err)
	body := string(sample)
	start := strings.Index(body, `"scanRef"`)
	end := start + strings.IndexByte(body[start:], ',')
	body = body[:start] + fmt.Sprintf(`"scanRef": "ref-%d"`, n) + body[end:]
	return w.deliver("idenfy", "id_verification_manual_finish", body)
}

// settle runs everything until the tables have all of it.
func (w *world) settle() {
	w.t.Helper()
	w.run()
	w.eventually("settle", func() error {
		for _, name := range []string{"lifecycle-idenfy", "lifecycle-kycaid"} {
			lag, err := w.bus.Pending(w.t.Context(), bus.Webhooks, name)
			if err != nil || lag.Waiting+lag.Unacked > 0 {
				return fmt.Errorf("%s is behind: %v, %w", name, lag, err)
			}
		}
		model, err := store.OpenReader(w.t.Context(), w.at)
		if err != nil {
			return err
		}
		defer model.Close()
		for _, stream := range []string{bus.Webhooks, bus.Verifications, bus.Held, bus.Outcomes, bus.Dead} {
			state, err := w.bus.StreamState(w.t.Context(), stream)
			if err != nil {
				return err
			}
			held, err := model.Progress(w.t.Context(), stream)
			if err != nil || held.Sequence < state.LastSeq {
				return fmt.Errorf("the read model is at %d of %d of %s: %w", held.Sequence, state.LastSeq, stream, err)
			}
		}
		return nil
	})
	w.stop()
}

func (w *world) eventually(what string, do func() error) {
	w.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := do()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (w *world) config() Config {
	return Config{
		Bus: w.bus, Store: w.at, Providers: w.providers, Streams: settings, Retention: func(string) time.Duration { return retention },
		Keys: w.keys, KeyDir: filepath.Join(w.dir, "keys"), SpoolDir: filepath.Join(w.dir, "spool"), ArchiveDir: filepath.Join(w.dir, "archive"),
		TempDir: w.t.TempDir(), Settle: 100 * time.Millisecond,
	}
}

// look returns the examples of all findings, each behind the name of its check.
func (w *world) look(only ...string) []string {
	w.t.Helper()
	config := w.config()
	config.Only = only
	report, err := Run(w.t.Context(), config)
	w.must(err)
	found := []string{}
	for _, c := range report.Checks {
		if (c.State == Ill) != (c.Count > 0) || c.Count > 0 && len(c.Mend) == 0 {
			w.t.Errorf("check %s: %+v", c.Name, c)
		}
		for _, example := range c.Examples {
			found = append(found, c.Name+": "+example)
		}
	}
	left, err := os.ReadDir(config.TempDir)
	if err != nil || len(left) > 0 {
		w.t.Errorf("left behind: %v, %v", left, err)
	}
	return found
}

// mustFind checks that something is found, by a part of what is said.
func (w *world) mustFind(want string, only ...string) {
	w.t.Helper()
	found := w.look(only...)
	for _, text := range found {
		if strings.Contains(text, want) {
			return
		}
	}
	w.t.Errorf("found %q, want %q", found, want)
}

// mustAdvise checks that one check says how to mend what it has found.
func (w *world) mustAdvise(want, only string) {
	w.t.Helper()
	config := w.config()
	config.Only = []string{only}
	report, err := Run(w.t.Context(), config)
	w.must(err)
	if text := strings.Join(report.Checks[0].Mend, "\n"); !strings.Contains(text, want) {
		w.t.Errorf("advice %q, want %q", text, want)
	}
}

// mustFindNothing checks that all is well.
func (w *world) mustFindNothing(only ...string) {
	w.t.Helper()
	if found := w.look(only...); len(found) > 0 {
		w.t.Errorf("found %q", found)
	}
}

// reopenKeys returns the keys as another process finds them.
func (w *world) reopenKeys() *seal.Keyring {
	w.t.Helper()
	keys, err := seal.Open(filepath.Join(w.dir, "keys"), []byte(strings.Repeat("k", seal.MasterKeySize)))
	w.must(err)
	return keys
}
