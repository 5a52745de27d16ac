package api

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// with sends a request with the token and other headers.
func (s *seeded) with(target string, header http.Header) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, target, nil)
	maps.Copy(r.Header, header)
	r.Header.Set("Authorization", "Bearer "+token)
	return s.send(r)
}

// An ETag stays as long as what was asked for does, however far the tables come.
func TestNotModified(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	const (
		one   = "/v1/verifications/idenfy/id_verification/s1"
		list  = "/v1/verifications?provider=idenfy"
		first = "/v1/verifications?provider=idenfy&limit=1"
		other = "/v1/verifications/kycaid/form_verification/applicant%3Aabc"
	)
	tags := map[string]string{}
	for _, target := range []string{one, one + "/events", list, first, other, "/v1/applicants/idenfy/client-1", "/v1/deliveries"} {
		tags[target] = s.with(target, nil).Header().Get("Etag")
	}
	if claims := s.with(one+"/claims", nil).Header(); claims.Get("Etag") != "" || claims.Get("Cache-Control") != "no-store" {
		t.Errorf("claims may be kept: %v", claims)
	}
	fresh := func(target, ifNoneMatch string) bool {
		t.Helper()
		w := s.with(target, http.Header{"If-None-Match": {ifNoneMatch}})
		switch {
		case w.Code == http.StatusOK:
			return false
		case w.Code != http.StatusNotModified || w.Body.Len() > 0 || w.Header().Get("Etag") != tags[target] || w.Header().Get("Content-Type") != "":
			t.Errorf("%s: status %d, %v: %s", target, w.Code, w.Header(), w.Body)
		}
		return true
	}
	s.progress(9)
	for target, tag := range tags {
		for value, want := range map[string]bool{
			tag: true, strings.TrimPrefix(tag, "W/"): true, `"x", ` + tag: true, "*": true, `"x"`: false, "": false, tag + "x": false,
		} {
			if got := fresh(target, value); got != want {
				t.Errorf("%s with %s is fresh: %t", target, value, got)
			}
		}
	}
	if got := s.with(one, http.Header{"If-None-Match": {tags[one]}}).Header().Get(asOfHeader); got != "9" {
		t.Errorf("as of %q", got)
	}
	s.put(false, "noted", about("idenfy", "id_verification", "s1", 3, verification.Approved))
	for target, want := range map[string]bool{one: false, one + "/events": false, list: false, other: true, "/v1/deliveries": false} {
		if got := fresh(target, tags[target]); got != want {
			t.Errorf("%s is fresh after an event: %t", target, got)
		}
	}
	// The only row of a page is the same, and another page follows now.
	tags[first] = s.with(first, nil).Header().Get("Etag")
	s.put(false, "pending", about("idenfy", "id_verification", "s2", 1, verification.Pending))
	if fresh(first, tags[first]) {
		t.Error("a page is fresh although another one follows now")
	}
}

// The numbers are the same as long as nothing but the clock goes on.
func TestStatsNotModified(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	progress := func(pending uint64, at time.Time) {
		t.Helper()
		err := s.model.PutProgress(t.Context(), store.Progress{Stream: "KYC_VERIFICATIONS", Identity: "stream-a", Sequence: 6, Pending: pending, At: at})
		if err != nil {
			t.Fatal(err)
		}
	}
	tag := s.with("/v1/stats", nil).Header().Get("Etag")
	before := s.with("/v1/stats", nil).Body.String()
	progress(2, start.Add(2*time.Hour))
	if after := s.with("/v1/stats", nil).Body.String(); after == before {
		t.Errorf("the time of the progress is not in %s", after)
	}
	if w := s.with("/v1/stats", http.Header{"If-None-Match": {tag}}); w.Code != http.StatusNotModified {
		t.Errorf("only the clock went on: status %d, %s", w.Code, w.Header().Get("Etag"))
	}
	progress(3, start.Add(3*time.Hour))
	if w := s.with("/v1/stats", http.Header{"If-None-Match": {tag}}); w.Code != http.StatusOK {
		t.Errorf("more waits: status %d", w.Code)
	}
	newer := Stats{OldestNotFinal: []OpenSince{{Provider: "a", Since: start, AgeSeconds: 9}}}
	older := Stats{OldestNotFinal: []OpenSince{{Provider: "a", Since: start, AgeSeconds: 1}}}
	if diff := cmp.Diff(newer.timeless(), older.timeless()); diff != "" || newer.OldestNotFinal[0].AgeSeconds != 9 {
		t.Errorf("the age counts, or is lost (-newer +older):\n%s", diff)
	}
}

