package idenfy

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/verdict-stream/verdict/pkg/madeup"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// scenarios are the ways of a verification (iDenfy, webhook events and timing). A session is
// decided by the automation, or by a human after a preliminary result; a denied one may be
// tried once more.
var scenarios = []provider.Scenario{
	play("auto-approved", auto(autoApproved), automation(verification.Approved, 1)),
	play("auto-denied", auto(autoDenied), automation(verification.Rejected, 1)),
	play("auto-suspected", auto(autoSuspected), automation(verification.Suspected, 1)),
	play("manual-approved", reviewed(manualApproved), human(verification.Approved, 1)),
	play("manual-denied", reviewed(manualDenied), human(verification.Rejected, 1)),
	play("manual-suspected", reviewed(manualSuspected), human(verification.Suspected, 1)),
	play("re-attempt-approved", tries(auto(autoDenied), auto(autoApproved)), automation(verification.Approved, 2)),
	play("re-attempt-denied", tries(auto(autoDenied), auto(autoDenied)), automation(verification.Rejected, 2)),
	play("re-attempt-reviewed", tries(auto(autoDenied), reviewed(manualApproved)), human(verification.Approved, 2)),
	play("expired", neverStarted, outcome{status: verification.Expired, attempt: 1}),
	play("expired-then-decided", expiredThenDecided, human(verification.Approved, 1)),
	play("canceled", givenUp, outcome{status: verification.Canceled, attempt: 1}),
	play("other-callbacks-unhandled", besideMonitoring, automation(verification.Approved, 1)),
	play("legacy-reviewed", reviewedBefore2022, human(verification.Approved, 1)),
}

// outcome is what a scenario comes to.
type outcome struct {
	status  verification.Status
	by      verification.By
	attempt int
}

func automation(s verification.Status, attempt int) outcome {
	return outcome{s, verification.ByAutomation, attempt}
}

func human(s verification.Status, attempt int) outcome {
	return outcome{s, verification.ByHuman, attempt}
}

// course is what happens in a session: the callbacks, in their order.
type course func(*session) []provider.Posted

// play makes a scenario of a course.
func play(name string, course course, want outcome) provider.Scenario {
	return provider.Scenario{Name: name, Make: func(r *rand.Rand, now time.Time) provider.Story {
		s := newSession(r, now)
		deliveries := course(s)
		signals := 0
		for _, d := range deliveries {
			if d.Event != monitoring {
				signals++
			}
		}
		return provider.Story{
			Deliveries: deliveries,
			Want: []provider.Expectation{{
				Kind: idVerification.Name, Reference: s.scanRef, Status: want.status, By: want.by, Attempt: want.attempt, Signals: signals,
			}},
		}
	}}
}

// auto is a result of the automation that is final.
func auto(body *madeup.Template) course {
	return func(s *session) []provider.Posted {
		s.capture()
		return []provider.Posted{{Event: autoFinish, Body: s.result(body)}}
	}
}

// reviewed is a preliminary result, and that of the human who then looks at it.
func reviewed(body *madeup.Template) course {
	return func(s *session) []provider.Posted {
		s.capture()
		return []provider.Posted{
			{Event: autoFinish, Body: s.result(preliminaryBody)},
			{Event: manualFinish, Body: s.result(body)},
		}
	}
}

// tries are several courses in one session.
func tries(courses ...course) course {
	return func(s *session) []provider.Posted {
		var all []provider.Posted
		for _, c := range courses {
			all = append(all, c(s)...)
		}
		return all
	}
}

// neverStarted is a session that ran out before anybody opened it: it has no times.
func neverStarted(s *session) []provider.Posted {
	return []provider.Posted{{Event: expired, Body: s.fill(expiredBody, s.links())}}
}

// givenUp is a session that was canceled after it was opened.
func givenUp(s *session) []provider.Posted {
	s.capture()
	return []provider.Posted{{Event: canceled, Body: s.fill(canceledBody, s.links(), madeup.Values{"startTime": s.start.Unix()})}}
}

// expiredThenDecided is a session that ran out after photos were taken: a human decides on
// them later.
func expiredThenDecided(s *session) []provider.Posted {
	s.capture()
	return []provider.Posted{
		{Event: expired, Body: s.fill(expiredBody, s.links(), s.times())},
		{Event: manualFinish, Body: s.result(manualApproved)},
	}
}

// monitoring is the callback of another subscription that was given the URL of this one.
const monitoring = "AML MONITORING"

const monitoringBody = `{"monitoringId":%q,"name":%q,"surname":%q,"nationality":%q,"dob":%q,"isActive":true,"expiration":%d,"scanRefList":[%q],` +
	`"alertStatus":"ALERT","pepsStatus":"NO_FLAGS","sanctionsStatus":"NO_FLAGS","adverseMediaStatus":"FLAGS_FOUND","results":[]}`

// besideMonitoring is a result and, of the same person, a hit of the monitoring, which is no
// result of a verification.
func besideMonitoring(s *session) []provider.Posted {
	decided := auto(autoApproved)(s)
	p := &s.person
	return append(decided, provider.Posted{Event: monitoring, Body: fmt.Appendf(nil, monitoringBody, madeup.UUID(s.r), p.Given, p.Family,
		p.Home.Country, p.Birth.Format(time.DateOnly), s.finish.AddDate(1, 0, 0).Unix(), s.scanRef)})
}

// reviewedBefore2022 is a review in the form of 2021, in one subscription for all.
func reviewedBefore2022(s *session) []provider.Posted {
	s.capture()
	return []provider.Posted{
		{Event: legacy, Body: s.fill(legacyReviewing, s.links(), s.times(), s.files(), s.identity())},
		{Event: legacy, Body: s.fill(legacyApproved, s.links(), s.times(), s.files(), s.identity())},
	}
}

// retries are those of an older document: three, half a second apart; the present one only
// says that there are some (iDenfy, webhooks overview: 10 s for an answer).
var retries = provider.Retries{
	Timeout: 10 * time.Second, LaterTimeout: 10 * time.Second,
	After: []time.Duration{500 * time.Millisecond, 500 * time.Millisecond, 500 * time.Millisecond},
}
