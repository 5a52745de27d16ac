package api

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

func TestStreamFilters(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	v := about("acme", "check", "end", 1, verification.Pending)
	v.Applicant, v.ExternalReference = new("person"), new("order/8")
	s.put(false, "noted", v)
	s.progress(7)
	server := s.serve()
	const (
		review   = "1 awaiting_review s1"
		approved = "2 approved s1"
		form     = "3 processing applicant%3Aabc"
		film     = "4 processing f1"
		rejected = "6 rejected d2"
		end      = "7 noted end"
	)
	for _, test := range []struct {
		query, lastEventID string
		want               []string
	}{
		{"?after=0", "", []string{review, approved, form, film, rejected, end}},
		{"?after=3", "", []string{film, rejected, end}},
		{"?after=5", "", []string{rejected, end}},
		{"?after=7", "", nil},
		{"?after=0", "4", []string{rejected, end}},
		{"", "2", []string{form, film, rejected, end}},
		{"", "0", []string{review, approved, form, film, rejected, end}},
		{"", "", nil},
		{"?after=0&provider=idenfy", "", []string{review, approved}},
		{"?after=0&provider=nobody", "", nil},
		{"?after=0&kind=liveness", "", []string{film}},
		{"?after=0&scope=step", "", []string{film}},
		{"?after=0&status=processing", "", []string{form, film}},
		{"?after=0&status=pending", "", []string{end}},
		{"?after=0&event=noted", "", []string{end}},
		{"?after=0&event=pending", "", nil},
		{"?after=0&applicant=client-1", "", []string{approved}},
		{"?after=0&external_reference=order%2F8", "", []string{end}},
		{"?after=0&final=true", "", []string{approved, rejected}},
		{"?after=0&final=false&overdue=false", "", []string{review, film, end}},
		{"?after=0&overdue=true", "", []string{form}},
		{"?after=0&sandbox=false&provider=yousign", "", []string{rejected}},
	} {
		follower := s.follow(server, test.query, test.lastEventID)
		if diff := gocmp.Diff(test.want, follower.upTo(7)); diff != "" {
			t.Errorf("%s after %q (-want +got):\n%s", test.query, test.lastEventID, diff)
		}
	}
	// The other stream has a progress of its own.
	if diff := gocmp.Diff([]string{"5 approved d1"}, s.follow(server, "?after=0&sandbox=true", "").upTo(5)); diff != "" {
		t.Errorf("of the sandbox (-want +got):\n%s", diff)
	}
}

func TestStreamForm(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	server := s.serve()
	follower := s.follow(server, "?after=1&limit=1", "")
	if follower.status != http.StatusBadRequest {
		t.Errorf("a limit: status %d", follower.status)
	}
	follower = s.follow(server, "?after=1", "")
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store", "Content-Encoding": "", "X-Accel-Buffering": "no", "Etag": "",
	} {
		if got := follower.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	var text strings.Builder
	for !strings.Contains(text.String(), "data: ") && follower.lines.Scan() {
		text.WriteString(follower.lines.Text() + "\n")
	}
	head, data, _ := strings.Cut(text.String(), "data: ")
	if want := "retry: 2000\nid: 1\n\n"; !strings.HasPrefix(head, want) || !strings.HasSuffix(head, "id: 2\nevent: approved\n") {
		t.Errorf("it begins with %q", head)
	}
	golden(t, "stream_event", []byte(data))
	if head := s.ask(http.MethodHead, "/v1/stream"); head.Code != http.StatusOK || head.Header().Get("Content-Type") != "text/event-stream" {
		t.Errorf("HEAD: status %d, %v", head.Code, head.Header())
	}
}