// Whoever is told that there is no such thing is told as of when.
func TestAsOfWhatIsMissing(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	for target, want := range map[string]string{
		"/v1/verifications/idenfy/id_verification/nobody":         "6",
		"/v1/verifications/idenfy/id_verification/nobody/events":  "6",
		"/v1/verifications/idenfy/id_verification/nobody/claims":  "6",
		"/v1/verifications/idenfy%2F/id_verification/s1":          "6",
		"/v1/applicants/idenfy/nobody":                            "6",
		"/v1/applicants/idenfy/nobody?sandbox=true":               "5",
		"/v1/verifications/idenfy/id_verification/x?sandbox=true": "5",
	} {
		if w := s.with(target, nil); w.Code != http.StatusNotFound || w.Header().Get(asOfHeader) != want {
			t.Errorf("%s: status %d, as of %q", target, w.Code, w.Header().Get(asOfHeader))
		}
	}
}

// A path that leads over others is no path, and nobody is led to another.
func TestCrookedPaths(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	for target, private := range map[string]bool{
		"/v1": true, "/v1/": true, "//v1/stats": true, "/v1//stats": true, "/v1/verifications//x": true, "/v1/verifications/a/b/..": true,
		"/v1/verifications/a/b/../c": true, "/v1/./stats": true, "/./v1/stats": true, "/v1/../livez": true, "/x/../v1/stats": true, "/v1/..": true,
		"/v1/stats/": true, "/v1/stats/.": true, "//livez": false, "/livez/": false, "/./": false, "/": false, "/v10": false,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.URL.Path = target
		want := http.StatusNotFound
		if private {
			want = http.StatusUnauthorized
		}
		w := httptest.NewRecorder()
		newHandler(s.config, nil).ServeHTTP(w, r)
		if w.Code != want || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s without the token: status %d, %v", target, w.Code, w.Header())
		}
		r.Header.Set("Authorization", "Bearer "+token)
		w = httptest.NewRecorder()
		newHandler(s.config, nil).ServeHTTP(w, r)
		if w.Code != http.StatusNotFound || w.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(w.Body.String(), errNoSuchPath.Detail) {
			t.Errorf("%s: status %d, %v", target, w.Code, w.Header())
		}
	}
}

func TestCompression(t *testing.T) {
	s := newSeeded(t)
	for i := range 20 {
		s.put(false, "pending", about("acme", "check", fmt.Sprint(i), 1, verification.Pending))
	}
	const list = "/v1/verifications"
	uncompressed := s.with(list, nil).Body.String()
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "br, gzip": true, "gzip;q=0.5, br": true, "gzip; q=0": false, "gzip;q=0.000": false, "br": false,
		"identity": false, "gzip;q=x": false,
	} {
		for target, want := range map[string]bool{list: want, "/v1/deliveries?outcome=held": false, "/v1/nothing": false} {
			w := s.with(target, http.Header{"Accept-Encoding": {accept}})
			if got := w.Header().Get("Content-Encoding") == "gzip"; got != want {
				t.Errorf("%s with %q is compressed: %t", target, accept, got)
			}
			if target != list {
				continue
			}
			if got := w.Header().Get("Vary"); got != "Accept-Encoding" {
				t.Errorf("%s varies by %q", target, got)
			}
			if diff := cmp.Diff(uncompressed, plain(t, w)); diff != "" {
				t.Errorf("%q (-plain +got):\n%s", accept, diff)
			}
		}
	}
	if w := s.with(list, http.Header{"Accept-Encoding": {"br", "gzip"}}); w.Header().Get("Content-Encoding") != "gzip" {
		t.Error("of two headers the second is not read")
	}
}

// Browsers of other origins are told nothing that would let them in; see also the check of every answer.
func TestNoOtherOrigins(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	for _, target := range []string{"/v1/verifications", "/v1/nothing", "/livez"} {
		s.with(target, http.Header{"Origin": {"https://other.example"}})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodOptions, target, nil)
		r.Header.Set("Origin", "https://other.example")
		r.Header.Set("Access-Control-Request-Method", http.MethodGet)
		if w := s.send(r); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: a preflight is answered with %d", target, w.Code)
		}
	}
}
