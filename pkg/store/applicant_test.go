package store

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/verification"
)

func testApplicant(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	long := strings.Repeat("x", maxReference+1)
	of := func(reference string, sequence uint64, applicant string, change func(*EventRow)) EventRow {
		e := testEventRow(reference, 1, sequence, sequence)
		e.Data.Applicant = &applicant
		if change != nil {
			change(&e)
		}
		return e
	}
	put(t, m,
		of("a", 1, "p", nil),
		of("b", 2, "p", func(e *EventRow) { e.Data.Overdue = true }),
		of("c", 3, "p", func(e *EventRow) { e.Data.Status, e.Data.Final = verification.Approved, true }),
		of("d", 4, "p", func(e *EventRow) { e.Data.Kind, e.Data.Scope = "check", verification.Step }),
		of("e", 5, "p", func(e *EventRow) { e.Data.Provider = "treezor" }),
		of("f", 6, "p", func(e *EventRow) { e.Sandbox = true }),
		of("g", 7, long, nil),
	)
	kind := testEventRow("a", 1, 1, 1).Data.Kind
	for _, test := range []struct {
		provider, applicant string
		sandbox             bool
		want                Applicant
	}{
		{testProvider, "p", false, Applicant{4, 3, 1, []ApplicantStatus{
			{"check", verification.Step, verification.Pending, 1},
			{kind, verification.Case, verification.Approved, 1},
			{kind, verification.Case, verification.Pending, 2},
		}}},
		{testProvider, "p", true, Applicant{1, 1, 0, []ApplicantStatus{{kind, verification.Case, verification.Pending, 1}}}},
		{"treezor", "p", false, Applicant{1, 1, 0, []ApplicantStatus{{kind, verification.Case, verification.Pending, 1}}}},
		{testProvider, long, false, Applicant{1, 1, 0, []ApplicantStatus{{kind, verification.Case, verification.Pending, 1}}}},
	} {
		got, err := m.Applicant(t.Context(), test.provider, test.applicant, test.sandbox)
		must(t, err)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s %.9s sandbox %t (-want +got):\n%s", test.provider, test.applicant, test.sandbox, diff)
		}
	}
	for _, applicant := range []string{"nobody", "", "nul \x00", "not UTF-8 \xff"} {
		notFound(t, func() error { _, err := m.Applicant(t.Context(), testProvider, applicant, false); return err })
	}
}