// An event is sent once all before it are in the tables, and not sooner.
func TestStreamGoesNoFurtherThanTheTables(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	follower := s.follow(s.serve(), "", "")
	if got := follower.upTo(6); got != nil {
		t.Errorf("what was there before came: %q", got)
	}
	s.sequence = 7
	s.put(false, "pending", about("acme", "check", "later", 1, verification.Pending)) // at 8, before what comes at 7
	for range 3 {
		if got := follower.upTo(6); got != nil {
			t.Errorf("sent with a gap before it: %q", got)
		}
	}
	s.sequence = 6
	s.put(false, "pending", about("acme", "check", "sooner", 1, verification.Pending))
	s.progress(8)
	if diff := gocmp.Diff([]string{"7 pending sooner", "8 pending later"}, follower.upTo(8)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// A position that the stream does not have, or that is of another one, is refused: to wait for it would be to miss what comes before.
func TestStreamKnowsItsPositions(t *testing.T) {
	s := newSeeded(t)
	if w := s.ask(http.MethodHead, "/v1/stream?after=1"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a position where nothing is in the tables: status %d", w.Code)
	}
	if w := s.ask(http.MethodHead, "/v1/stream?after=0"); w.Code != http.StatusOK || w.Header().Get(streamHeader) != "" {
		t.Errorf("the beginning where nothing is in the tables: status %d, %v", w.Code, w.Header())
	}
	s.fill() // as of 6, with 2 that wait, and as of 5 in the sandbox
	for target, want := range map[string]int{
		"after=6":                              http.StatusOK,
		"after=8":                              http.StatusOK,
		"after=9":                              http.StatusConflict,
		"after=9223372036854775807":            http.StatusConflict,
		"after=6&sandbox=true":                 http.StatusConflict,
		"after=5&sandbox=true":                 http.StatusOK,
		"after=5&stream=stream-a":              http.StatusOK,
		"after=5&stream=stream-b":              http.StatusConflict,
		"stream=stream-b":                      http.StatusConflict,
		"after=5&sandbox=true&stream=stream-b": http.StatusOK,
		"after=5&sandbox=true&stream=stream-a": http.StatusConflict,
	} {
		if w := s.ask(http.MethodHead, "/v1/stream?"+target); w.Code != want {
			t.Errorf("%s: status %d", target, w.Code)
		}
	}
	if got := s.ask(http.MethodHead, "/v1/stream").Header().Get(streamHeader); got != "stream-a" {
		t.Errorf("the stream is said to be %q", got)
	}
	golden(t, "problems/position_unknown", s.ask(http.MethodGet, "/v1/stream?after=9").Body.Bytes())
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/stream?after=0", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Last-Event-ID", "9")
	if w := s.send(r); w.Code != http.StatusConflict {
		t.Errorf("Last-Event-ID beyond the end: status %d", w.Code)
	}
}

// An answer ends when the stream is made anew: its positions are those of another one then.
func TestStreamEndsWithItsStream(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	follower := s.follow(s.serve(), "?after=6", "")
	if got := follower.upTo(6); got != nil {
		t.Errorf("events %q", got)
	}
	if err := s.model.Forget(t.Context(), "KYC_VERIFICATIONS"); err != nil {
		t.Fatal(err)
	}
	if err := s.model.PutProgress(t.Context(), store.Progress{Stream: "KYC_VERIFICATIONS", Identity: "stream-c", Sequence: 9, At: start}); err != nil {
		t.Fatal(err)
	}
	for ok := true; ok; {
		_, ok = follower.next()
	}
	if err := follower.lines.Err(); err != nil {
		t.Errorf("the answer was cut off: %v", err)
	}
}

// Whoever connects again with what he read last sees every event once, in order, while events are written as they come: some before those
// that precede them.
func TestStreamResumes(t *testing.T) {
	s := newSeeded(t)
	server := s.serve()
	const count = 240
	written := make(chan struct{})
	go func() {
		defer close(written)
		for block := uint64(0); block < count; block += 4 {
			for _, ahead := range []uint64{3, 1, 4, 2} {
				s.sequence = block + ahead - 1
				s.put(false, "pending", about("acme", "check", fmt.Sprint(block+ahead), 1, verification.Pending))
			}
			s.progress(block + 4)
		}
	}()
	var got []uint64
	for last, round := "0", 1; len(got) < count; round++ {
		follower := s.follow(server, "", last)
		for read := 0; read < round*7 && len(got) < count; {
			one, ok := follower.next()
			if !ok {
				t.Fatal("the answer ended")
			}
			last = one.ID
			if one.Event != "" {
				at, err := strconv.ParseUint(one.ID, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, at)
				read++
			}
		}
		_ = follower.body.Close()
	}
	<-written
	for i, at := range got {
		if at != uint64(i+1) {
			t.Fatalf("event %d came at place %d: %v", at, i+1, got)
		}
	}
}

// A caller who takes nothing is cut off, and holds no more than what fits the buffers between.
func TestStreamCutsOffWhoDoesNotRead(t *testing.T) {
	s := newSeeded(t)
	v := about("acme", "check", "large", 1, verification.Rejected)
	for range 5000 {
		v.Reasons = append(v.Reasons, verification.Reason{Code: strings.Repeat("X", 64), Category: verification.CategoryOther, Source: "check"})
	}
	for range 25 {
		v.Version++
		s.put(false, "rejected", v)
	}
	s.progress(25)
	s.config.pace = pace{poll: time.Millisecond, heartbeat: time.Hour, patience: 10 * time.Millisecond}
	ended := make(chan struct{})
	handler := newHandler(s.config, nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	s.follow(server, "?after=0", "")
	<-ended
}

func TestStreamsAreCounted(t *testing.T) {
	s := newSeeded(t)
	s.config.pace = livePace // So many need not be quick.
	server := s.serve()
	var all []*followed
	for range maxStreams {
		all = append(all, s.follow(server, "", ""))
	}
	refused := s.follow(server, "", "")
	if refused.status != http.StatusServiceUnavailable || refused.header.Get("Retry-After") == "" {
		t.Errorf("one too many: status %d", refused.status)
	}
	refused.lines.Scan()
	golden(t, "problems/too_many_streams", refused.lines.Bytes())
	_ = all[0].body.Close()
	await(t, "the end of one who left", func() bool { return s.follow(server, "", "").status == http.StatusOK })
}

func TestStreamOutlivesTheDatabase(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	server := s.serve()
	follower := s.follow(server, "", "")
	follower.upTo(6)
	if err := s.model.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got := follower.upTo(6); got != nil {
			t.Errorf("events without a database: %q", got)
		}
	}
	if status := s.follow(server, "", "").status; status != http.StatusServiceUnavailable {
		t.Errorf("a new one without a database: status %d", status)
	}
	_ = follower.body.Close()
	server.Close()
	if !strings.Contains(s.log.String(), "stream waits") {
		t.Errorf("nobody is told: %s", &s.log)
	}
}

func TestStreamEndsWithTheService(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.config.Listener, s.config.pace = listener, quick
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, s.config) }()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String()+"/v1/stream?after=0", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	follower := &followed{t: t, lines: bufio.NewScanner(answer.Body)}
	follower.upTo(6)
	cancel()
	for ok := true; ok; {
		_, ok = follower.next()
	}
	if err := follower.lines.Err(); err != nil {
		t.Errorf("the answer was cut off: %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
