//go:build failpoint

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/failpoint"
)

// nobodySigned is a webhook of a sample that nobody signed.
func nobodySigned(t *testing.T, sample string, edits ...string) webhook {
	t.Helper()
	w, err := newWebhook("treezor", sample, edits...)
	must(t, err)
	w.body, err = edited(w.body, []string{"object_payload_signature-"})
	must(t, err)
	return w
}

// heldRows lists what is held.
func (in *installation) heldRows() ([]heldRow, error) {
	s := in.command(nil, "held", "list", "--limit", "0", "--json")
	var list struct {
		Data []heldRow `json:"data"`
	}
	if s.status != 0 {
		return nil, errors.New(s.errs)
	}
	return list.Data, json.Unmarshal([]byte(s.out), &list)
}

// outcomes are the outcomes and causes of the deliveries of a stream, by their sequence.
func (in *installation) outcomes(stream string) (map[uint64]string, error) {
	rows, err := pages[deliveryRow](in, "/v1/deliveries?limit=500")
	found := map[uint64]string{}
	for _, r := range rows {
		if r.Stream == stream && r.Outcome != nil {
			found[r.Sequence] = *r.Outcome
			if r.Cause != nil {
				found[r.Sequence] += " " + *r.Cause
			}
		}
	}
	return found, err
}

// What is held is shown, released, or discarded, by somebody who is killed between any two steps and begins again.
func TestHeldDeliveries(t *testing.T) {
	t.Parallel()
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			in := startInstallation(t, f)
			must(t, in.start())
			handshake := webhook{provider: "treezor", body: []byte(`{"Type":"SubscriptionConfirmation","Token":"2f","SubscribeURL":"http://` + in.settings["VERDICT_HTTP_ADDR"] + `/"}`)}
			must(t, in.deliverAll([]webhook{
				nobodySigned(t, "kycreview_result.validated"), nobodySigned(t, "kycreview_request"), handshake, nobodySigned(t, "kycreview_result.refused"),
			}))
			must(t, in.account())
			rows, err := in.heldRows()
			if err != nil || len(rows) != 4 || rows[0].Provider != "treezor" || rows[0].Event != "kycreview_result" {
				t.Fatalf("%d are held: %+v, %v", len(rows), rows, err)
			}
			if text := in.mustSay(t, "held", "show", "3", "--reveal"); !strings.Contains(text, "handshake of an endpoint") || !strings.Contains(text, "SubscribeURL") {
				t.Errorf("held show says\n%s", text)
			}
			if text := in.mustSay(t, "held", "show", rows[0].Delivery); strings.Contains(text, "object_payload") || !strings.Contains(text, "held release 1") {
				t.Errorf("held show says\n%s", text)
			}
			in.mustRefuse(t, "can only be discarded", "held", "release", "3")
			in.mustRefuse(t, "can only be discarded", "held", "release", "1", "3")
			in.mustRefuse(t, "nothing is held", "held", "release", "9")
			in.mustRefuse(t, "name what is meant", "held", "release")
			in.mustRefuse(t, "say why", "held", "discard", "3")
			in.mustRefuse(t, "nothing that is held", "held", "release", "--provider", "idenfy", "--yes")
			if s := in.command([]string{"VERDICT_MASTER_KEY="}, "held", "release", "3"); s.status != 1 || !strings.Contains(s.errs, "no keys") {
				t.Errorf("without keys: %+v", s)
			}
			in.mustRefuse(t, "--rate must be", "held", "release", "--all", "--rate", "0")
			in.mustRefuse(t, "none of them can be released", "held", "release", "--event", "other", "--yes")
			if text := in.mustSay(t, "held", "release", "--event", "kycreview_request"); !strings.Contains(text, "Would release 1 of 1") {
				t.Errorf("held release says\n%s", text)
			}
			if text := in.mustSay(t, "held", "release", "--all"); !strings.Contains(text, "Would release 3 of 4") ||
				!strings.Contains(text, "1 cannot be released: this is the handshake") || !strings.Contains(text, "treezor kycreview_result: 2") {
				t.Errorf("held release says\n%s", text)
			}

			for _, name := range []failpoint.Name{failpoint.HeldPublished, failpoint.HeldTold} {
				if s := in.command([]string{failpoint.Variable + "=" + string(name)}, "held", "release", "1"); s.status == 0 {
					t.Fatalf("not killed at %s", name)
				}
				if rows, err := in.heldRows(); err != nil || len(rows) != 4 {
					t.Errorf("killed at %s: %d are held, %v", name, len(rows), err)
				}
			}
			if text := in.mustSay(t, "held", "release", "1", "01", rows[0].Delivery); !strings.Contains(text, "1 released") {
				t.Errorf("held release says\n%s", text)
			}
			in.mustSay(t, "held", "release", "--event", "kycreview_request", "--yes")
			in.mustSay(t, "held", "discard", "3", "--reason", "nobody asked for it")
			if rows, err := in.heldRows(); err != nil || len(rows) != 1 {
				t.Errorf("%d are held, %v", len(rows), err)
			}
			must(t, in.within("fold what was released", func() error {
				got, err := in.outcomes("KYC_HELD")
				if diff := cmp.Diff(map[uint64]string{1: "repeat released", 2: "repeat released", 3: "dead discarded", 4: "held"}, got); err == nil && diff != "" {
					err = errors.New(diff)
				}
				if err != nil {
					return err
				}
				got, err = in.outcomes("KYC_WEBHOOKS")
				if diff := cmp.Diff(map[uint64]string{1: "applied", 2: "applied"}, got); err == nil && diff != "" {
					err = errors.New(diff)
				}
				return err
			}))
			must(t, in.account())
			if events, err := in.facts("KYC_VERIFICATIONS"); err != nil || len(events) != 2 {
				t.Errorf("%d events: %+v, %v", len(events), events, err)
			}
			in.mustBeWell(t)
			in.mustRebuildAlike(t)
			must(t, in.stop())
		})
	}
}

