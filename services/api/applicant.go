package api

import (
	"errors"
	"net/http"

	"github.com/verdict-stream/verdict/pkg/store"
)

// applicant answers with the current state of all that a provider told of one person, in the order of the latest events.
func (a *api) applicant(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r)
	filter := store.VerificationFilter{
		Provider: r.PathValue("provider"), Applicant: q.stored(r.PathValue("applicant"), a.keys),
		Sandbox: q.sandbox(), Limit: q.limit(), After: cursor(q, parseVerificationCursor),
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
		return errNoApplicant.asOf(page.AsOf)
	}
	if err != nil {
		return err
	}
	return respond(w, r, ApplicantPage{
		Data:    convert(page.Rows, newVerification),
		Summary: newApplicantSummary(filter.Provider, filter.Applicant, numbers),
		Meta:    newPageMeta(page),
	})
}

func newApplicantSummary(provider, applicant string, numbers store.Applicant) ApplicantSummary {
	return ApplicantSummary{
		Provider: provider, Applicant: applicant,
		Verifications: numbers.Verifications, NotFinal: numbers.NotFinal, Overdue: numbers.Overdue,
		Statuses: convert(numbers.Statuses, func(s store.ApplicantStatus) ApplicantStatus { return ApplicantStatus(s) }),
	}
}
