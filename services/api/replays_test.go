package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/replay"
	"github.com/verdict-stream/verdict/pkg/runs"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// replayedEvents is how many events there are to replay.
const replayedEvents = 3

// fillReplays publishes events, and puts replays in the book that nobody works on.
func (s *seeded) fillReplays() {
	t := s.t
	t.Helper()
	s.config.ReplayDir = filepath.Join(t.TempDir(), "replays")
	s.config.Providers = []provider.Provider{{Name: "idenfy"}}
	for i := range replayedEvents {
		v := about("idenfy", "id_verification", fmt.Sprintf("r%d", i), 1, verification.Approved)
		v.OccurredAt, v.ReceivedAt, v.CausationID, v.Applicant = start, start, "idenfy:1", new("client-1")
		header, data, err := v.Encode("test", "approved", "")
		check(t, err)
		_, err = s.config.Bus.Publish(t.Context(), bus.Message{Subject: event.VerificationSubject(false, "idenfy", "id_verification", "approved"), Header: header, Data: data})
		check(t, err)
	}
	spec, err := json.Marshal(replay.Spec{Stream: bus.Verifications, From: 1, Through: replayedEvents, Target: replay.TargetStream, Via: replay.ViaAPI})
	check(t, err)
	book := runs.Open(s.config.Bus)
	for _, name := range []string{"waiting", "to-pause", "to-resume", "to-cancel", "to-forget", "over"} {
		_, err := book.Create(t.Context(), runs.Run{Verb: replay.Verb, Name: name, Spec: spec, Total: replayedEvents, Actor: caller})
		check(t, err)
		if name == "to-forget" || name == "over" {
			_, err := book.Ask(t.Context(), replay.Verb, name, runs.Cancel)
			check(t, err)
		}
	}
}

// askReplays asks a path of replays for the answers that the other paths do not have.
func (s *seeded) askReplays(ask func(method, target string, header ...string) *httptest.ResponseRecorder, key string, body *string) {
	was := *body
	defer func() { *body = was }()
	switch key {
	case "/v1/replays":
		ask(http.MethodPut, key)
	case alsoPost + "/v1/replays":
		for _, *body = range []string{`{"name":"waiting"}`, `{"dry_run":true,"statuses":["rejected"]}`} {
			ask(http.MethodPost, "/v1/replays")
		}
	case "/v1/replays/{replay}/forget":
		ask(http.MethodPost, "/v1/replays/waiting/forget")
	case "/v1/replays/{replay}/pause", "/v1/replays/{replay}/resume":
		ask(http.MethodPost, strings.Replace(key, "{replay}", "over", 1))
	}
}

// A pace may be slower than one a second, and is shown as it was asked for.
func TestReplayRate(t *testing.T) {
	s := newSeeded(t)
	s.fillBroker()
	begun := answeredAs[ReplayBegunAnswer](s, "/v1/replays", `{"name":"slow","rate":0.5}`).Data
	shown := answeredAs[ReplayAnswer](s, "/v1/replays/slow", "").Data
	for _, r := range []*Replay{begun.Replay, &shown} {
		if r == nil || r.Rate == nil || *r.Rate != 0.5 {
			t.Errorf("%+v", r)
		}
	}
	if begun.Plan.Seconds != replayedEvents*2 {
		t.Errorf("%d events take %d s", begun.Plan.Events, begun.Plan.Seconds)
	}
	if shown := answeredAs[ReplayAnswer](s, "/v1/replays/waiting", "").Data; shown.Rate != nil {
		t.Errorf("without a limit: %v", *shown.Rate)
	}
	if w := s.asked("/v1/replays", `{"dry_run":true,"rate":null}`); w.Code != http.StatusOK {
		t.Errorf("nothing said: %d %s", w.Code, w.Body)
	}
}

