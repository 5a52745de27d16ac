package yousign

import (
	"embed"
	"math/rand/v2"
	"time"

	"github.com/verdict-stream/verdict/pkg/madeup"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// scenarios are the ways of a document (Yousign, identity document verification). One webhook
// tells that it is done; before, it may wait for the end user. A new try is a new document.
var scenarios = []provider.Scenario{
	play("verified", verification.Approved, step{flat, "verified", nil}),
	play("failed", verification.Rejected, step{flat, "failed", []string{"IDDV_1706", "IDDV_1707"}}),
	play("inconclusive", verification.Inconclusive, step{flat, "inconclusive", []string{"1103"}}),
	play("pending", verification.Pending, step{flat, "pending", nil}),
	play("awaiting-data-then-verified", verification.Approved, step{flat, "pending", nil}, step{flat, "awaiting_data", nil}, step{flat, "verified", nil}),
	play("pending-then-failed", verification.Rejected, step{flat, "pending", nil}, step{flat, "failed", []string{"1104"}}),
	play("nested-envelope", verification.Approved, step{nested, "verified", nil}),
	play("older-spelling", verification.Approved, step{flat, "pending", nil}, step{flat, "approved", nil}),
	play("verified-then-anonymized", verification.Approved, step{extracted, "verified", nil}, step{anonymized, "verified", nil}),
	{Name: "sandbox", Make: tested},
	{Name: "inconclusive-then-retried", Make: retried},
	{Name: "signature-events-ignored", Make: around("signature_request.done", provider.FamilyForeign)},
	{Name: "unlisted-events-unhandled", Make: around("verification.identity_selfie.done", provider.FamilyVerification)},
}

//go:embed samples/*.json
var samples embed.FS

// form is a body that stories are made of, and where its parts are.
type form struct {
	template *madeup.Template
	envelope string // before the names of the envelope's fields
	asNumber bool   // whether event_time is a number
	linked   bool   // whether the document names the applicant and the document before
}

// The forms. That of a failed document has every field that a webhook can have.
var (
	flat       = form{template: body("failed"), linked: true}
	nested     = form{template: body("metadata"), envelope: "metadata.", asNumber: true, linked: true}
	extracted  = form{template: body("extracted"), linked: true}
	anonymized = form{template: body("anonymized")}
)

func body(variant string) *madeup.Template {
	return madeup.MustTemplate(samples, "samples/verification_identity_document_done."+variant+".json")
}

// step is one webhook of a story.
type step struct {
	form
	status string
	codes  []string
}

// play makes a scenario of the webhooks about one document.
func play(name string, want verification.Status, steps ...step) provider.Scenario {
	return provider.Scenario{Name: name, Make: func(r *rand.Rand, now time.Time) provider.Story {
		return newDocument(r, now).story(want, steps...)
	}}
}

// tested is a document of the provider's test environment.
func tested(r *rand.Rand, now time.Time) provider.Story {
	d := newDocument(r, now)
	d.sandbox = true
	return d.story(verification.Approved, step{flat, "pending", nil}, step{flat, "verified", nil})
}

// retried is a document that could not be read, and the next one, which names it.
func retried(r *rand.Rand, now time.Time) provider.Story {
	first, second := newDocument(r, now), newDocument(r, now)
	second.previous, second.applicant = &first.id, first.applicant
	story := first.story(verification.Inconclusive, step{flat, "inconclusive", []string{"1103"}})
	next := second.story(verification.Approved, step{flat, "verified", nil})
	return provider.Story{Deliveries: append(story.Deliveries, next.Deliveries...), Want: append(story.Want, next.Want...)}
}

// around is a document that another event comes before, which tells nothing of it.
func around(event string, family provider.Family) func(*rand.Rand, time.Time) provider.Story {
	return func(r *rand.Rand, now time.Time) provider.Story {
		d := newDocument(r, now)
		other := d.other(event, family)
		story := d.story(verification.Approved, step{flat, "verified", nil})
		story.Deliveries = append([]provider.Posted{other}, story.Deliveries...)
		return story
	}
}

// retries are those of a subscription with auto_retry (Yousign, failure and retry policy).
var retries = provider.Retries{
	Timeout: time.Second, LaterTimeout: 10 * time.Second,
	After: []time.Duration{
		2 * time.Minute, 6 * time.Minute, 30 * time.Minute, time.Hour, 5 * time.Hour, 18 * time.Hour, 24 * time.Hour, 48 * time.Hour,
	},
}
