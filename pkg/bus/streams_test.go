package bus

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The configuration that the broker keeps is a golden file, so that a change of it shows.
func TestStreamsAreAsWritten(t *testing.T) {
	b := newTestBus(t)
	streams := map[string]any{}
	for _, name := range []string{Webhooks, Verifications, Sandbox, Dead, Held, Rejected, Outcomes, Canary} {
		info, err := b.streamInfo(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		c := info.Config
		streams[name] = map[string]any{
			"subjects": c.Subjects, "storage": c.Storage, "discard": c.Discard, "max_age": c.MaxAge.String(), "max_bytes": c.MaxBytes,
			"max_msgs_per_subject": c.MaxMsgsPerSubject, "persist_mode": c.PersistMode.String(), "atomic": c.AllowAtomicPublish,
			"direct": c.AllowDirect, "deny_delete": c.DenyDelete, "deny_purge": c.DenyPurge, "duplicate_window": c.Duplicates.String(),
		}
	}
	got, err := json.MarshalIndent(streams, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const golden = "testdata/streams.golden.json"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("streams differ from %s (-want +got):\n%s", golden, diff)
	}
}

// The client's mode of persistence must exist on replicated streams too, where the broker has only one.
func TestReplicatedStreamsAreAllSynced(t *testing.T) {
	settings := testSettings
	settings.Replicas = 3
	for _, config := range definitions(settings) {
		if config.PersistMode != jetstream.DefaultPersistMode {
			t.Errorf("%s: %s", config.Name, config.PersistMode)
		}
	}
}

func TestEnsureStreamsChangesInPlaceAndKeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	s := startTestServer(t, serverConfig(dir, "off"))
	b := connectTestBus(t, Config{Server: s})
	if err := b.EnsureStreams(t.Context(), testSettings); err != nil {
		t.Fatal(err)
	}
	stored := publish(t, b, "kyc.webhook.idenfy.id_verification_auto_finish", "idenfy:1", "sealed")
	identity, err := b.StreamIdentity(t.Context(), Webhooks)
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	s.Shutdown()

	b = connectTestBus(t, Config{Server: startTestServer(t, serverConfig(dir, "off"))})
	changed := testSettings
	changed.Retention = 24 * time.Hour
	if err := b.EnsureStreams(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	info, err := b.streamInfo(t.Context(), Webhooks)
	if err != nil {
		t.Fatal(err)
	}
	if want := 25 * time.Hour; info.Config.MaxAge != want {
		t.Errorf("kept for %s, want %s", info.Config.MaxAge, want)
	}
	got, err := b.Get(t.Context(), Webhooks, stored.Seq)
	if err != nil || string(got.Data) != "sealed" {
		t.Errorf("after the restart: %q, %v", got.Data, err)
	}
	if again, err := b.StreamIdentity(t.Context(), Webhooks); err != nil || again != identity {
		t.Errorf("identity %q became %q, %v", identity, again, err)
	}
	if err := b.js.DeleteStream(t.Context(), Webhooks); err != nil {
		t.Fatal(err)
	}
	if err := b.EnsureStreams(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	if again, err := b.StreamIdentity(t.Context(), Webhooks); err != nil || again == identity {
		t.Errorf("a new stream has the old identity %q, %v", again, err)
	}
}

func TestEnsureStreamsNamesWhatCannotBeChanged(t *testing.T) {
	for name, existing := range map[string]jetstream.StreamConfig{
		"other storage":       {Name: Webhooks, Subjects: []string{"kyc.webhook.*.*"}, Storage: jetstream.MemoryStorage},
		"other kind":          {Name: Webhooks, Subjects: []string{"kyc.webhook.*.*"}, Retention: jetstream.WorkQueuePolicy},
		"overlapping subject": {Name: "MINE", Subjects: []string{"kyc.webhook.>"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := connectTestBus(t, Config{Server: startTestServer(t, serverConfig(t.TempDir(), "off"))})
			addStream(t, b, existing)
			err := b.EnsureStreams(t.Context(), testSettings)
			if err == nil || errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), Webhooks) {
				t.Errorf("error: %v", err)
			}
		})
	}
}

func TestTheCanaryKeepsOneMessage(t *testing.T) {
	b := newTestBus(t)
	for _, id := range []string{"a", "b", "c"} {
		publish(t, b, "kyc.canary", id, id)
	}
	if state, err := b.StreamState(t.Context(), Canary); err != nil || state.Messages != 1 || state.LastSeq != 3 {
		t.Errorf("state: %+v, %v", state, err)
	}
}

func TestHeldRefusesWhatHasNoRoom(t *testing.T) {
	b := newTestBus(t)
	body := strings.Repeat("x", 3<<20)
	for i := 0; ; i++ {
		_, err := b.Publish(t.Context(), Message{Subject: "kyc.held.treezor", Data: []byte(body)})
		if errors.Is(err, ErrUnavailable) {
			break
		}
		if err != nil || i*len(body) > heldBytes {
			t.Fatalf("after %d bodies: %v", i, err)
		}
	}
	state, err := b.StreamState(t.Context(), Held)
	if err != nil || state.FirstSeq != 1 || state.Bytes > heldBytes {
		t.Errorf("state: %+v, %v; the oldest must stay", state, err)
	}
}
