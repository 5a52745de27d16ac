package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// The summary is of all verifications of the person, on every page; the pages hold each of them once.
func TestApplicantPages(t *testing.T) {
	s := newSeeded(t)
	put := func(provider, reference string, sandbox bool, status verification.Status, applicant string) {
		t.Helper()
		v := about(provider, "check", reference, 1, status)
		v.Applicant = new(verification.Pseudonymous(applicant, s.keys.Pseudonym))
		s.put(sandbox, string(status), v)
	}
	const person = "user/1 ä"
	for i := range 5 {
		put("acme", fmt.Sprint(i), false, verification.Statuses[i], person)
	}
	put("acme", "sandbox", true, verification.Pending, person)
	put("other", "elsewhere", false, verification.Pending, person)
	put("acme", "another", false, verification.Pending, "user")

	path := "/v1/applicants/acme/" + url.PathEscape(person)
	var got []string
	for target := path + "?limit=2"; target != ""; {
		page := s.list(target)
		for _, row := range page.Data {
			got = append(got, *row.ID)
		}
		var answer struct{ Summary ApplicantSummary }
		if err := json.Unmarshal(s.ask(http.MethodGet, target).Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		want := ApplicantSummary{Provider: "acme", Applicant: s.keys.Pseudonym(person), Verifications: 5, NotFinal: 3}
		for _, status := range []verification.Status{
			verification.Approved, verification.AwaitingReview, verification.Pending, verification.Processing, verification.Rejected,
		} {
			want.Statuses = append(want.Statuses, ApplicantStatus{"check", verification.Case, status, 1})
		}
		if diff := cmp.Diff(want, answer.Summary); diff != "" {
			t.Errorf("%s (-want +got):\n%s", target, diff)
		}
		target = ""
		if page.Meta.NextCursor != nil {
			target = path + "?limit=2&cursor=" + *page.Meta.NextCursor
		}
	}
	if diff := cmp.Diff([]string{"acme/check/0", "acme/check/1", "acme/check/2", "acme/check/3", "acme/check/4"}, got); diff != "" {
		t.Errorf("all pages (-want +got):\n%s", diff)
	}
	if got := s.list(path + "?sandbox=true").Data; len(got) != 1 || *got[0].ID != "acme/check/sandbox" {
		t.Errorf("of the sandbox: %v", got)
	}
}

// A reference to a person is whatever the provider says.
func TestApplicantReferences(t *testing.T) {
	s := newSeeded(t)
	for i, applicant := range []string{"a", "a/b", "..", ".", "a b", "ä", "100%", "a+b", "?x", "#", "sha256:0", strings.Repeat("x", 1000)} {
		v := about("acme", "check", fmt.Sprint(i), 1, verification.Pending)
		v.Applicant = new(verification.Pseudonymous(applicant, s.keys.Pseudonym))
		s.put(false, "pending", v)
		path := url.PathEscape(applicant)
		if strings.Trim(applicant, ".") == "" {
			path = strings.ReplaceAll(applicant, ".", "%2E") // These are no segments of a path but directions in it.
		}
		if got := s.list("/v1/applicants/acme/" + path).Data; len(got) != 1 || *got[0].ID != fmt.Sprintf("acme/check/%d", i) {
			t.Errorf("%.20q: %v", applicant, got)
		}
	}
}
