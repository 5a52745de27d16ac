package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// listed is what these tests look at in a page.
type listed struct {
	Data []struct {
		ID       *string
		Stream   string
		Sequence uint64
	}
	Meta struct {
		NextCursor *string `json:"next_cursor"`
	}
}

func (s *seeded) list(target string) listed {
	s.t.Helper()
	w := s.ask(http.MethodGet, target)
	if w.Code != http.StatusOK {
		s.t.Fatalf("%s: status %d: %s", target, w.Code, w.Body)
	}
	var page listed
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
		s.t.Fatal(err)
	}
	return page
}

func TestVerificationFilters(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	const (
		scan     = "idenfy/id_verification/s1"
		form     = "kycaid/form_verification/applicant%3Aabc"
		film     = "treezor/liveness/f1"
		tested   = "yousign/identity_document/d1"
		document = "yousign/identity_document/d2"
	)
	for query, want := range map[string][]string{
		"":                                   {scan, form, film, document},
		"sandbox=false":                      {scan, form, film, document},
		"sandbox=true":                       {tested},
		"provider=yousign":                   {document},
		"provider=nobody":                    nil,
		"kind=liveness":                      {film},
		"provider=idenfy&kind=liveness":      nil,
		"scope=step":                         {film},
		"scope=case":                         {scan, form, document},
		"status=processing":                  {form, film},
		"status=awaiting_review":             nil,
		"applicant=client-1":                 {scan},
		"applicant=client":                   nil,
		"external_reference=order%2F7":       {scan},
		"final=true":                         {scan, document},
		"final=false":                        {form, film},
		"overdue=true":                       {form},
		"overdue=false":                      {scan, film, document},
		"final=false&overdue=false":          {film},
		"limit=500":                          {scan, form, film, document},
		"updated_since=2026-03-01T12:04:00Z": {film, document},
		"updated_since=2026-03-01T13:04:00%2B01:00": {film, document},
		"updated_since=2026-03-01T12:06:00.001Z":    nil,
	} {
		var got []string
		for _, row := range s.list("/v1/verifications?" + query).Data {
			got = append(got, *row.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

// A delivery of which only the outcome is known stands where that became known.
func TestDeliveryFilters(t *testing.T) {
	s := newSeeded(t)
	s.fill()
	for query, want := range map[string][]string{
		"":                                   {"KYC_WEBHOOKS 2", "KYC_WEBHOOKS 1", "KYC_WEBHOOKS 7", "KYC_HELD 1", "KYC_REJECTED 1", "KYC_WEBHOOKS 3", "KYC_WEBHOOKS 4", "KYC_WEBHOOKS 9", "KYC_WEBHOOKS 5", "KYC_WEBHOOKS 6"},
		"provider=idenfy":                    {"KYC_WEBHOOKS 2", "KYC_WEBHOOKS 1", "KYC_WEBHOOKS 7", "KYC_REJECTED 1"},
		"outcome=pending":                    {"KYC_WEBHOOKS 7"},
		"outcome=applied":                    {"KYC_WEBHOOKS 2", "KYC_WEBHOOKS 1", "KYC_WEBHOOKS 3", "KYC_WEBHOOKS 4", "KYC_WEBHOOKS 5", "KYC_WEBHOOKS 6"},
		"outcome=held":                       {"KYC_HELD 1"},
		"outcome=repeat":                     nil,
		"cause=missing_reference":            {"KYC_WEBHOOKS 9"},
		"outcome=dead&provider=idenfy":       nil,
		"since=2026-03-01T12:02:00Z":         {"KYC_HELD 1", "KYC_REJECTED 1", "KYC_WEBHOOKS 3", "KYC_WEBHOOKS 4", "KYC_WEBHOOKS 9", "KYC_WEBHOOKS 5", "KYC_WEBHOOKS 6"},
		"since=2026-03-01T12:02:00Z&limit=1": {"KYC_HELD 1"},
	} {
		var got []string
		for _, row := range s.list("/v1/deliveries?" + query).Data {
			got = append(got, fmt.Sprintf("%s %d", row.Stream, row.Sequence))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

// A page shows nothing twice and leaves nothing out, whatever is written while somebody turns the pages.
func TestVerificationPages(t *testing.T) {
	s := newSeeded(t)
	for i := range 5 {
		s.put(false, "pending", about("kycaid", "form_verification", fmt.Sprintf("v%d", i), 1, verification.Pending))
	}
	var got []string
	target := "/v1/verifications?limit=2"
	for range 5 {
		page := s.list(target)
		for _, row := range page.Data {
			got = append(got, *row.ID)
		}
		if page.Meta.NextCursor == nil {
			break
		}
		target = "/v1/verifications?limit=2&cursor=" + *page.Meta.NextCursor
		// One that was shown, one that was not, and a new one.
		if len(got) == 2 {
			s.put(false, "approved", about("kycaid", "form_verification", "v0", 2, verification.Approved))
			s.put(false, "approved", about("kycaid", "form_verification", "v3", 2, verification.Approved))
			s.put(false, "pending", about("kycaid", "form_verification", "v5", 1, verification.Pending))
		}
	}
	var want []string
	for _, reference := range []string{"v0", "v1", "v2", "v4", "v0", "v3", "v5"} {
		want = append(want, "kycaid/form_verification/"+reference)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("all pages (-want +got):\n%s", diff)
	}
}

// A verification whose event comes into the tables after later ones is on a later page, whatever the question.
func TestVerificationPagesWaitForWhatIsMissing(t *testing.T) {
	for _, path := range []string{"/v1/verifications?", "/v1/verifications?provider=acme&", "/v1/verifications?final=false&", "/v1/applicants/acme/person?"} {
		s := newSeeded(t)
		put := func(sequence uint64, reference string) {
			t.Helper()
			v := about("acme", "check", reference, 1, verification.Pending)
			v.Applicant = new("person")
			s.sequence = sequence - 1
			s.put(false, "pending", v)
		}
		put(1, "a")
		put(3, "c")
		put(4, "d")
		s.progress(1)
		var got []string
		for target := path + "limit=2"; target != ""; {
			page := s.list(target)
			for _, row := range page.Data {
				got = append(got, strings.TrimPrefix(*row.ID, "acme/check/"))
			}
			if target = ""; page.Meta.NextCursor != nil {
				target = path + "limit=2&cursor=" + *page.Meta.NextCursor
			}
			if len(got) == 2 {
				put(2, "b")
				s.progress(4)
			}
		}
		if diff := cmp.Diff([]string{"a", "c", "b", "c", "d"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestVerificationCursors(t *testing.T) {
	for _, c := range []store.VerificationCursor{{}, {Through: 7}, {Ahead: 9}, {Through: 7, Ahead: 9}, {Through: math.MaxInt64}} {
		text := verificationCursor(c)
		if c.IsZero() && text == "" {
			continue
		}
		if got, err := parseVerificationCursor(text); err != nil || got != c {
			t.Errorf("%+v is read as %+v, error %v", c, got, err)
		}
	}
	for _, text := range []string{"", "0", "0-0", "7-7", "9-7", "7-", "-7", "7-8-9", "+7", "07x", "9223372036854775808", "1-9223372036854775808", "\xff"} {
		if got, err := parseVerificationCursor(base64.RawURLEncoding.EncodeToString([]byte(text))); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

func TestDeliveryPages(t *testing.T) {
	s := newSeeded(t)
	put := func(seq uint64, minute int) {
		t.Helper()
		err := s.model.PutDelivery(t.Context(), store.Delivery{
			Stream: "KYC_WEBHOOKS", Sequence: seq, EventID: "d", Provider: "idenfy", Event: "e",
			ReceivedAt: start.Add(time.Duration(minute) * time.Minute),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for seq := range uint64(5) {
		put(seq+1, 0) // all at once: the sequence tells them apart
	}
	var got []uint64
	target := "/v1/deliveries?limit=2"
	for range 5 {
		page := s.list(target)
		for _, row := range page.Data {
			got = append(got, row.Sequence)
		}
		if page.Meta.NextCursor == nil {
			break
		}
		target = "/v1/deliveries?limit=2&cursor=" + *page.Meta.NextCursor
		if len(got) == 2 {
			put(7, -1)
			put(6, 1)
		}
	}
	if diff := cmp.Diff([]uint64{1, 2, 3, 4, 5, 6}, got); diff != "" {
		t.Errorf("all pages (-want +got):\n%s", diff)
	}
}
