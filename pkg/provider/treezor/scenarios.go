package treezor

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/verdict-stream/verdict/pkg/madeup"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// scenarios are the ways of what Treezor tells of a user: the steps on the way, and the
// review that decides (Treezor, KYC; live verification; qualified eSignature).
var scenarios = slices.Concat(
	[]provider.Scenario{
		{Name: "liveness-accepted", Make: livenessStory(livenessAccepted, verification.Approved)},
		{Name: "liveness-refused", Make: livenessStory(livenessRefused, verification.Rejected)},
	},
	identificationScenarios("qes-", &qes, "qes", "check_pending"),
	identificationScenarios("video-", &videoConference, "videoConference", "review_pending"),
	[]provider.Scenario{
		{Name: "review-old-validated", Make: oldReview("2", verification.Approved, verification.ByHuman)},
		{Name: "review-old-refused", Make: oldReview("3", verification.Rejected, verification.ByHuman)},
		{Name: "review-old-closed", Make: oldReview("5", verification.Canceled, "")},
		{Name: "review-new-validated", Make: newReview(validated)},
		{Name: "review-new-refused", Make: newReview(denied)},
		{Name: "review-new-repeated", Make: newReview(denied, validated)},
		{Name: "documents-decided", Make: documentsDecided},
		{Name: "document-canceled", Make: documentCanceled},
		{Name: "document-validated-then-canceled", Make: documentRevoked},
		{Name: "unsigned-review-held", Make: unsignedReview},
		{Name: "other-families-ignored", Make: otherFamilies},
		{Name: "unlisted-events-unhandled", Make: unlistedEvents},
	},
)

// livenessStory is a live verification, first under way and then processed.
func livenessStory(end *madeup.Template, want verification.Status) func(*rand.Rand, time.Time) provider.Story {
	return func(r *rand.Rand, now time.Time) provider.Story {
		u, id := newUser(r, now), madeup.UUID(r)
		return provider.Story{
			Deliveries: []provider.Posted{
				{Event: "kycliveness.create", Body: u.live(livenessCreated, id)},
				{Event: "kycliveness.update", Body: u.live(end, id)},
			},
			Want: []provider.Expectation{{Kind: liveness.Name, Reference: id, Status: want, Attempt: 1, Signals: 2}},
		}
	}
}

// oldReview is a review that the events of the user tell of; what else they tell is not of
// a verification.
func oldReview(number string, want verification.Status, by verification.By) func(*rand.Rand, time.Time) provider.Story {
	return func(r *rand.Rand, now time.Time) provider.Story {
		u := newUser(r, now)
		story := provider.Story{
			Deliveries: []provider.Posted{
				{Event: "user.create", Body: u.user("user.create", "0")},
				{Event: "user.update", Body: u.user("user.update", "0")},
				{Event: "user.kycrequest", Body: u.user("user.kycrequest", "1")},
				{Event: "user.kycreview", Body: u.user("user.kycreview", number)},
			},
			Want: []provider.Expectation{{Kind: kycReview.Name, Reference: u.id, Status: want, By: by, Attempt: 1, Signals: 2}},
		}
		if want == verification.Canceled {
			story.Deliveries = append(story.Deliveries, provider.Posted{Event: "user.cancel", Body: u.user("user.cancel", number)})
		}
		return story
	}
}

// decision is the result of a review.
type decision struct {
	number int
	status string
	want   verification.Status
}

var (
	validated = decision{2, "VALIDATED", verification.Approved}
	denied    = decision{3, "REFUSED", verification.Rejected}
)

// newReview is one review or several after each other, each requested anew.
func newReview(decisions ...decision) func(*rand.Rand, time.Time) provider.Story {
	return func(r *rand.Rand, now time.Time) provider.Story {
		u := newUser(r, now)
		var deliveries []provider.Posted
		for _, d := range decisions {
			deliveries = append(deliveries,
				provider.Posted{Event: eventReviewRequest, Body: u.reviewRequest()},
				provider.Posted{Event: "kycreview.result", Body: u.reviewResult(d)})
		}
		last := decisions[len(decisions)-1]
		return provider.Story{Deliveries: deliveries, Want: []provider.Expectation{{
			Kind: kycReview.Name, Reference: u.id, Status: last.want, By: verification.ByHuman,
			Attempt: len(decisions), Signals: len(deliveries),
		}}}
	}
}

