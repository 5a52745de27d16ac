package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/replay"
)

// A team that comes late is sent what it has missed, and then follows the stream from where that ends, while webhooks go on and whoever works
// for it is killed on the way: the file has every event up to there once, the first one that is followed is the next, and all of them together
// are those of the stream, each version once for whoever skips what he has seen.
func TestLateTeamBackfillsAndTails(t *testing.T) {
	t.Parallel()
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			in := startInstallation(t, f)
			must(t, in.start())
			deliverReplayed(t, in, 0, replayEvents)
			storyEventIDs(t, in)
			traffic := startTraffic(in, loadSize)
			traffic.awaitProgress(1)

			path := filepath.Join(in.dir, "missed.ndjson")
			sent := uint64(0)
			must(t, in.killReplay("late-team", []string{"replay", "run", "late-team", "--to", "file:" + path, "--rate", replayRate}, &sent))
			said := in.mustSay(t, "replay", "resume", "late-team")
			run, err := in.replay("late-team")
			must(t, err)
			spec, err := replay.SpecOf(run)
			must(t, err)
			if !strings.Contains(said, fmt.Sprintf("begins after %d of KYC_VERIFICATIONS", spec.Through)) {
				t.Errorf("replay resume says %s", said)
			}

			printed := filepath.Join(in.dir, "printed")
			tail := startTail(t, in, printed, spec.Through)
			must(t, in.within("print some", func() error { return printedMore(printed, 10) }))
			must(t, tail.kill())
			tail = startTail(t, in, printed, spec.Through)
			must(t, traffic.wait())
			deliverReplayed(t, in, replayEvents, replayEvents/3)
			must(t, in.account())
			events, err := in.facts("KYC_VERIFICATIONS")
			must(t, err)
			if int(spec.Through) < replayEvents || int(spec.Through) >= len(events) {
				t.Fatalf("the replay ends at %d of %d: nothing is left to follow", spec.Through, len(events))
			}
			missed, followed := events[:spec.Through], events[spec.Through:]
			must(t, in.within("print all", func() error { return printedAll(printed, followed, 1) }))
			must(t, tail.stop())

			backfill, err := told(path)
			must(t, err)
			if len(backfill) != len(missed) {
				t.Fatalf("%d events are in the file, want %d", len(backfill), len(missed))
			}
			for i, e := range backfill {
				if e != (toldEvent{missed[i].ID, missed[i].Version, "late-team"}) {
					t.Errorf("line %d is %+v, want that of %+v", i+1, e, missed[i])
				}
			}
			live, err := told(printed)
			must(t, err)
			must(t, sumsUpTo(append(backfill, live...), events))
			must(t, in.stop())
		})
	}
}

// toldEvent is what a team learns of one event.
type toldEvent struct {
	verification string
	version      int
	replay       string
}

// told reads the events of a file. A line that a crash has cut short is left out: it is followed by itself as a whole.
func told(path string) (list []toldEvent, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		var e struct {
			ID, Replay string
			Data       struct {
				ID      string
				Version int
			}
		}
		if json.Unmarshal([]byte(line), &e) != nil {
			continue
		}
		if want := e.Data.ID + "@" + strconv.Itoa(e.Data.Version); e.ID != want {
			return nil, fmt.Errorf("event %s is of %s", e.ID, want)
		}
		list = append(list, toldEvent{e.Data.ID, e.Data.Version, e.Replay})
	}
	return list, nil
}

// sumsUpTo checks that whoever keeps the highest version of each verification, and skips what is not higher, has each event once and in order.
func sumsUpTo(list []toldEvent, events []fact) error {
	seen := map[string]int{}
	taken := 0
	for _, e := range list {
		switch before := seen[e.verification]; {
		case e.version <= before:
		case e.version == before+1:
			seen[e.verification] = e.version
			taken++
		default:
			return fmt.Errorf("version %d of %s follows version %d", e.version, e.verification, before)
		}
	}
	if taken != len(events) {
		return fmt.Errorf("%d of %d events were taken", taken, len(events))
	}
	return nil
}
