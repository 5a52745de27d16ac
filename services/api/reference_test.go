package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// A reference that is not published as it is is found by itself and by its hash, and no answer shows it.
func TestReferencesThatAreHashed(t *testing.T) {
	s := newSeeded(t)
	references := []string{"anna@example.com", "+44 20 7946 0000", "Anna Q", "änna", strings.Repeat("x", 129)}
	for i, reference := range references {
		v := about("acme", "check", string(rune('a'+i)), 1, verification.Pending)
		hash := s.keys.Pseudonym(reference)
		v.Applicant, v.ExternalReference = &hash, &hash
		s.put(false, "pending", v)
	}
	s.progress(uint64(len(references)))
	server := s.serve()
	for i, reference := range references {
		want := "acme/check/" + string(rune('a'+i))
		for _, asked := range []string{reference, s.keys.Pseudonym(reference)} {
			for _, target := range []string{
				"/v1/applicants/acme/" + url.PathEscape(asked),
				"/v1/verifications?applicant=" + url.QueryEscape(asked),
				"/v1/verifications?provider=acme&external_reference=" + url.QueryEscape(asked),
			} {
				w := s.ask(http.MethodGet, target)
				var page listed
				if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || len(page.Data) != 1 || *page.Data[0].ID != want {
					t.Errorf("%s: status %d: %s", target, w.Code, w.Body)
				}
				if strings.Contains(w.Body.String(), reference) {
					t.Errorf("%s: it shows the reference: %s", target, w.Body)
				}
			}
			for _, name := range []string{"applicant", "external_reference"} {
				got := s.follow(server, "?after=0&"+name+"="+url.QueryEscape(asked), "").upTo(uint64(len(references)))
				if len(got) != 1 || !strings.HasSuffix(got[0], " "+string(rune('a'+i))) {
					t.Errorf("stream by %s %q: %q", name, asked, got)
				}
			}
		}
	}

	s.config.Keys = nil
	for _, target := range []string{
		"/v1/applicants/acme/anna@example.com", "/v1/verifications?applicant=anna@example.com", "/v1/verifications?external_reference=Anna%20Q",
		"/v1/stream?applicant=anna@example.com",
	} {
		w := s.ask(http.MethodGet, target)
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s without keys: status %d: %s", target, w.Code, w.Body)
			continue
		}
		golden(t, "problems/no_key_for_a_reference", w.Body.Bytes())
	}
	if w := s.ask(http.MethodGet, "/v1/applicants/acme/"+s.keys.Pseudonym("anna@example.com")); w.Code != http.StatusOK {
		t.Errorf("by the hash without keys: status %d", w.Code)
	}
	if strings.Contains(s.log.String(), "anna") {
		t.Errorf("the log shows the reference: %s", &s.log)
	}
}
