package verification_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// told is a set of signals in the order of time: `says`, `says@minute` or `says=applicant`
// each. Without a minute each is a minute later than the one before.
func told(texts ...string) []verification.Signal {
	set := make([]verification.Signal, len(texts))
	for i, text := range texts {
		text, applicant, _ := strings.Cut(text, "=")
		says, at, hasTime := strings.Cut(text, "@")
		minutes := time.Duration(i) * time.Minute
		if hasTime {
			minutes, _ = time.ParseDuration(at + "m")
		}
		set[i] = verification.Signal{ID: fmt.Sprintf("s%d", i), Says: says, At: noon.Add(minutes), Applicant: applicant}
		set[i].Received(uint64(i+1), noon.Add(24*time.Hour), fmt.Sprintf("d%d", i))
	}
	return set
}

// shown is a state as `status attempt/by <superseded =decision !anomalies`.
func shown(s verification.State) string {
	text := fmt.Sprintf("%s %d", s.Status, s.Attempt)
	if s.By != "" {
		text += "/" + string(s.By)
	}
	if s.Supersedes != nil {
		text += " <" + string(s.Supersedes.Status) + " of " + s.Supersedes.Signal
	}
	if s.Decision != nil {
		text += fmt.Sprintf(" =%s in %d", s.Decision.Status, s.Decision.Attempt)
	}
	for _, name := range s.Anomalies {
		text += " !" + name
	}
	return text
}

func TestFold(t *testing.T) {
	for _, c := range []struct {
		name string
		set  []verification.Signal
		want string
	}{
		{"nothing known", told("noted"), "processing 1"},
		{"only an unknown value", told("unknown_value"), "processing 1 !unknown_value"},
		{"an unknown value leaves the status", told("no", "unknown_value"), "rejected 1/automation =rejected in 1 !unknown_value"},
		{"a row of a later table leaves the status", told("review", "telepathy"), "awaiting_review 1 !unknown_value"},
		{"open follows open", told("review", "checking"), "processing 1"},
		{"open does not replace an ending", told("canceled", "checking"), "canceled 1"},
		{"open does not replace a decision", told("yes", "review"), "approved 1/automation =approved in 1"},
		{"an ending ends", told("started", "canceled"), "canceled 1"},
		{"an ending replaces another", told("left", "canceled"), "canceled 1 <abandoned of s0"},
		{"an ending repeated replaces nothing", told("canceled", "canceled"), "canceled 1"},
		{"an ending does not replace a decision", told("no", "canceled"), "rejected 1/automation =rejected in 1"},
		{"a decision replaces an ending", told("canceled", "yes"), "approved 1/automation <canceled of s0 =approved in 1"},
		{"a different decision", told("no", "yes"), "approved 1/automation <rejected of s0 =approved in 1 !decision_changed"},
		{"a human repeats a decision", told("yes", "human_yes"), "approved 1/human =approved in 1"},
		{"back and forth", told("no", "yes", "no"), "rejected 1/automation <approved of s1 =rejected in 1 !decision_changed"},
		{"a repeated decision keeps what it had replaced", told("no", "yes", "human_yes"), "approved 1/human <rejected of s0 =approved in 1 !decision_changed"},
		{"a decision revoked", told("yes", "revoked"), "canceled 1 <approved of s0"},
		{"nothing revoked", told("started", "revoked"), "canceled 1"},
		{"an ending revoked", told("canceled", "revoked"), "canceled 1"},
		{"an abandoned one revoked", told("checking", "left", "revoked"), "canceled 1 <abandoned of s1"},
		{"revoked for good", told("revoked", "yes", "canceled", "checking"), "canceled 1"},
		{"a new attempt", told("left", "started"), "pending 2"},
		{"only after what opens one", told("canceled", "started"), "canceled 1"},
		{"not in the same second", told("left@0", "started@0.01"), "abandoned 1"},
		{"a later fraction is a new attempt in the next second", told("left@0", "started@0.02"), "pending 2"},
		{"the third attempt", told("left", "started", "left", "started", "yes"), "approved 3/automation =approved in 3"},
		{"an attempt supersedes nothing", told("canceled", "left", "started"), "pending 2"},
		{"only arrival tells", told("no@0", "yes@0"), "approved 1/automation <rejected of s0 =approved in 1 !decision_changed !order_unknown"},
		{"arrival does not matter for the same", told("yes@0", "yes@0"), "approved 1/automation =approved in 1"},
		{"only arrival tells between endings", told("left@0", "canceled@0"), "canceled 1 <abandoned of s0 !order_unknown"},
		{"the phase orders one second", told("yes@0", "review@0.001", "started@0.002"), "approved 1/automation =approved in 1"},
		{"of two persons the first to arrive counts", told("review=one", "yes=other"), "awaiting_review 1 !applicant_mismatch"},
		{"the first to arrive, not to happen", told("yes@5=one", "no@1=other"), "approved 1/automation =approved in 1 !applicant_mismatch"},
		{"without a person counts", told("review=one", "yes"), "approved 1/automation =approved in 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := shown(sample.Fold(c.set)); got != c.want {
				t.Errorf("comes to\n  %s, want\n  %s", got, c.want)
			}
			slices.Reverse(c.set)
			if got := shown(sample.Fold(c.set)); got != c.want {
				t.Errorf("in reverse comes to\n  %s, want\n  %s", got, c.want)
			}
		})
	}
}

