package api

import (
	"errors"
	"net/http"

	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// applicantSummary is all verifications of one person in numbers, whatever page is asked for.
type applicantSummary struct {
	Provider      string            `json:"provider"`
	Applicant     string            `json:"applicant"`
	Verifications int               `json:"verifications"`
	NotFinal      int               `json:"not_final"`
	Overdue       int               `json:"overdue"`
	Statuses      []applicantStatus `json:"statuses"`
}

// applicantStatus is how many verifications of one kind have one status.
type applicantStatus struct {
	Kind   string              `json:"kind"`
	Scope  verification.Scope  `json:"scope"`
	Status verification.Status `json:"status"`
	Count  int                 `json:"count"`
}

// applicant answers with the current state of all that a provider told of one person, in the order of the latest events.
func (a *api) applicant(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r)
	filter := store.VerificationFilter{
		Provider: r.PathValue("provider"), Applicant: r.PathValue("applicant"),
		Sandbox: q.sandbox(), Limit: q.limit(), After: cursor(q, parseSequence),
	}
	if err := q.done(); err != nil {
		return err
	}
	page, err := a.model.Verifications(r.Context(), filter)
	if err != nil {
		return err
	}
	// Read last, so that it counts at least what the page shows.
	numbers, err := a.model.Applicant(r.Context(), filter.Provider, filter.Applicant, filter.Sandbox)
	if errors.Is(err, store.ErrNotFound) {
		return errNoApplicant
	}
	if err != nil {
		return err
	}
	return respond(w, r, answer{
		Data:    convert(page.Rows, newCurrent),
		Summary: newApplicantSummary(filter.Provider, filter.Applicant, numbers),
		Meta:    pageMeta{NextCursor: orNull(sequenceCursor(page.Next)), AsOfSequence: &page.AsOf},
	})
}

func newApplicantSummary(provider, applicant string, numbers store.Applicant) applicantSummary {
	return applicantSummary{
		Provider: provider, Applicant: applicant,
		Verifications: numbers.Verifications, NotFinal: numbers.NotFinal, Overdue: numbers.Overdue,
		Statuses: convert(numbers.Statuses, func(s store.ApplicantStatus) applicantStatus { return applicantStatus(s) }),
	}
}
