package api

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/store"
)

// quick is a pace for tests: they wait for what is sent, and for nothing else.
var quick = pace{poll: time.Millisecond, heartbeat: 5 * time.Millisecond, patience: 10 * time.Second}

// followed is a caller who follows the events over a connection.
type followed struct {
	t      *testing.T
	status int
	header http.Header
	lines  *bufio.Scanner
	body   io.Closer
}

// frame is one server-sent event, as a browser sees it.
type frame struct {
	ID, Event, Data string
	Comment         bool
}

// serve starts a server over the read model, of which streams are as quick as they can be unless another pace is set.
func (s *seeded) serve() *httptest.Server {
	s.t.Helper()
	s.config.pace = cmp.Or(s.config.pace, quick)
	server := httptest.NewServer(newHandler(s.config, nil))
	s.t.Cleanup(server.Close)
	return server
}

// follow asks for a stream. The connection ends with the test.
func (s *seeded) follow(server *httptest.Server, query, lastEventID string) *followed {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/v1/stream"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept-Encoding", "gzip")
	if lastEventID != "" {
		r.Header.Set("Last-Event-ID", lastEventID)
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		cancel()
		_ = answer.Body.Close()
	})
	return &followed{s.t, answer.StatusCode, answer.Header, bufio.NewScanner(answer.Body), answer.Body}
}

// next returns the next frame; false where the answer has ended.
func (f *followed) next() (frame, bool) {
	f.t.Helper()
	var one frame
	for any := false; f.lines.Scan(); any = true {
		line := f.lines.Text()
		if line == "" {
			return one, any
		}
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "id":
			one.ID = value
		case "event":
			one.Event = value
		case "data":
			one.Data = value
		case "":
			one.Comment = true
		case "retry":
		default:
			f.t.Errorf("line %q", line)
		}
	}
	return one, false
}

// upTo returns the events that come before the sign of life at a position: each as its position, what it was published under and the
// reference of its verification.
func (f *followed) upTo(position uint64) []string {
	f.t.Helper()
	var all []string
	for {
		one, ok := f.next()
		if !ok {
			f.t.Fatalf("the answer ended after %q", all)
		}
		if one.Comment && one.ID == strconv.FormatUint(position, 10) {
			return all
		}
		if one.Event == "" {
			continue
		}
		var data struct {
			Reference string
			Sequence  uint64
		}
		if err := json.Unmarshal([]byte(one.Data), &data); err != nil {
			f.t.Fatal(err)
		}
		if strconv.FormatUint(data.Sequence, 10) != one.ID {
			f.t.Errorf("the frame %s holds the event %d", one.ID, data.Sequence)
		}
		all = append(all, one.ID+" "+one.Event+" "+data.Reference)
	}
}

// progress says how far the tables are.
func (s *seeded) progress(sequence uint64) {
	s.t.Helper()
	err := s.model.PutProgress(s.t.Context(), store.Progress{Stream: "KYC_VERIFICATIONS", Identity: "stream-a", Sequence: sequence, At: start})
	if err != nil {
		s.t.Fatal(err)
	}
}
