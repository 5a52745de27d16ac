package verification_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/verification"
)

func TestCode(t *testing.T) {
	for text, want := range map[string]string{
		"DOC_EXPIRED":           "DOC_EXPIRED",
		"IDDV_1103":             "IDDV_1103",
		"a.b:c-d_E9":            "a.b:c-d_E9",
		strings.Repeat("a", 64): strings.Repeat("a", 64),
		strings.Repeat("a", 65): "unlisted",
		"":                      "unlisted",
		"a b":                   "unlisted",
		"a\n":                   "unlisted",
		"\na":                   "unlisted",
		"é":                     "unlisted",
		"a*":                    "unlisted",
		">":                     "unlisted",
		"a/b":                   "unlisted",
		"jane@example.com":      "unlisted",
		"+33123456789":          "unlisted",
	} {
		if got := verification.Code(text); got != want {
			t.Errorf("code of %q is %q, want %q", text, got, want)
		}
	}
}

func TestReceived(t *testing.T) {
	const limit = 5 * time.Minute
	for _, c := range []struct {
		name  string
		at    time.Time
		want  time.Time
		ahead bool
	}{
		{"without a time", time.Time{}, noon, false},
		{"before", noon.Add(-time.Hour), noon.Add(-time.Hour), false},
		{"a little ahead", noon.Add(limit), noon.Add(limit), false},
		{"too far ahead", noon.Add(limit + 1), noon.Add(limit), true},
		{"years ahead", noon.AddDate(5000, 0, 0), noon.Add(limit), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			decoded := append(make([]string, 0, 8), "x", "a")
			s := verification.Signal{At: c.at, Anomalies: decoded}
			s.Received(7, noon, "d7")
			if !s.At.Equal(c.want) || s.Seq != 7 || !s.ReceivedAt.Equal(noon) || s.Delivery != "d7" {
				t.Errorf("received as %+v, want the time %s", s, c.want)
			}
			want := []string{"x", "a"}
			if c.ahead {
				want = []string{"a", verification.AnomalyClockAhead, "x"}
			}
			if !slices.Equal(s.Anomalies, want) {
				t.Errorf("anomalies are %v, want %v", s.Anomalies, want)
			}
			if !slices.Equal(decoded, []string{"x", "a"}) {
				t.Errorf("the list of the decoder was changed: %v", decoded)
			}
		})
	}
}

// The id of a made signal follows from what it says, so that it happens once.
func TestMadeSignals(t *testing.T) {
	due := noon.In(time.FixedZone("", 3600))
	overdue := verification.NewOverdue(due, noon.Add(time.Hour), true)
	again := verification.NewOverdue(noon, noon.Add(2*time.Hour), true)
	if overdue.ID != again.ID || overdue.ID == verification.NewOverdue(noon.Add(1), noon, true).ID {
		t.Errorf("ids of deadlines are %s and %s", overdue.ID, again.ID)
	}
	if !overdue.Sandbox || overdue.Says != verification.Overdue || !overdue.Due.Equal(noon) {
		t.Errorf("deadline is %+v", overdue)
	}
	gone := verification.NewAnonymized(9, noon, false)
	if gone.ID != verification.NewAnonymized(9, noon.Add(1), false).ID || gone.ID == verification.NewAnonymized(10, noon, false).ID {
		t.Errorf("id of an erasure is %s", gone.ID)
	}
	if gone.Sandbox || gone.Says != verification.Anonymized || gone.Through != 9 {
		t.Errorf("erasure is %+v", gone)
	}
}

// Nothing that a decoder says is taken for what the lifecycle makes itself: under a row of
// such a name the signal does what the row says.
func TestDecodedSignalsAreNotMade(t *testing.T) {
	for _, says := range []string{verification.Overdue, verification.Anonymized} {
		t.Run(says, func(t *testing.T) {
			kind := *sample
			kind.Table = append(slices.Clone(kind.Table), verification.Row{Says: says, Status: verification.Rejected, Phase: verification.PhaseDecision})
			due := noon.Add(time.Hour)
			claimed := verification.Signal{ID: "claimed", Says: says, At: noon.Add(time.Minute), Due: &due, Through: 99, Disowned: true}
			claimed.Received(2, noon.Add(time.Hour), "delivery-2")
			if claimed.Due != nil || claimed.Through != 0 || claimed.Disowned {
				t.Errorf("received as %+v", claimed)
			}
			// Even where they got in otherwise, these fields count for made signals alone.
			claimed.Due, claimed.Through = &due, 99
			var record verification.Record
			var change *verification.Change
			for _, s := range append(told("started"), claimed) {
				var err error
				if change, err = kind.Apply(&record, s); err != nil {
					t.Fatal(err)
				}
			}
			if s := record.State; s.Status != verification.Rejected || s.Overdue || s.AnonymizedThrough != 0 || s.DataAnonymized {
				t.Errorf("state is %+v", s)
			}
			if change.Event != string(verification.Rejected) || change.Cause.Seq != 2 {
				t.Errorf("published as %s, caused by %+v", change.Event, change.Cause)
			}
		})
	}
}

func TestStatuses(t *testing.T) {
	final := []verification.Status{
		verification.Approved, verification.Rejected, verification.Suspected, verification.Inconclusive,
		verification.Canceled, verification.Expired, verification.Abandoned,
	}
	for _, s := range append(slices.Clone(verification.Statuses), "", "unknown") {
		if s.Final() != slices.Contains(final, s) {
			t.Errorf("%q is final: %t", s, s.Final())
		}
	}
	want := []string{
		"pending", "processing", "awaiting_review", "approved", "rejected", "suspected", "inconclusive",
		"canceled", "expired", "abandoned", "noted", "overdue", "anonymized",
	}
	if diff := cmp.Diff(want, verification.EventStatuses()); diff != "" {
		t.Errorf("event statuses differ (-want +got):\n%s", diff)
	}
}
