package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// Applicant is all that one provider told of one person, in numbers.
type Applicant struct {
	Verifications, NotFinal, Overdue int

	Statuses []ApplicantStatus // sorted
}

// ApplicantStatus is how many verifications of one kind have one status.
type ApplicantStatus struct {
	Kind   string
	Scope  verification.Scope
	Status verification.Status
	Count  int
}

// COALESCE keeps the index of providers from being tempting: a person has few verifications.
const selectApplicant = `SELECT kind, scope, status, final, overdue FROM verification
	WHERE sandbox = $1 AND applicant = $2 AND COALESCE(provider, '') = $3`

// Applicant returns the numbers of a person. Errors: ErrNotFound where there is no verification.
func (m *ReadModel) Applicant(ctx context.Context, provider, applicant string, sandbox bool) (Applicant, error) {
	var a Applicant
	counts := map[ApplicantStatus]int{}
	err := m.db.read().each(ctx, func(scan scanner) error {
		var of ApplicantStatus
		var final, overdue bool
		if err := scan(&of.Kind, &of.Scope, &of.Status, &final, &overdue); err != nil {
			return err
		}
		counts[of]++
		a.Verifications++
		if !final {
			a.NotFinal++
		}
		if overdue {
			a.Overdue++
		}
		return nil
	}, selectApplicant, sandbox, reference(applicant), reference(provider))
	if err == nil && a.Verifications == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Applicant{}, wrap("read applicant", err)
	}
	for of, count := range counts {
		of.Count = count
		a.Statuses = append(a.Statuses, of)
	}
	slices.SortFunc(a.Statuses, func(x, y ApplicantStatus) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Status, y.Status), cmp.Compare(x.Scope, y.Scope))
	})
	return a, nil
}
