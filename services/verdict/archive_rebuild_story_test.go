package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/runs"
)

// shown is all that the API shows of verifications and deliveries.
func (in *installation) shown(t *testing.T) map[string]any {
	t.Helper()
	shown := map[string]any{}
	for _, d := range in.deliveries(t) {
		shown[fmt.Sprint("delivery ", d["stream"], " ", d["sequence"])] = d
	}
	for _, sandbox := range []string{"?sandbox=false", "?sandbox=true"} {
		rows, err := pages[fact](in, "/v1/verifications"+sandbox+"&limit=500")
		must(t, err)
		for _, r := range rows {
			for _, part := range []string{"", "/events", "/claims"} {
				path := "/v1/verifications/" + r.ID + part + sandbox
				_, body, err := in.get("http://" + in.settings["VERDICT_API_ADDR"] + path)
				must(t, err)
				var answer struct{ Data any }
				must(t, json.Unmarshal(body, &answer))
				shown[path] = answer.Data
			}
		}
	}
	return shown
}

// mustShow checks that the API shows what it has shown before, whatever else there is.
func (in *installation) mustShow(t *testing.T, want map[string]any) {
	t.Helper()
	got := in.shown(t)
	for name, before := range want {
		if diff := cmp.Diff(before, got[name]); diff != "" {
			t.Errorf("%s (-before +now):\n%s", name, diff)
		}
	}
}

// amidDelivery is the position of an event whose delivery has caused the one before it too.
func (in *installation) amidDelivery(t *testing.T) string {
	t.Helper()
	messages, err := in.messages("KYC_VERIFICATIONS")
	must(t, err)
	cause := ""
	for _, m := range messages {
		if id := first(m.Header["ce-causationid"]); id != cause {
			cause = id
			continue
		}
		return strconv.FormatUint(m.Sequence, 10)
	}
	t.Fatal("no delivery has caused two events in a row")
	return ""
}

// mustRebuild makes the read model anew, with more arguments, and wants it in use.
func (in *installation) mustRebuild(t *testing.T, more ...string) {
	t.Helper()
	if said := in.mustSay(t, append([]string{"rebuild", "readmodel"}, more...)...); !strings.Contains(said, "is in use") {
		t.Errorf("rebuild says %s", said)
	}
}

// mustArchive moves events to files, once everybody has read them.
func (in *installation) mustArchive(t *testing.T, before string) {
	t.Helper()
	must(t, in.within("archive", func() error {
		if s := in.command(nil, "archive", "run", "--before", before, "--young"); s.status != 0 {
			return fmt.Errorf("%s%s", s.out, s.errs)
		}
		return nil
	}))
}

// A read model that is made anew from streams that were trimmed shows what the one before has shown, however fast it is made: events, states,
// claims, and the ends of deliveries of whose events some are archived and others are not. No archive trims what a rebuild reads.
func TestRebuildAfterArchive(t *testing.T) {
	eachForm(t, func(t *testing.T, in *installation) {
		want := undisturbed(t)
		must(t, in.start())
		must(t, in.deliverAll(everything(t)))
		must(t, in.account())
		before := in.shown(t)
		in.mustArchive(t, in.amidDelivery(t))
		in.mustBeWell(t)
		in.mustRebuild(t)
		in.mustShow(t, before)
		in.mustBeIn(t, want)
		in.mustBeWell(t)

		in.mustSay(t, "rebuild", "readmodel", "--rate", "8", "--detach")
		in.awaitRebuild(t, runs.Running, func(r runs.Run) bool { return r.Done > 0 })
		in.mustRefuse(t, "rebuild readmodel is running", "archive", "run", "--before", "0s", "--young")
		must(t, in.program(in.projectorRole()).kill())
		must(t, in.start())
		in.mustRefuse(t, "rebuild readmodel is running", "archive", "run", "--before", "0s", "--young")
		in.mustSay(t, "rebuild", "cancel")
		in.awaitRebuild(t, runs.Canceled)
		in.mustArchive(t, "0s")
		in.mustBeWell(t)

		in.mustSay(t, "rebuild", "readmodel", "--rate", "200", "--detach")
		traffic := startTraffic(in, loadSize)
		in.awaitRebuild(t, runs.Done)
		must(t, traffic.wait())
		must(t, allApprovedOf(in, loadSize))
		in.mustBeWell(t)
		in.mustShow(t, before)

		before = in.shown(t)
		must(t, in.kill())
		must(t, in.start())
		in.mustArchive(t, "0s")
		in.mustRebuild(t)
		in.mustSay(t, "rebuild", "drop-old")
		in.mustBeWell(t)
		must(t, in.stop())
		must(t, in.start())
		in.mustShow(t, before)
		must(t, in.stop())
	})
}