// A replay that is asked for is planned, worked on here, and can be looked at; a plan alone changes nothing.
func TestReplays(t *testing.T) {
	s := newSeeded(t)
	s.fillBroker()
	for _, name := range []string{"waiting", "to-pause", "to-resume", "to-cancel"} {
		answeredAs[ReplayAnswer](s, "/v1/replays/"+name+"/cancel", "{}")
	}
	before := len(s.entries())
	planned := answeredAs[ReplayBegunAnswer](s, "/v1/replays", `{"dry_run":true,"providers":["idenfy"],"applicant":"client-1"}`).Data
	if !planned.DryRun || planned.Replay != nil || planned.Plan.Events != replayedEvents || planned.Plan.ToSequence != replayedEvents {
		t.Errorf("planned %+v", planned)
	}
	if n := len(s.entries()); n != before {
		t.Errorf("planning was audited: %v", s.entries()[before:])
	}
	for body, want := range map[string]struct {
		status int
		detail string
	}{
		`{}`:                                      {400, "a name is 1 to 32"},
		`{"name":"A"}`:                            {400, "a name is 1 to 32"},
		`{"name":"a","providers":["acme"]}`:       {400, "known are idenfy"},
		`{"name":"a","target":"file:../x"}`:       {400, "in the directory of replays"},
		`{"name":"a","target":"file:/etc/x"}`:     {400, "in the directory of replays"},
		`{"name":"a","target":"ftp://x"}`:         {400, "is none of"},
		`{"name":"a","misspelt":1}`:               {400, "misspelt"},
		`{"name":"a","rate":-1}`:                  {400, "not above 0"},
		`{"name":"a","rate":0}`:                   {400, "not above 0"}, // which is not as many as possible
		`{"name":"a","keep_seconds":99999999999}`: {400, "has keep_seconds above"},
		`{"name":"a","to_sequence":99}`:           {400, "the last sequence"},
		`{"name":"a","statuses":["rejected"]}`:    {404, "nothing matches"},
		`{"name":"a","applicant":"nobody"}`:       {404, "nothing matches"},
		`{"name":"waiting"}`:                      {409, "it is canceled"},
		`{"name":"a","target":"https://x.example/","bearer_file":"../../dev/admin-token"}`: {400, "in the directory of replays"},
	} {
		w := s.asked("/v1/replays", body)
		var p Problem
		check(t, json.Unmarshal(w.Body.Bytes(), &p))
		if w.Code != want.status || !strings.Contains(p.Detail, want.detail) {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}

	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	working.Go(func() { replayed(ctx, s.config.Bus, s.config.ReplayDir, s.config.Logger) })
	defer working.Wait()
	defer stop()
	begun := answeredAs[ReplayBegunAnswer](s, "/v1/replays", `{"name":"late-team","target":"file:late.ndjson"}`).Data
	if begun.DryRun || begun.Replay == nil || begun.Replay.Name != "late-team" || begun.Replay.Via != "api" {
		t.Fatalf("begun %+v", begun)
	}
	for state := ""; state != "done"; time.Sleep(10 * time.Millisecond) {
		state = answeredAs[ReplayAnswer](s, "/v1/replays/late-team", "").Data.State
	}
	text, err := os.ReadFile(filepath.Join(s.config.ReplayDir, "late.ndjson"))
	if err != nil || strings.Count(string(text), `"replay":"late-team"`) != replayedEvents {
		t.Errorf("file: %s, %v", text, err)
	}
	if list := answeredAs[ReplayList](s, "/v1/replays", "").Data; len(list) != 7 {
		t.Errorf("%d replays: %+v", len(list), list)
	}
	answeredAs[ReplayAnswer](s, "/v1/replays/late-team/forget", "{}")
	if w := s.ask(http.MethodGet, "/v1/replays/late-team"); w.Code != http.StatusNotFound {
		t.Errorf("what was forgotten: %d", w.Code)
	}
	if entries := s.entries()[before:]; len(entries) != 2 || !strings.HasPrefix(entries[0], "replay, replay late-team to file:") {
		t.Errorf("audit: %v", entries)
	}
}