// documentsDecided are two documents that are uploaded one by one and decided together.
func documentsDecided(r *rand.Rand, now time.Time) provider.Story {
	u := newUser(r, now)
	first, second := u.newDocument(), u.newDocument()
	return provider.Story{
		Deliveries: []provider.Posted{
			{Event: "document.create", Body: u.document(documentCreated, first)},
			{Event: "document.create", Body: u.document(documentCreated, second)},
			{Event: "document.update", Body: u.document(documentsUpdated, first, second)},
		},
		Want: []provider.Expectation{
			{Kind: document.Name, Reference: first, Status: verification.Approved, Attempt: 1, Signals: 2},
			{Kind: document.Name, Reference: second, Status: verification.Rejected, Attempt: 1, Signals: 2},
		},
	}
}

// documentCanceled is a document that is deleted before anybody looks at it.
func documentCanceled(r *rand.Rand, now time.Time) provider.Story {
	u := newUser(r, now)
	id := u.newDocument()
	return provider.Story{
		Deliveries: []provider.Posted{
			{Event: "document.create", Body: u.document(documentCreated, id)},
			{Event: "document.cancel", Body: u.document(documentDeleted, id)},
		},
		Want: []provider.Expectation{{Kind: document.Name, Reference: id, Status: verification.Canceled, Attempt: 1, Signals: 2}},
	}
}

// documentRevoked are two documents of which one is deleted after it was validated.
func documentRevoked(r *rand.Rand, now time.Time) provider.Story {
	u := newUser(r, now)
	first, second := u.newDocument(), u.newDocument()
	return provider.Story{
		Deliveries: []provider.Posted{
			{Event: "document.update", Body: u.document(documentsUpdated, first, second)},
			{Event: "document.cancel", Body: u.document(documentDeleted, first)},
		},
		Want: []provider.Expectation{
			{Kind: document.Name, Reference: first, Status: verification.Canceled, Attempt: 1, Signals: 2},
			{Kind: document.Name, Reference: second, Status: verification.Rejected, Attempt: 1, Signals: 1},
		},
	}
}

// unsignedReview is a review whose result comes without a signature, as in the examples of the
// documents: anybody could have sent it, so it is held and decides nothing.
func unsignedReview(r *rand.Rand, now time.Time) provider.Story {
	u := newUser(r, now)
	return provider.Story{
		Deliveries: []provider.Posted{
			{Event: eventReviewRequest, Body: u.reviewRequest()},
			{Event: "kycreview.result", Body: u.reviewResult(validated), Family: provider.FamilyUnsigned},
		},
		Want: []provider.Expectation{{Kind: kycReview.Name, Reference: u.id, Status: verification.AwaitingReview, Attempt: 1, Signals: 1}},
	}
}

// otherFamilies are events of payments around a document: a subscription without a list of
// events gets them all (Treezor, webhooks).
func otherFamilies(r *rand.Rand, now time.Time) provider.Story {
	u := newUser(r, now)
	id := u.newDocument()
	return provider.Story{
		Deliveries: []provider.Posted{
			u.foreign("payin.create"),
			{Event: "document.create", Body: u.document(documentCreated, id)},
			u.foreign("card.update"),
		},
		Want: []provider.Expectation{{Kind: document.Name, Reference: id, Status: verification.Processing, Attempt: 1, Signals: 1}},
	}
}

// unlistedEvents are events of the families of verifications that the documents do not name.
func unlistedEvents(r *rand.Rand, now time.Time) provider.Story {
	u := newUser(r, now)
	id := u.newDocument()
	return provider.Story{
		Deliveries: []provider.Posted{
			u.unlisted("document.archive"),
			{Event: "document.create", Body: u.document(documentCreated, id)},
			u.unlisted("user.freeze"),
		},
		Want: []provider.Expectation{{Kind: document.Name, Reference: id, Status: verification.Processing, Attempt: 1, Signals: 1}},
	}
}

// retries are one each minute, after a status of 5xx alone (Treezor, webhooks). How long
// Treezor waits is not published.
var retries = provider.Retries{
	Timeout: 10 * time.Second, LaterTimeout: 10 * time.Second,
	After:            slices.Repeat([]time.Duration{time.Minute}, 30),
	OnlyServerErrors: true,
}