// A provider that numbers its attempts opens one with a later key only, and a missing time is
// later than every other.
func TestFoldByAttemptKey(t *testing.T) {
	kind := &verification.Kind{
		Order: []verification.OrderField{verification.ByAttempt, verification.ByPhase},
		Table: []verification.Row{
			{Says: "auto_no", Status: verification.Rejected, Phase: verification.PhaseDecision, OpensAfter: []verification.Status{verification.Rejected}},
			{Says: "auto_yes", Status: verification.Approved, Phase: verification.PhaseDecision, OpensAfter: []verification.Status{verification.Rejected}},
			{Says: "human_yes", Status: verification.Approved, Phase: verification.PhaseHumanDecision},
			{Says: "appeal", Status: verification.Approved, Phase: verification.PhaseHumanDecision, OpensAfter: []verification.Status{verification.Rejected}},
		},
	}
	key := func(says string, times ...int64) verification.Signal {
		s := verification.Signal{Says: says, Attempt: &verification.AttemptKey{}}
		if len(times) > 0 {
			s.Attempt.Start = &times[0]
		}
		if len(times) > 1 {
			s.Attempt.Finish = &times[1]
		}
		return s
	}
	for _, c := range []struct {
		name string
		set  []verification.Signal
		want string
	}{
		{"later start", []verification.Signal{key("auto_no", 1, 9), key("auto_yes", 2, 3)}, "approved 2 =approved in 2"},
		{"later finish", []verification.Signal{key("auto_no", 1, 2), key("auto_yes", 1, 3)}, "approved 2 =approved in 2"},
		{"earlier key", []verification.Signal{key("auto_no", 2, 3), key("auto_yes", 1, 9)}, "rejected 1 <approved of s1 =rejected in 1 !decision_changed"},
		{"the same key", []verification.Signal{key("auto_no", 1, 2), key("auto_yes", 1, 2)}, "approved 1 <rejected of s0 =approved in 1 !decision_changed !order_unknown"},
		{"a human of the same key", []verification.Signal{key("auto_no", 1, 2), key("human_yes", 1, 2)}, "approved 1 <rejected of s0 =approved in 1 !decision_changed"},
		{"a later phase of the same key opens nothing", []verification.Signal{key("auto_no", 1, 2), key("appeal", 1, 2)}, "approved 1 <rejected of s0 =approved in 1 !decision_changed"},
		{"a later key does", []verification.Signal{key("auto_no", 1, 2), key("appeal", 1, 3)}, "approved 2 =approved in 2"},
		{"a human of a later key opens nothing", []verification.Signal{key("auto_no", 1, 2), key("human_yes", 3, 4)}, "approved 1 <rejected of s0 =approved in 1 !decision_changed"},
		{"a missing finish is later", []verification.Signal{key("auto_no", 1, 2), key("auto_yes", 1)}, "approved 2 =approved in 2"},
		{"a missing start is later", []verification.Signal{key("auto_no"), key("auto_yes", 9, 9)}, "rejected 1 <approved of s1 =rejected in 1 !decision_changed"},
		{"no key at all is a missing one", []verification.Signal{{Says: "auto_no"}, key("auto_yes")}, "approved 1 <rejected of s0 =approved in 1 !decision_changed !order_unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := range c.set {
				c.set[i].ID = fmt.Sprintf("s%d", i)
				c.set[i].Received(uint64(i+1), noon, "d")
			}
			if got := shown(kind.Fold(c.set)); got != c.want {
				t.Errorf("comes to\n  %s, want\n  %s", got, c.want)
			}
		})
	}
}

