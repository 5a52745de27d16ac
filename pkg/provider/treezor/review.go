package treezor

import (
	"slices"
	"time"

	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// The events that request a review.
const (
	eventUserRequest   = "user.kycrequest"
	eventReviewRequest = "kycreview.request"
)

// The fields of a review, and of the user that it is about.
const (
	fieldReview = "kycReview"
	fieldStatus = "kycStatus"
	fieldUserID = "userId"
	fieldUsers  = "users"
)

// reviews are the numbers of kycReview (Treezor API, user). The documents call 4 and 5
// deprecated.
var reviews = map[string]string{
	"0": saysNone,
	"1": saysPending,
	"2": saysValidated,
	"3": saysRefused,
	"4": saysInvestigating,
	"5": saysClosed,
	"6": saysReviewOpen,
	"7": saysReviewPending,
}

// waiting are the reviews that are not decided.
var waiting = []string{saysNone, saysPending, saysInvestigating, saysReviewOpen, saysReviewPending}

// statuses are the values of kycStatus (Treezor, kycreview events), with the reviews that
// each agrees with.
var statuses = map[string]struct {
	says   string
	agrees []string
}{
	"PENDING":   {saysPending, waiting},
	"VALIDATED": {saysValidated, []string{saysValidated}},
	"REFUSED":   {saysRefused, []string{saysRefused}},
}

// decodeUsers reads user.kycrequest and user.kycreview: one signal for each user.
func decodeUsers(w webhook) ([]provider.Element, error) {
	users, err := w.list(fieldUsers, fieldUserID)
	if err != nil {
		return nil, err
	}
	elements := make([]provider.Element, len(users))
	for i, user := range users {
		at := payloadTime(user, "modifiedDate", "createdDate")
		if elements[i], err = w.review(i, user, user.Text(fieldReview), "", at); err != nil {
			return nil, err
		}
		elements[i].Claims = userClaims(user)
	}
	return elements, nil
}

// decodeReview reads kycreview.request and kycreview.result.
func decodeReview(w webhook) ([]provider.Element, error) {
	if err := w.requires(fieldReview, fieldStatus); err != nil {
		return nil, err
	}
	times := []string{"lastReviewDatetime", "lastRequestDatetime"}
	if w.name == eventReviewRequest {
		times = []string{"lastRequestDatetime"}
	}
	element, err := w.review(0, w.payload, w.payload.Text(fieldReview), w.payload.Text(fieldStatus), payloadTime(w.payload, times...))
	if err != nil {
		return nil, err
	}
	return []provider.Element{element}, nil
}

// review makes the element of one user's review.
func (w *webhook) review(index int, user provider.Object, number, status string, at time.Time) (provider.Element, error) {
	id := user.Text(fieldUserID)
	switch {
	case id == "":
		return provider.Element{}, noReference(fieldUserID)
	case number == "" && status == "":
		return provider.Element{}, missing(fieldReview)
	}
	e := w.element(&kycReview, index, id, id, at)
	e.Signal.Says, e.Unknown = reviewSays(number, status)
	requested := w.name == eventUserRequest || w.name == eventReviewRequest
	if requested && slices.Contains(waiting, e.Signal.Says) {
		e.Signal.Says = request + e.Signal.Says
	}
	return e, nil
}

// reviewSays brings the number and the status of a review together. Where they disagree,
// neither is believed.
func reviewSays(number, status string) (says string, unknown []string) {
	byNumber, numberKnown := reviews[number]
	byStatus, statusKnown := statuses[status]
	if number != "" && !numberKnown {
		unknown = append(unknown, fieldReview)
	}
	if status != "" && !statusKnown {
		unknown = append(unknown, fieldStatus)
	}
	switch {
	case len(unknown) > 0:
		return verification.SaysUnknown, unknown
	case number == "":
		return byStatus.says, nil
	case status != "" && !slices.Contains(byStatus.agrees, byNumber):
		return verification.SaysUnknown, []string{fieldReview}
	default:
		return byNumber, nil
	}
}
