package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/runs"
)

const (
	// replayEvents is how many events there are to replay, and replayRate how many a second are: enough to kill it in the middle.
	replayEvents = 90
	replayRate   = "10"
)

// A replay whose process is killed goes on where it was, to every kind of target, while webhooks go on: a file and a stream have every event
// once, an endpoint at least once and in order.
func TestReplayKilled(t *testing.T) {
	t.Parallel()
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			in := startInstallation(t, f)
			must(t, in.start())
			deliverReplayed(t, in, 0, replayEvents)
			want := storyEventIDs(t, in)[:replayEvents]
			taken := newTakenEvents(t)
			path := filepath.Join(in.dir, "events.ndjson")
			var running sync.WaitGroup
			for name, target := range map[string]string{"file": "file:" + path, "subject": "subject", "endpoint": taken.URL} {
				running.Go(func() {
					if err := in.replayKilled(name, target); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				})
			}
			running.Go(func() { deliverReplayed(t, in, replayEvents, replayEvents/3) })
			running.Wait()

			var lines, messages []string
			text, err := os.ReadFile(path)
			must(t, err)
			for _, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
				var e struct{ ID, Replay string }
				must(t, json.Unmarshal([]byte(line), &e))
				if e.Replay != "file" {
					t.Errorf("%s is of the replay %q", e.ID, e.Replay)
				}
				lines = append(lines, e.ID)
			}
			stored, err := in.messages("KYC_REPLAY_SUBJECT")
			must(t, err)
			for _, m := range stored {
				id, err := url.PathUnescape(m.Header.Get("ce-id"))
				must(t, err)
				if !strings.HasPrefix(m.Subject, "kyc.replay.subject.idenfy.id_verification.") || first(m.Header["ce-replay"]) != "subject" {
					t.Errorf("message on %s with %v", m.Subject, m.Header)
				}
				messages = append(messages, id)
			}
			for name, got := range map[string][]string{"file": lines, "subject": messages, "endpoint": withoutRepeats(taken.ids())} {
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-published +replayed):\n%s", name, diff)
				}
				in.mustSay(t, "replay", "forget", name)
			}
			if left, err := filepath.Glob(path + "*"); err != nil || len(left) != 1 {
				t.Errorf("files: %v, %v", left, err)
			}
			must(t, in.account())
			must(t, in.stop())
		})
	}
}

// deliverReplayed sends webhooks that lead to one event each.
func deliverReplayed(t *testing.T, in *installation, from, count int) {
	t.Helper()
	for n := from; n < from+count; n++ {
		w, err := newWebhook("idenfy", "id_verification_auto_finish.approved", fmt.Sprintf("scanRef=replayed-%d", n))
		if err == nil {
			err = in.deliver(w)
		}
		if err != nil {
			t.Error(err)
			return
		}
	}
}

// storyEventIDs are the ids of all events, once those of the webhooks so far are there.
func storyEventIDs(t *testing.T, in *installation) []string {
	t.Helper()
	var ids []string
	must(t, in.within("have the events", func() error {
		facts, err := in.facts("KYC_VERIFICATIONS")
		if err != nil {
			return err
		}
		if len(facts) < replayEvents {
			return fmt.Errorf("%d events of %d", len(facts), replayEvents)
		}
		ids = nil
		for _, f := range facts {
			ids = append(ids, fmt.Sprintf("%s@%d", f.ID, f.Version))
		}
		return nil
	}))
	return ids
}

// replayKilled runs a replay, kills its process in the middle, twice, and goes on.
func (in *installation) replayKilled(name, target string) error {
	args := []string{"replay", "run", name, "--to", target, "--rate", replayRate, "--to-sequence", strconv.Itoa(replayEvents)}
	sent := uint64(0)
	for range 2 {
		if err := in.killReplay(name, args, &sent); err != nil {
			return err
		}
		args = []string{"replay", "resume", name}
	}
	if s := in.command(nil, args...); s.status != 0 {
		return fmt.Errorf("resume: %d\n%s%s", s.status, s.out, s.errs)
	}
	return nil
}

// killReplay starts a command and kills it when more events are noted as sent.
func (in *installation) killReplay(name string, args []string, sent *uint64) error {
	path, err := exec.LookPath("verdict")
	if err != nil {
		return err
	}
	p, err := startProgram("replay", path, args, in.environment("operator"), filepath.Join(in.dir, "logs", fmt.Sprintf("replay-%s-%d", name, *sent)))
	if err != nil {
		return err
	}
	err = in.within("send some", func() error {
		run, err := in.replay(name)
		if err != nil {
			return err
		}
		if run.Done <= *sent || run.Done >= run.Total {
			if !p.running() {
				return fmt.Errorf("it has ended at %d of %d%s", run.Done, run.Total, p.tail())
			}
			return fmt.Errorf("%d of %d are sent", run.Done, run.Total)
		}
		*sent = run.Done
		return nil
	})
	return errors.Join(err, p.kill())
}

