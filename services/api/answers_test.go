package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares an answer with the file, but for what depends on the clock.
func golden(t *testing.T, name string, body []byte) {
	t.Helper()
	var indented bytes.Buffer
	if err := json.Indent(&indented, body, "", "  "); err != nil {
		t.Fatalf("not JSON: %v", err)
	}
	got := regexp.MustCompile(`"age_seconds": \d+`).ReplaceAll(indented.Bytes(), []byte(`"age_seconds": 0`))
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

func TestAnswers(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	for name, target := range map[string]string{
		"verifications":     "/v1/verifications?limit=2",
		"verification":      "/v1/verifications/idenfy/id_verification/s1",
		"events":            "/v1/verifications/idenfy/id_verification/s1/events",
		"claims":            "/v1/verifications/idenfy/id_verification/s1/claims",
		"claims_unknown":    "/v1/verifications/treezor/liveness/f1/claims",
		"claims_anonymized": "/v1/verifications/yousign/identity_document/d2/claims",
		"applicant":         "/v1/applicants/idenfy/client-1",
		"deliveries":        "/v1/deliveries",
		"stats":             "/v1/stats",
	} {
		t.Run(name, func(t *testing.T) {
			w := s.ask(http.MethodGet, target)
			if w.Code != http.StatusOK {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			golden(t, name, w.Body.Bytes())
			want := map[string]string{
				"Content-Type": "application/json", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache",
			}
			if strings.HasPrefix(name, "claims") {
				want["Cache-Control"] = "no-store"
			}
			for header, value := range want {
				if got := w.Header().Get(header); got != value {
					t.Errorf("%s: %q, want %q", header, got, value)
				}
			}
			if head := s.ask(http.MethodHead, target); head.Code != http.StatusOK {
				t.Errorf("HEAD: status %d", head.Code)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	for name, test := range map[string]struct {
		method, target string
		status         int
	}{
		"no_such_path":            {http.MethodGet, "/v1/verdicts", http.StatusNotFound},
		"no_such_path_outside":    {http.MethodGet, "/favicon.ico", http.StatusNotFound},
		"no_such_verification":    {http.MethodGet, "/v1/verifications/idenfy/id_verification/nobody", http.StatusNotFound},
		"no_such_timeline":        {http.MethodGet, "/v1/verifications/idenfy/id_verification/nobody/events", http.StatusNotFound},
		"no_such_claims":          {http.MethodGet, "/v1/verifications/idenfy/id_verification/nobody/claims", http.StatusNotFound},
		"sandbox_only":            {http.MethodGet, "/v1/verifications/yousign/identity_document/d1", http.StatusNotFound},
		"not_the_sandbox":         {http.MethodGet, "/v1/verifications/idenfy/id_verification/s1?sandbox=true", http.StatusNotFound},
		"method":                  {http.MethodPost, "/v1/verifications", http.StatusMethodNotAllowed},
		"method_outside":          {http.MethodDelete, "/livez", http.StatusMethodNotAllowed},
		"unknown_parameter":       {http.MethodGet, "/v1/verifications?state=approved", http.StatusBadRequest},
		"unknown_parameter_one":   {http.MethodGet, "/v1/verifications/idenfy/id_verification/s1?limit=1", http.StatusBadRequest},
		"unknown_parameter_stats": {http.MethodGet, "/v1/stats?provider=idenfy", http.StatusBadRequest},
		"unknown_status":          {http.MethodGet, "/v1/verifications?status=verified", http.StatusBadRequest},
		"no_such_applicant":       {http.MethodGet, "/v1/applicants/idenfy/nobody", http.StatusNotFound},
		"applicant_of_another":    {http.MethodGet, "/v1/applicants/kycaid/client-1", http.StatusNotFound},
		"applicant_outside":       {http.MethodGet, "/v1/applicants/idenfy/client-1?sandbox=true", http.StatusNotFound},
		"unknown_event":           {http.MethodGet, "/v1/stream?event=decided", http.StatusBadRequest},
		"no_after":                {http.MethodGet, "/v1/stream?after=-1", http.StatusBadRequest},
		"no_after_either":         {http.MethodGet, "/v1/stream?after=9223372036854775808", http.StatusBadRequest},
		"unknown_scope":           {http.MethodGet, "/v1/verifications?scope=person", http.StatusBadRequest},
		"no_boolean":              {http.MethodGet, "/v1/verifications?final=yes", http.StatusBadRequest},
		"no_word":                 {http.MethodGet, "/v1/verifications?provider=I%20Denfy", http.StatusBadRequest},
		"no_time":                 {http.MethodGet, "/v1/verifications?updated_since=yesterday", http.StatusBadRequest},
		"no_limit":                {http.MethodGet, "/v1/verifications?limit=501", http.StatusBadRequest},
		"no_limit_either":         {http.MethodGet, "/v1/deliveries?limit=0", http.StatusBadRequest},
		"no_cursor":               {http.MethodGet, "/v1/verifications?cursor=MTA=", http.StatusBadRequest},
		"no_position":             {http.MethodGet, "/v1/verifications?cursor=LTE", http.StatusBadRequest},
		"no_delivery_cursor":      {http.MethodGet, "/v1/deliveries?cursor=MTA", http.StatusBadRequest},
		"unknown_outcome":         {http.MethodGet, "/v1/deliveries?outcome=lost", http.StatusBadRequest},
		"twice":                   {http.MethodGet, "/v1/verifications?status=approved&status=rejected", http.StatusBadRequest},
		"empty":                   {http.MethodGet, "/v1/verifications?applicant=", http.StatusBadRequest},
		"too_long":                {http.MethodGet, "/v1/verifications?applicant=" + strings.Repeat("a", 513), http.StatusBadRequest},
		"badly_encoded":           {http.MethodGet, "/v1/verifications?applicant=%zz", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			w := s.ask(test.method, test.target)
			if w.Code != test.status {
				t.Errorf("status %d, want %d", w.Code, test.status)
			}
			if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("Content-Type %q", got)
			}
			if got := w.Header().Get("Allow"); (got == "GET, HEAD") != (test.status == http.StatusMethodNotAllowed) {
				t.Errorf("Allow %q", got)
			}
			golden(t, filepath.Join("problems", name), w.Body.Bytes())
		})
	}
	if s.log.Len() > 0 {
		t.Errorf("what a caller did wrong was logged:\n%s", &s.log)
	}
}