// An open attempt keeps the decision of the one before, until it has its own.
func TestDecisionIsKept(t *testing.T) {
	kind := *sample
	kind.Table = slices.Clone(sample.Table)
	kind.Table[2].OpensAfter = []verification.Status{verification.Approved, verification.Rejected}
	want := &verification.Decision{Status: verification.Approved, Attempt: 1, By: verification.ByHuman, At: noon}
	if diff := cmp.Diff(want, kind.Fold(told("human_yes", "review", "canceled")).Decision); diff != "" {
		t.Errorf("decision differs (-want +got):\n%s", diff)
	}
	want = &verification.Decision{Status: verification.Rejected, Attempt: 2, By: verification.ByAutomation, At: noon.Add(2 * time.Minute)}
	if diff := cmp.Diff(want, kind.Fold(told("human_yes", "review", "no")).Decision); diff != "" {
		t.Errorf("decision differs (-want +got):\n%s", diff)
	}
}

// What a signal brings beside its row is taken over only where the row is.
func TestFoldTakesOver(t *testing.T) {
	set := told("no", "review")
	set[0].Reasons = []verification.Reason{{Code: "c1", Category: verification.CategoryFace, Source: "s"}}
	set[0].Applicant, set[0].ExternalReference, set[0].PreviousReference = "a", "x0", "p0"
	set[0].Anomalies = []string{verification.AnomalyEventMismatch}
	set[1].Reasons = []verification.Reason{{Code: "c2"}}
	set[1].Preliminary, set[1].ExternalReference = verification.Approved, "x1"
	set[1].Anomalies = []string{verification.AnomalyClockAhead, verification.AnomalyEventMismatch}
	got := sample.Fold(set)
	want := verification.State{
		Status: verification.Rejected, By: verification.ByAutomation, Attempt: 1, Reasons: set[0].Reasons,
		Decision:  &verification.Decision{Status: verification.Rejected, Attempt: 1, By: verification.ByAutomation, At: noon},
		Anomalies: []string{verification.AnomalyClockAhead, verification.AnomalyEventMismatch},
		Applicant: "a", ExternalReference: "x1", PreviousReference: "p0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("state differs (-want +got):\n%s", diff)
	}
	set[1].At = noon.Add(-time.Minute)
	if got := sample.Fold(set[1:]); got.Preliminary != verification.Approved || got.Reasons[0].Code != "c2" {
		t.Errorf("a review alone comes to %+v", got)
	}
}

// A disowned signal is as if it were not there.
func TestDisownedSignalHasNoEffect(t *testing.T) {
	set := told("review=one", "yes=one")
	without := sample.Fold(set[:1])
	set[1].Disowned, set[1].Anonymized, set[1].Anomalies = true, true, []string{verification.AnomalyClockAhead}
	if diff := cmp.Diff(without, sample.Fold(set), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("state differs (-without +with):\n%s", diff)
	}
	set = told("yes=other", "review=one")
	set[0].Disowned = true
	if got := shown(sample.Fold(set)); got != "awaiting_review 1" {
		t.Errorf("a disowned signal chose the person: %s", got)
	}
}

// Fold is handed sets that are shared: it must leave them as they are.
func TestFoldLeavesTheSet(t *testing.T) {
	set := told("yes@5=one", "started@3=other", "unknown_value@1")
	set[0].Anomalies = append(make([]string, 0, 8), "z", "a")
	before := slices.Clone(set)
	before[0].Anomalies = slices.Clone(set[0].Anomalies)
	sample.Fold(set)
	if diff := cmp.Diff(before, set); diff != "" {
		t.Errorf("set differs (-before +after):\n%s", diff)
	}
}