// replay is what the program says of a replay.
func (in *installation) replay(name string) (run runs.Run, err error) {
	s := in.command(nil, "replay", "status", name, "--json")
	if s.status != 0 {
		return run, errors.New(s.errs)
	}
	return run, json.Unmarshal([]byte(s.out), &run)
}

// takenEvents is an endpoint that notes what it takes.
type takenEvents struct {
	*httptest.Server
	mu   sync.Mutex
	list []string
}

func newTakenEvents(t *testing.T) *takenEvents {
	taken := &takenEvents{}
	taken.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := url.PathUnescape(r.Header.Get("Ce-Id"))
		if err != nil || r.Header.Get("Ce-Replay") == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		taken.mu.Lock()
		defer taken.mu.Unlock()
		taken.list = append(taken.list, id)
	}))
	t.Cleanup(taken.Close)
	return taken
}

func (t *takenEvents) ids() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.list...)
}

// withoutRepeats leaves out what has come before.
func withoutRepeats(list []string) (once []string) {
	seen := map[string]bool{}
	for _, id := range list {
		if !seen[id] {
			once = append(once, id)
		}
		seen[id] = true
	}
	return once
}

// Another terminal pauses, resumes and cancels a replay; what it made is gone then. One whose process was killed can be cancelled, too.
func TestReplayFromAnotherTerminal(t *testing.T) {
	t.Parallel()
	in := startInstallation(t, allInOne)
	must(t, in.start())
	deliverReplayed(t, in, 0, replayEvents)
	storyEventIDs(t, in)
	path := filepath.Join(in.dir, "events.ndjson")
	for name, target := range map[string]string{"file": "file:" + path, "subject": "subject"} {
		begun := make(chan said, 1)
		go func() { begun <- in.command(nil, "replay", "run", name, "--to", target, "--rate", "10") }()
		must(t, in.within("begin", func() error {
			if run, err := in.replay(name); err != nil || run.Done == 0 {
				return fmt.Errorf("nothing is sent: %w", err)
			}
			return nil
		}))
		in.mustRefuse(t, "it is running", "replay", "run", name)
		in.mustRefuse(t, "somebody else works on the run", "replay", "resume", name)
		in.mustRefuse(t, "it is running; cancel it first", "replay", "forget", name)
		in.mustSay(t, "replay", "pause", name)
		if s := <-begun; s.status != 1 || !strings.Contains(s.errs, "was paused at") || !strings.Contains(s.errs, "replay resume "+name) {
			t.Errorf("paused: %+v", s)
		}
		sent := uint64(0)
		must(t, in.killReplay(name, []string{"replay", "resume", name}, &sent))
		in.mustSay(t, "replay", "cancel", name)
		in.mustRefuse(t, "it is canceled", "replay", "resume", name)
		if list := in.mustSay(t, "replay", "list"); !strings.Contains(list, name) || !strings.Contains(list, "canceled") {
			t.Errorf("list: %s", list)
		}
		in.mustSay(t, "replay", "forget", name)
	}
	if left, err := filepath.Glob(path + "*"); err != nil || len(left) != 0 {
		t.Errorf("files: %v, %v", left, err)
	}
	if _, err := in.messages("KYC_REPLAY_SUBJECT"); err == nil {
		t.Error("the stream of what was canceled is there")
	}
	must(t, in.stop())
	in.mustRefuse(t, "is Verdict running", "replay", "list")
}

// A replay that was asked for over the API survives the death of the process that works on it.
func TestReplayOfTheAPIKilled(t *testing.T) {
	t.Parallel()
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			in := startInstallation(t, f)
			must(t, in.start())
			deliverReplayed(t, in, 0, replayEvents)
			want := storyEventIDs(t, in)
			order := fmt.Sprintf(`{"name":"late-team","target":"file:late.ndjson","rate":%s}`, replayRate)
			status, answer, err := in.change("/v1/replays", order)
			if err != nil || status != http.StatusOK {
				t.Fatalf("%d: %s, %v", status, answer, err)
			}
			until := func(what string, reached func(runs.Run) bool) {
				must(t, in.within(what, func() error {
					run, err := in.replay("late-team")
					if err == nil && !reached(run) {
						err = fmt.Errorf("it is %s at %d of %d", run.State, run.Done, run.Total)
					}
					return err
				}))
			}
			until("send some", func(run runs.Run) bool { return run.Done > 0 && run.Done < run.Total })
			must(t, in.kill())
			must(t, in.start())
			until("be done", func(run runs.Run) bool { return run.State == runs.Done })
			text, err := os.ReadFile(filepath.Join(in.data(), "replays", "late.ndjson"))
			must(t, err)
			var got []string
			for line := range strings.Lines(string(text)) {
				var e struct{ ID string }
				must(t, json.Unmarshal([]byte(line), &e))
				got = append(got, e.ID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-published +replayed):\n%s", diff)
			}
			must(t, in.stop())
		})
	}
}
