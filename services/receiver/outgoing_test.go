package receiver

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/spool"
)

// spoolEntry is a webhook as the receiver spools it.
func spoolEntry(key string) spool.Entry {
	header := map[string][]string{event.MessageID: {key}, "ce-id": {key}}
	return spool.Entry{Subject: event.WebhookSubject("kycaid", "other"), Key: key, Header: header, At: time.Now()}
}

func appendKeys(t *testing.T, s *spool.Spool, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if err := s.Append(t.Context(), spoolEntry(key)); err != nil {
			t.Fatal(err)
		}
	}
}

// lastStored is when the stream got its last webhook.
func (b *broker) lastStored(t testing.TB) time.Time {
	t.Helper()
	state, err := b.bus.StreamState(t.Context(), bus.Webhooks)
	if err != nil {
		t.Fatal(err)
	}
	return state.LastTime
}

// TestPublishedAndNotNoted finds in the stream what a process that died had published, where the
// stream has forgotten the ids.
func TestPublishedAndNotNoted(t *testing.T) {
	b := startBroker(t)
	settings := bus.StreamSettings{Retention: 24 * time.Hour, DeduplicationWindow: 100 * time.Millisecond, Replicas: 1}
	if err := b.bus.EnsureStreams(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	for _, published := range []int{0, 1, 3, 7} {
		t.Run(fmt.Sprint(published), func(t *testing.T) {
			s := openSpool(t, t.TempDir(), spool.Limits{})
			before := b.ids(t)
			for i := range 7 {
				key := fmt.Sprint("kycaid:", published, "-", i)
				e := spoolEntry(key)
				if err := s.Append(t.Context(), e); err != nil {
					t.Fatal(err)
				}
				if i < published {
					if _, err := b.bus.Publish(t.Context(), message(e)); err != nil {
						t.Fatal(err)
					}
				}
				before = append(before, key)
			}
			eventually(t, "the stream has forgotten the ids", func() bool { return time.Since(b.lastStored(t)) > 5*settings.DeduplicationWindow })
			start(t, kycaidOnly(), b.spooled(t, s))
			b.eventually(t, before)
			eventually(t, "the spool is empty", func() bool { return s.Size().Entries == 0 })
			if diff := cmp.Diff(before, b.ids(t)); diff != "" {
				t.Errorf("stream (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRepeatAfterAnUnnotedPublish is accepted again, long after the first was published and that was
// not noted: it is a delivery of its own.
func TestRepeatAfterAnUnnotedPublish(t *testing.T) {
	b := startBroker(t)
	const window = 100 * time.Millisecond
	if err := b.bus.EnsureStreams(t.Context(), bus.StreamSettings{Retention: 24 * time.Hour, DeduplicationWindow: window, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	s := openSpool(t, b.dir, spool.Limits{})
	// Once published and not noted, and then accepted again before the crash.
	appendKeys(t, s, "kycaid:a", "kycaid:b", "kycaid:a")
	if _, err := b.bus.Publish(t.Context(), message(spoolEntry("kycaid:a"))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stream has forgotten the id", func() bool { return time.Since(b.lastStored(t)) > 5*window })
	start(t, kycaidOnly(), b.spooled(t, s))
	b.eventually(t, []string{"kycaid:a", "kycaid:b", "kycaid:a"})
}

// TestNothingStaysBehind leaves out what another has published, at the end too.
func TestNothingStaysBehind(t *testing.T) {
	b := startBroker(t)
	s := openSpool(t, b.dir, spool.Limits{})
	appendKeys(t, s, "kycaid:a", "kycaid:b")
	if _, err := b.bus.Publish(t.Context(), message(spoolEntry("kycaid:b"))); err != nil {
		t.Fatal(err)
	}
	start(t, kycaidOnly(), b.spooled(t, s))
	eventually(t, "the spool is empty", func() bool { return s.Size().Entries == 0 })
	if diff := cmp.Diff([]string{"kycaid:b", "kycaid:a"}, b.ids(t)); diff != "" {
		t.Errorf("stream (-want +got):\n%s", diff)
	}
}

// TestCountedOnce finds a message for one entry, and not for a later one again.
func TestCountedOnce(t *testing.T) {
	b := startBroker(t)
	const window = 100 * time.Millisecond
	if err := b.bus.EnsureStreams(t.Context(), bus.StreamSettings{Retention: 24 * time.Hour, DeduplicationWindow: window, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	s := openSpool(t, b.dir, spool.Limits{})
	appendKeys(t, s, "kycaid:a")
	if _, err := b.bus.Publish(t.Context(), message(spoolEntry("kycaid:a"))); err != nil {
		t.Fatal(err)
	}
	r := start(t, kycaidOnly(), b.spooled(t, s))
	eventually(t, "the spool is empty", func() bool { return s.Size().Entries == 0 })
	r.stop()
	eventually(t, "the stream has forgotten the id", func() bool { return time.Since(b.lastStored(t)) > 5*window })
	appendKeys(t, s, "kycaid:a")
	start(t, kycaidOnly(), b.spooled(t, s))
	b.eventually(t, []string{"kycaid:a", "kycaid:a"})
}

// TestResyncForgets what it need not read again.
func TestResyncForgets(t *testing.T) {
	b := startBroker(t)
	s := openSpool(t, b.dir, spool.Limits{})
	direct := b.spooled(t, s)
	direct.mode = SpoolOnOutage
	r := start(t, kycaidOnly(), direct)
	eventually(t, "the broker is known", func() bool { return strings.Contains(r.get(t, "/readyz").text, `"ready"`) })
	for i := range 5 {
		r.post(t, "kycaid", kycaidWebhook(t, i)).want(t, http.StatusOK, "accepted")
	}
	r.stop()
	start(t, kycaidOnly(), direct)
	eventually(t, "the position is the end of the stream", func() bool { return s.Position().Sequence == 5 })
}

// TestSetAside keeps what no stream can take, and files a dead letter.
func TestSetAside(t *testing.T) {
	b := startBroker(t)
	s := openSpool(t, b.dir, spool.Limits{})
	for i, subject := range []string{event.WebhookSubject("kycaid", "other"), "kyc.webhook.*.x", event.WebhookSubject("kycaid", "other")} {
		key := fmt.Sprint("kycaid:", i)
		e := spoolEntry(key)
		e.Subject, e.Data = subject, []byte("sealed")
		if err := s.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	start(t, kycaidOnly(), b.spooled(t, s))
	b.eventually(t, []string{"kycaid:0", "kycaid:2"})
	letters := b.messages(t, bus.Dead)
	if len(letters) != 1 || !strings.Contains(string(letters[0].Data), `"event_id":"kycaid:1"`) || !strings.Contains(string(letters[0].Data), causeUnpublishable) {
		t.Errorf("dead letters %v", letters)
	}
	content, err := os.ReadFile(filepath.Join(b.dir, "aside", asideName(t, b.dir)))
	if err != nil || !strings.Contains(string(content), "kycaid:1") {
		t.Errorf("set aside: %s, error %v", content, err)
	}
}

// asideName is the name of the one file that was set aside.
func asideName(t testing.TB, dir string) string {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(dir, "aside"))
	if err != nil || len(files) != 1 || !strings.HasPrefix(files[0].Name(), "unpublishable-2-") {
		t.Fatalf("set aside are %v, error %v", files, err)
	}
	return files[0].Name()
}
