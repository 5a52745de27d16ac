package receiver

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"golang.org/x/time/rate"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/provider/treezor"
)

const confirmation = `{"Type":"SubscriptionConfirmation","SubscribeURL":"https://hooks.example/confirm?x=1"}`

// TestUnsigned covers the policies for webhooks that their provider does not sign.
func TestUnsigned(t *testing.T) {
	p := treezor.Provider
	review := sampleOf(t, &p, "kycreview_request")
	signed := sign(t, &p, review.event, review.body, testSecret)
	bare := unsigned(signed)
	handshake := provider.Signed{Body: []byte(confirmation)}
	for _, c := range []struct {
		name     string
		policy   UnsignedPolicy
		urlToken string
		posted   provider.Signed
		code     int
		answer   string
		stream   string
		subject  string
	}{
		{"default", "", "", bare, 200, "held", bus.Held, "kyc.held.treezor"},
		{"hold", Hold, "", bare, 200, "held", bus.Held, "kyc.held.treezor"},
		{"hold with token", Hold, "t0ken", bare, 200, "held", bus.Held, "kyc.held.treezor"},
		{"token", Token, "t0ken", bare, 200, "accepted", bus.Webhooks, "kyc.webhook.treezor.kycreview_request"},
		{"token that is not set", Token, "", bare, 200, "held", bus.Held, "kyc.held.treezor"},
		{"reject", Reject, "", bare, p.RefusedStatus, "missing_signature", bus.Rejected, "kyc.rejected.treezor.missing_signature"},
		{"reject, signed", Reject, "", signed, 200, "accepted", bus.Webhooks, "kyc.webhook.treezor.kycreview_request"},
		{"confirmation", Hold, "", handshake, 200, "held", bus.Held, "kyc.held.treezor"},
		{"confirmation, token", Token, "t0ken", handshake, 200, "held", bus.Held, "kyc.held.treezor"},
		{"confirmation, reject", Reject, "", handshake, 200, "held", bus.Held, "kyc.held.treezor"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := startBroker(t)
			r := start(t, only(p.Name, func(s *Served) { s.Unsigned, s.URLToken = c.policy, c.urlToken }), b.site())
			path := p.Name
			if c.urlToken != "" {
				path += "/~" + c.urlToken
			}
			got := r.post(t, path, c.posted)
			got.want(t, c.code, c.answer)
			if c.code == http.StatusOK {
				again := r.post(t, path, c.posted)
				again.want(t, http.StatusOK, "duplicate")
				if again.ID != got.ID {
					t.Errorf("ids %q and %q", got.ID, again.ID)
				}
			}
			r.stop()
			total := 0
			for _, stream := range []string{bus.Webhooks, bus.Held, bus.Rejected} {
				total += len(b.messages(t, stream))
			}
			all := b.messages(t, c.stream)
			if total != 1 || len(all) != 1 || all[0].Subject != c.subject {
				t.Fatalf("%d messages in %s, %d in all", len(all), c.stream, total)
			}
			if c.stream == bus.Rejected {
				return
			}
			w, body := b.webhook(t, all[0])
			if w.ID != got.ID || w.Provider != p.Name || !bytes.Equal(body, c.posted.Body) {
				t.Errorf("stored %s with a body of %d bytes, want %s with %d", w.ID, len(body), got.ID, len(c.posted.Body))
			}
		})
	}
}

// TestHeldRate holds back who sends unsigned webhooks faster than they may become durable.
func TestHeldRate(t *testing.T) {
	b := startBroker(t)
	for _, token := range []string{"", "t0ken"} {
		r := b.receiver(t, Config{Providers: only("treezor", func(s *Served) { s.URLToken = token })})
		r.endpoints["treezor"].held = rate.NewLimiter(0, 1) // One, and then none.
		path := "/webhooks/treezor"
		if token != "" {
			path += "/~" + token
		}
		for i, want := range []int{http.StatusOK, http.StatusServiceUnavailable} {
			if i > 0 && token != "" {
				want = http.StatusOK // Who has the token is no stranger.
			}
			w := httptest.NewRecorder()
			r.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(fmt.Sprintf(`{"n":"%d%s"}`, i, token))))
			if w.Code != want {
				t.Errorf("token %q, webhook %d: status %d, want %d", token, i, w.Code, want)
			}
		}
		r.abort()
	}
}

// TestURLToken serves the path with the token alone.
func TestURLToken(t *testing.T) {
	b := startBroker(t)
	p := treezor.Provider
	s := samples(t, &p)[0]
	signed := sign(t, &p, s.event, s.body, testSecret)
	tokened := start(t, only(p.Name, func(s *Served) { s.URLToken = "s3cret~path" }), b.site())
	open := start(t, only(p.Name, func(*Served) {}), b.site())
	for _, c := range []struct {
		path          string
		tokened, open int
	}{
		{"treezor/~s3cret~path", 200, 404},
		{"treezor/~s3cret~path/", 200, 404},
		{"treezor/~s3cret~path/any", 200, 404},
		{"treezor/~s3cret%7Epath/any", 200, 404},
		{"treezor/%7Es3cret~path", 200, 404},
		{"treezor/~s3cret~path/any/more", 404, 404},
		{"treezor/~s3cret~pat", 404, 404},
		{"treezor/~s3cret~path2", 404, 404},
		{"treezor/~", 404, 404},
		{"treezor/s3cret~path", 404, 200},
		{"treezor/any/~s3cret~path", 404, 404},
		{"treezor/any", 404, 200},
		{"treezor/" + strings.Repeat("x", 1000), 404, 200},
		{"treezor/", 404, 200},
		{"treezor", 404, 200},
	} {
		for _, side := range []struct {
			at   *instance
			want int
		}{{tokened, c.tokened}, {open, c.open}} {
			got := side.at.post(t, c.path, signed)
			if got.code != side.want || got.code == http.StatusNotFound && got.Cause != "unknown_provider" {
				t.Errorf("%s: answer %d %s, want %d", c.path, got.code, got.text, side.want)
			}
		}
	}
}

// TestAtOnce posts one webhook many times at once: it is stored once.
func TestAtOnce(t *testing.T) {
	const posts = 64
	b := startBroker(t)
	r := start(t, served(), b.site())
	p := providers()[0]
	s := samples(t, &p)[0]
	signed := sign(t, &p, s.event, s.body, testSecret)
	got := make([]reply, posts)
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() { got[i] = r.post(t, p.Name, signed) })
	}
	all.Wait()
	statuses := map[string]int{}
	for _, answer := range got {
		statuses[answer.Status+" "+answer.ID]++
	}
	if len(statuses) != 2 || statuses["accepted "+got[0].ID] != 1 || statuses["duplicate "+got[0].ID] != posts-1 {
		t.Errorf("answers %v", statuses)
	}
	if n := len(b.messages(t, bus.Webhooks)); n != 1 {
		t.Errorf("%d messages are stored", n)
	}
}
