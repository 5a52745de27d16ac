package bus

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAuditIsKept(t *testing.T) {
	b := newTestBus(t)
	want := AuditEntry{At: time.Now().UTC(), Verb: "replay", Actor: "anna@host", Via: "cli", Target: "late", Filter: "provider=acme", Count: 7}
	if err := b.Audit(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	stored, err := b.Get(t.Context(), Audits, 1)
	if err != nil {
		t.Fatal(err)
	}
	var got AuditEntry
	if err := json.Unmarshal(stored.Data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" || stored.Subject != "kyc.audit.replay" {
		t.Errorf("at %s (-written +kept):\n%s", stored.Subject, diff)
	}
}
