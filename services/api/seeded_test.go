package api

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/claims"
	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/provider"
	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

const token = "8d1f0be2a7"

// start is when the first event of the seeded read model was stored.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// seeded is a read model with content, and the handler over it.
type seeded struct {
	t        *testing.T
	model    *store.ReadModel
	keys     *seal.Keyring
	log      bytes.Buffer
	config   Config
	sequence uint64
}

func newSeeded(t *testing.T) *seeded {
	t.Helper()
	model, err := store.OpenReadModel(t.Context(), store.Location{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := model.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, err := seal.Open(t.TempDir(), bytes.Repeat([]byte{7}, seal.MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	s := &seeded{t: t, model: model, keys: keys}
	s.config = Config{
		Model: model, Keys: keys, AdminToken: token,
		Logger: slog.New(slog.NewTextHandler(&s.log, nil)),
	}
	return s
}

// put writes an event, at the next position of the stream and a minute after the one before.
func (s *seeded) put(sandbox bool, published string, v event.Verification) {
	s.t.Helper()
	s.sequence++
	at := start.Add(time.Duration(s.sequence) * time.Minute)
	v.OccurredAt, v.ReceivedAt = at, at
	v.Signal = verification.Signal{
		ID: fmt.Sprintf("%064d#0", s.sequence), Seq: s.sequence, At: at, ReceivedAt: at, Event: "e", Says: "s", Sandbox: sandbox,
		Unknown: v.Signal.Unknown,
	}
	v.CausationID, v.CausationSequence = fmt.Sprintf("d:%d", s.sequence), s.sequence
	row := store.EventRow{Sandbox: sandbox, Sequence: s.sequence, Published: published, StoredAt: at, Data: v}
	if err := s.model.PutEvent(s.t.Context(), row); err != nil {
		s.t.Fatal(err)
	}
}

// about makes the data of an event, with the fields that must not be null.
func about(provider, kind, reference string, version int, status verification.Status) event.Verification {
	id := verification.NewID(provider, kind, reference)
	return event.Verification{
		ID: id.String(), Provider: provider, Kind: kind, Scope: verification.Case, Reference: id.Reference,
		Status: status, Final: status.Final(), Attempt: 1, Version: version,
		Reasons: []verification.Reason{}, Anomalies: []string{},
	}
}

// fill writes what the tables of these tests refer to.
func (s *seeded) fill() {
	s.t.Helper()
	s.put(false, "awaiting_review", about("idenfy", "id_verification", "s1", 1, verification.AwaitingReview))
	v := about("idenfy", "id_verification", "s1", 2, verification.Approved)
	v.Applicant, v.ExternalReference, v.PreviousStatus = new("client-1"), new("order/7"), new(verification.AwaitingReview)
	s.put(false, "approved", v)

	v = about("kycaid", "form_verification", "applicant:abc", 1, verification.Processing)
	v.Applicant, v.Overdue = new("abc"), true
	s.put(false, "processing", v)

	v = about("treezor", "liveness", "f1", 1, verification.Processing)
	v.Scope, v.Signal.Unknown = verification.Step, []string{"kyc-status"}
	s.put(false, "processing", v)
	s.put(true, "approved", about("yousign", "identity_document", "d1", 1, verification.Approved))

	v = about("yousign", "identity_document", "d2", 1, verification.Rejected)
	v.DataAnonymized, v.AnonymizedThrough = true, s.sequence+1
	s.put(false, "rejected", v)

	s.putClaims("idenfy/id_verification/s1", 2, &provider.Claims{
		GivenName: new("Ada"), FamilyName: new("Quill"), Birthdate: new("1989"), Nationalities: []string{"GB"},
		Document: &provider.Document{Type: new("passport"), Number: new("X1234567")},
	})
	for _, d := range []store.Delivery{
		{Stream: "KYC_WEBHOOKS", Sequence: 2, EventID: "d:2", Provider: "idenfy", Event: "e", ReceivedAt: start},
		{Stream: "KYC_WEBHOOKS", Sequence: 7, EventID: "d:7", Provider: "idenfy", Event: "e", ReceivedAt: start.Add(time.Minute)},
		{
			Stream: "KYC_HELD", Sequence: 1, EventID: "d:8", Provider: "treezor", Event: "e", ReceivedAt: start.Add(2 * time.Minute),
			Outcome: store.OutcomeHeld, OutcomeAt: start.Add(2 * time.Minute),
		},
		{
			Stream: "KYC_REJECTED", Sequence: 1, Provider: "idenfy", ReceivedAt: start.Add(3 * time.Minute),
			Outcome: store.OutcomeRejected, OutcomeAt: start.Add(3 * time.Minute), Cause: "bad_signature",
		},
		{
			Stream: "KYC_WEBHOOKS", Sequence: 9, EventID: "d:9", Provider: "kycaid", Event: "e", ReceivedAt: start.Add(4 * time.Minute),
			Outcome: store.OutcomeDead, OutcomeAt: start.Add(5 * time.Minute), Cause: "missing_reference",
		},
	} {
		if err := s.model.PutDelivery(s.t.Context(), d); err != nil {
			s.t.Fatal(err)
		}
	}
	for _, p := range []store.Progress{
		{Stream: "KYC_VERIFICATIONS", Identity: "stream-a", Sequence: 6, Pending: 2, At: start.Add(time.Hour)},
		{Stream: "KYC_SANDBOX", Identity: "stream-b", Sequence: 5, At: start.Add(time.Hour)},
	} {
		if err := s.model.PutProgress(s.t.Context(), p); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *seeded) putClaims(id string, seq uint64, c *provider.Claims) {
	s.t.Helper()
	key, sealed, err := claims.Seal(s.keys, id, false, c)
	if err != nil {
		s.t.Fatal(err)
	}
	s.replaceClaims(id, store.ClaimsRow{Signal: verification.Signal{ID: "x#0", Seq: seq}, Key: key, Sealed: sealed})
}

func (s *seeded) replaceClaims(id string, row store.ClaimsRow) {
	s.t.Helper()
	err := s.model.UpdateClaims(s.t.Context(), id, false, func(store.ClaimsRow) (*store.ClaimsRow, error) { return &row, nil })
	if err != nil {
		s.t.Fatal(err)
	}
}

// ask sends a request with the token.
func (s *seeded) ask(method, target string) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequestWithContext(context.Background(), method, target, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return s.send(r)
}

// send returns the answer to a request, which must be as documented.
func (s *seeded) send(r *http.Request) *httptest.ResponseRecorder {
	s.t.Helper()
	w := httptest.NewRecorder()
	newHandler(s.config, nil).ServeHTTP(w, r)
	theContractOf(s.t).conforms(s.t, r, w)
	return w
}
