package kycaid

import (
	"embed"
	"math/rand/v2"
	"time"

	"github.com/verdict-stream/verdict/pkg/madeup"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// scenarios are the ways of a form's verification (KYCAID, verification completed). A
// decision can be revised by a manager; which one stands, only their arrival tells.
var scenarios = []provider.Scenario{
	play("completed", verification.Approved, opened, processing, approved),
	play("declined", verification.Rejected, opened, processing, declined),
	play("undecided-then-approved", verification.Approved, undecided, approved),
	play("undecided-then-declined", verification.Rejected, processing, undecided, ended, declined),
	play("screened", verification.Approved, processing, screened, approved),
	play("without-verification-id", verification.Approved, withoutID),
	play("unlisted-events-unhandled", verification.Processing, processing, unlisted),
	revised("approved-then-revised", verification.Rejected, processing, approved, declined),
	revised("declined-then-revised", verification.Approved, processing, declined, approved),
}

//go:embed samples/*.json
var samples embed.FS

// step is one callback of a story.
type step struct {
	event    string
	template *madeup.Template
	values   func(*run) madeup.Values
}

// The callbacks that stories are made of.
var (
	opened     = step{eventStatusChanged, body("verification_status_changed.unused"), (*run).links}
	processing = step{eventStatusChanged, body("verification_status_changed.pending"), (*run).links}
	ended      = step{eventStatusChanged, body("verification_status_changed.completed"), (*run).links}
	undecided  = step{eventCompleted, body("verification_completed.undecided"), (*run).result}
	approved   = step{eventCompleted, body("verification_completed.approved"), (*run).approval}
	declined   = step{eventCompleted, body("verification_completed.declined"), (*run).refusal}
	withoutID  = step{eventCompleted, body("verification_completed.without_verification"), (*run).unnamed}
	screened   = step{eventScreening, body("database_screening"), (*run).screening}
	unlisted   = step{eventUnlisted, body("database_screening"), (*run).news}
)

func body(name string) *madeup.Template { return madeup.MustTemplate(samples, "samples/"+name+".json") }

// eventUnlisted is a callback that KYCAID's documents do not name, or not yet.
const eventUnlisted = "VERIFICATION_ARCHIVED"

// play makes a scenario of the callbacks about one verification.
func play(name string, want verification.Status, steps ...step) provider.Scenario {
	return provider.Scenario{Name: name, Make: func(r *rand.Rand, now time.Time) provider.Story {
		f := newRun(r, now)
		story := provider.Story{}
		expected := provider.Expectation{Kind: formVerification.Name, Reference: f.verification, Status: want, Attempt: 1}
		for _, s := range steps {
			story.Deliveries = append(story.Deliveries, provider.Posted{Event: s.event, Body: s.template.Fill(s.values(f))})
			if s.template == withoutID.template {
				expected.Reference = "applicant:" + f.applicant
			}
			if s.event != eventScreening && s.event != eventUnlisted {
				expected.Signals++
			}
		}
		story.Want = []provider.Expectation{expected}
		return story
	}}
}

// revised makes a scenario of two different decisions.
func revised(name string, want verification.Status, steps ...step) provider.Scenario {
	plain := play(name, want, steps...)
	return provider.Scenario{Name: name, Make: func(r *rand.Rand, now time.Time) provider.Story {
		story := plain.Make(r, now)
		story.Ordered = true
		story.Want[0].Anomalies = []string{verification.AnomalyDecisionChanged, verification.AnomalyOrderUnknown}
		return story
	}}
}

// retries are those of a sister product, as KYCAID's own are not published (Travel Rule
// documentation, webhooks).
var retries = provider.Retries{
	Timeout: 10 * time.Second, LaterTimeout: 10 * time.Second,
	After: []time.Duration{
		time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	},
}
