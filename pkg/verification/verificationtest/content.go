package verificationtest

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// origin is the moment around which all generated signals happen.
var origin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// contents draws what a stream of deliveries may hold for one verification: some signals,
// each in one copy or several, which may differ in what is not signed: the time, the name.
func contents(t *rapid.T, k *verification.Kind) []verification.Signal {
	bases := distinct(t, k)
	n := rapid.IntRange(len(bases), 2*len(bases)).Draw(t, "deliveries")
	content := make([]verification.Signal, n)
	for i := range content {
		s := bases[i%len(bases)]
		if i >= len(bases) {
			s = bases[rapid.IntRange(0, len(bases)-1).Draw(t, "copy of")]
			s.At = moment(t)
			s.Rank = rapid.IntRange(0, 2).Draw(t, "rank")
		}
		// The better name of a copy may say something else, as the canceled URL does.
		if s.Rank > 0 {
			s.Says = k.Table[(s.Rank+len(s.ID))%len(k.Table)].Says
		}
		content[i] = s
	}
	return arrive(rapid.Permutation(content).Draw(t, "content"))
}

// distinct draws signals that are no copies of each other.
func distinct(t *rapid.T, k *verification.Kind) []verification.Signal {
	says := []string{verification.SaysNothing, verification.SaysUnknown}
	for _, row := range k.Table {
		says = append(says, row.Says)
	}
	n := rapid.IntRange(1, 6).Draw(t, "signals")
	signals := make([]verification.Signal, n)
	for i := range signals {
		signals[i] = verification.Signal{
			ID: fmt.Sprintf("s%d", i), Says: rapid.SampledFrom(says).Draw(t, "says"),
			At: moment(t), Attempt: attempt(t), Decoder: rapid.IntRange(1, 2).Draw(t, "decoder"),
			Applicant:  rapid.SampledFrom([]string{"", "one", "one", "other"}).Draw(t, "applicant"),
			Anonymized: rapid.IntRange(0, 9).Draw(t, "anonymized") == 0,
		}
		if rapid.Bool().Draw(t, "with reason") {
			signals[i].Reasons = []verification.Reason{{Code: signals[i].ID, Category: verification.CategoryOther, Source: "test"}}
		}
	}
	return signals
}

// arrive gives the signals their positions in the stream and completes them.
func arrive(signals []verification.Signal) []verification.Signal {
	content := slices.Clone(signals)
	for i := range content {
		content[i].Received(uint64(i+1), origin.Add(time.Hour), fmt.Sprintf("delivery-%d", i+1))
	}
	return content
}

// orderedByProvider keeps the signals of which the provider's own order is certain.
func orderedByProvider(k *verification.Kind, signals []verification.Signal) []verification.Signal {
	var kept []verification.Signal
	for _, s := range signals {
		tied := slices.ContainsFunc(kept, func(o verification.Signal) bool {
			a, b := s, o
			a.Seq, b.Seq, a.ID, b.ID = 0, 0, "", ""
			return k.Compare(&a, &b) == 0
		})
		if !tied {
			kept = append(kept, s)
		}
	}
	return kept
}

// onePerson gives all signals the same applicant, so that each has its effect.
func onePerson(signals []verification.Signal) []verification.Signal {
	for i := range signals {
		signals[i].Applicant = "one"
	}
	return signals
}

// sortedPrefix returns the first n signals in the order of the fold.
func sortedPrefix(k *verification.Kind, signals []verification.Signal, n int) []verification.Signal {
	sorted := slices.Clone(signals)
	slices.SortFunc(sorted, func(a, b verification.Signal) int { return k.Compare(&a, &b) })
	return sorted[:n]
}

func moment(t *rapid.T) time.Time {
	return origin.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "tenths of a second")) * 100 * time.Millisecond)
}

func attempt(t *rapid.T) *verification.AttemptKey {
	at := func(name string) *int64 {
		if n := rapid.Int64Range(0, 4).Draw(t, name); n > 0 {
			return &n
		}
		return nil
	}
	return &verification.AttemptKey{Start: at("start"), Finish: at("finish")}
}