// What was asked for over the API by a filter goes on where it was when everything is killed, and at its pace; what cannot be released stays.
func TestHeldReleaseOfTheAPIKilled(t *testing.T) {
	t.Parallel()
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			in := startInstallation(t, f)
			must(t, in.start())
			const webhooks = 12
			list := []webhook{{provider: "treezor", body: []byte(`{"Type":"SubscriptionConfirmation","Token":"2f","SubscribeURL":"http://nowhere.invalid/"}`)}}
			for n := range webhooks {
				list = append(list, nobodySigned(t, "kycreview_result.validated", fmt.Sprintf("object_id=%d", 9000+n), fmt.Sprintf("object_payload.userId=%d", 9000+n)))
			}
			must(t, in.deliverAll(list))
			status, answer, err := in.change("/v1/held/release", `{"provider":"treezor","rate":4,"dry_run":false}`)
			if err != nil || status != http.StatusOK || !bytes.Contains(answer, []byte(`"releasable":12,`)) {
				t.Fatalf("%d: %s, %v", status, answer, err)
			}
			must(t, in.within("release some", func() error {
				rows, err := in.heldRows()
				if err == nil && (len(rows) > webhooks || len(rows) == 1) {
					err = fmt.Errorf("%d are held", len(rows))
				}
				return err
			}))
			must(t, in.kill())
			must(t, in.start())
			must(t, in.within("release the rest", func() error {
				runs, err := in.api("/v1/held/runs")
				if err == nil && !bytes.Contains(runs, []byte(`"state":"done"`)) {
					err = fmt.Errorf("%s", runs)
				}
				return err
			}))
			if rows, err := in.heldRows(); err != nil || len(rows) != 1 || rows[0].Event != "other" {
				t.Errorf("%+v are held, %v", rows, err)
			}
			must(t, in.within("fold what was released", func() error {
				events, err := in.facts("KYC_VERIFICATIONS")
				if err == nil && len(events) != webhooks {
					err = fmt.Errorf("%d events", len(events))
				}
				return err
			}))
			must(t, in.account())
			in.mustBeWell(t)
			audited, err := in.messages("KYC_AUDIT")
			if err != nil || len(audited) != 1 || !bytes.Contains(audited[0].Data, []byte(`"filter":"provider=treezor"`)) {
				t.Errorf("%d are audited, %v", len(audited), err)
			}
			must(t, in.stop())
		})
	}
}

// The process that redrives is killed between any two steps. Everything comes to the same as if nothing had happened.
func TestCrashWhileRedriving(t *testing.T) {
	t.Parallel()
	for _, name := range []failpoint.Name{failpoint.RedriveHandled, failpoint.RedriveClosed, failpoint.RedriveReplaced} {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			want := undisturbed(t)
			in, poisoned := poison(t, split, "idenfy")
			in.awaitLetters(t, poisoned)
			armed := []string{fmt.Sprintf("%s=%s:3", failpoint.Variable, name)}
			if name == failpoint.RedriveReplaced {
				armed = append(armed, poisonVariable+"=idenfy")
			}
			in.restartFolder(t, armed...)
			cmd := in.prepared(nil, "dead", "redrive", "--all", "--yes")
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = &said, &said
			must(t, cmd.Start())
			p := in.program(in.folder())
			<-p.ended
			if !p.killed() {
				t.Fatalf("it ended with %v%s", p.cmd.ProcessState, in.tails())
			}
			in.restartFolder(t)
			// What was given up again before the crash is told; it has a letter of its own then.
			if err := cmd.Wait(); err != nil && name != failpoint.RedriveReplaced {
				t.Errorf("%v\n%s", err, said.Bytes())
			}
			if name == failpoint.RedriveReplaced {
				in.mustSay(t, "dead", "redrive", "--all", "--yes")
			}
			in.awaitLetters(t, 0)
			must(t, in.account())
			in.mustBeIn(t, want)
			must(t, in.stop())
		})
	}
}

// Who discards is killed between telling and taking out. The same command goes on, and nothing differs.
func TestCrashWhileDiscarding(t *testing.T) {
	t.Parallel()
	in, poisoned := poison(t, allInOne, "idenfy")
	in.awaitLetters(t, poisoned)
	must(t, in.account())
	before := in.deliveries(t)
	discard := []string{"dead", "discard", "--all", "--reason", "a test", "--yes"}
	if s := in.command([]string{fmt.Sprintf("%s=%s:3", failpoint.Variable, failpoint.DeadTold)}, discard...); s.status == 0 {
		t.Fatal("not killed")
	}
	in.mustSay(t, discard...)
	in.awaitLetters(t, 0)
	must(t, in.account())
	if diff := cmp.Diff(before, in.deliveries(t)); diff != "" {
		t.Errorf("deliveries (-before +after):\n%s", diff)
	}
	in.mustRebuildAlike(t)
	must(t, in.stop())
}
