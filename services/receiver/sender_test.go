package receiver

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
)

// sender is a connection on which a request is written bit by bit.
type sender struct {
	net.Conn
	answers *bufio.Reader
}

// begin writes the header of a webhook and waits until the receiver asks for the body, so that
// it is known to be reading.
func begin(t *testing.T, r *instance, path string, header map[string]string, length int) *sender {
	t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s := &sender{Conn: conn, answers: bufio.NewReader(conn)}
	text := fmt.Sprintf("POST /webhooks/%s HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: %d\r\n", path, length)
	for name, value := range header {
		text += name + ": " + value + "\r\n"
	}
	s.write(t, text+"\r\n")
	if line, err := s.answers.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("the receiver does not ask for the body: %q, %v", line, err)
	}
	if _, err := s.answers.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *sender) write(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(s, text); err != nil {
		t.Fatal(err)
	}
}

func (s *sender) answer(t *testing.T) reply {
	t.Helper()
	response, err := http.ReadResponse(s.answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	return read(t, response)
}

// eventually waits for something that another goroutine is about to do.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("never: " + what)
		}
	}
}

// TestSlowBody gives up on a body that does not come within the budget.
func TestSlowBody(t *testing.T) {
	b := startBroker(t)
	all := served() // The others keep their budget, which bounds what the server itself allows.
	all[2].Provider.Budget = 50 * time.Millisecond
	r := start(t, all, b.site())
	s := begin(t, r, all[2].Provider.Name, nil, 100)
	// Below that of the others, so that it is this budget that ends it.
	if err := s.SetReadDeadline(time.Now().Add(testBudget / 2)); err != nil {
		t.Fatal(err)
	}
	s.write(t, "{")
	got := s.answer(t)
	got.want(t, http.StatusServiceUnavailable, "unavailable")
	if got.header.Get("Retry-After") == "" || !got.hangsUp {
		t.Errorf("header %v, hangs up: %v", got.header, got.hangsUp)
	}
}

// TestGoneSender counts a sender that goes away in the middle of a body.
func TestGoneSender(t *testing.T) {
	b := startBroker(t)
	r := start(t, served(), b.site())
	before := counted(t, "kycaid", "unreadable")
	s := begin(t, r, "kycaid", nil, 100)
	s.write(t, "{")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the sender is counted", func() bool { return counted(t, "kycaid", "unreadable") == before+1 })
	r.stop()
	if len(b.messages(t, bus.Rejected)) != 0 {
		t.Error("a body that did not come is recorded")
	}
}

// TestBrokenChunks answers a body whose parts make no sense.
func TestBrokenChunks(t *testing.T) {
	b := startBroker(t)
	r := start(t, served(), b.site())
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	s := &sender{Conn: conn, answers: bufio.NewReader(conn)}
	s.write(t, "POST /webhooks/kycaid HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nnot a number\r\n")
	s.answer(t).want(t, http.StatusBadRequest, "unreadable")
}

// TestBodySizes takes bodies up to the limit, whether their length is announced or not.
func TestBodySizes(t *testing.T) {
	b := startBroker(t)
	r := start(t, served(), b.site())
	p := providers()[1]
	for _, size := range []int{0, 1, smallBody - 1, smallBody, smallBody + 1, bodyLimit, bodyLimit + 1, 2*bodyLimit + 1} {
		for _, chunked := range []bool{false, true} {
			body := bytes.Repeat([]byte("x"), size)
			signed := sign(t, &p, p.Events[0].Name, body, testSecret)
			var reader io.Reader = bytes.NewReader(body)
			if chunked {
				reader = io.MultiReader(reader) // Hides the length.
			}
			request, err := http.NewRequest(http.MethodPost, r.url+"/webhooks/"+p.Name, reader)
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range signed.Header {
				request.Header.Set(name, value)
			}
			got := do(t, request)
			switch {
			case size > bodyLimit:
				got.want(t, http.StatusRequestEntityTooLarge, string(event.CauseTooLarge))
			case chunked:
				got.want(t, http.StatusOK, "duplicate")
			default:
				got.want(t, http.StatusOK, "accepted")
			}
		}
	}
	for i, m := range b.messages(t, bus.Webhooks) {
		if _, body := b.webhook(t, m); len(bytes.Trim(body, "x")) != 0 {
			t.Errorf("message %d is not what was sent", i)
		}
	}
}

// TestStop finishes what is under way and takes no more.
func TestStop(t *testing.T) {
	b := startBroker(t)
	r := start(t, served(), b.site())
	p := providers()[2]
	s := samples(t, &p)[0]
	signed := sign(t, &p, s.event, s.body, testSecret)
	under := begin(t, r, p.Name, signed.Header, len(signed.Body))
	under.write(t, string(signed.Body[:10]))
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.stop()
	}()
	eventually(t, "the receiver stops listening", func() bool {
		conn, err := net.Dial("tcp", r.addr)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	under.write(t, string(signed.Body[10:]))
	under.answer(t).want(t, http.StatusOK, "accepted")
	<-stopped
	if n := len(b.messages(t, bus.Webhooks)); n != 1 {
		t.Errorf("%d messages are stored", n)
	}
}

// TestPanic turns a panic of a provider's folder into an answer, and shows nothing of what was
// thrown.
func TestPanic(t *testing.T) {
	b := startBroker(t)
	r := start(t, only("kycaid", func(s *Served) {
		s.Provider.Verify = func(r provider.Request) (provider.Receipt, error) { panic(string(r.Body)) }
	}), b.site())
	for range 2 * maxInFlight { // No place may be lost.
		got := r.post(t, "kycaid", provider.Signed{Body: []byte("marked-body")})
		got.want(t, http.StatusServiceUnavailable, "unavailable")
	}
	if text := r.logs.String(); !strings.Contains(text, "panic") || strings.Contains(text, "marked-body") {
		t.Errorf("log:\n%s", text)
	}
}
