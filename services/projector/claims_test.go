package projector

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/bus"
	"github.com/verdict-stream/verdict/pkg/claims"
	"github.com/verdict-stream/verdict/pkg/provider/idenfy"
	"github.com/verdict-stream/verdict/pkg/provider/treezor"
	"github.com/verdict-stream/verdict/pkg/provider/yousign"
	"github.com/verdict-stream/verdict/pkg/seal"
	"github.com/verdict-stream/verdict/pkg/store"
	"github.com/verdict-stream/verdict/pkg/verification"
)

var (
	scanned = verification.NewID("idenfy", "id_verification", "s1")
	filmed  = verification.NewID("treezor", "liveness", "f1")
)

// shown is the given name that the claims of a verification tell, empty where there are no claims.
func shown(t *testing.T, p *projector, id string, sandbox bool) string {
	t.Helper()
	row, err := p.model.Claims(t.Context(), id, sandbox)
	if errors.Is(err, store.ErrNotFound) || err == nil && len(row.Sealed) == 0 {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := claims.Open(p.keys, id, sandbox, row.Key, row.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	return *c.GivenName
}

// TestClaims shows whose claims stand after what happened, whatever the order in which the projector learns of it.
func TestClaims(t *testing.T) {
	for _, test := range []struct {
		name   string
		id     verification.ID
		happen func(w *world)
		want   string
	}{
		{"written", scanned, func(w *world) {
			w.tell(&idenfy.Provider, autoFinish, scan("s1", true, 60, "APPROVED", "Ada"))
		}, "Ada"},
		{"of a delivery that nobody folded", scanned, func(w *world) {
			w.receive(&idenfy.Provider, autoFinish, scan("s1", true, 60, "APPROVED", "Ada"))
		}, ""},
		{"of a held delivery", filmed, func(w *world) {
			w.hold(&treezor.Provider, liveness, live("f1", 1, "7", "Ada"))
		}, ""},
		{"replaced by a later signal", scanned, func(w *world) {
			w.tell(&idenfy.Provider, autoFinish, scan("s1", true, 60, "DENIED", "Ada"))
			w.tell(&idenfy.Provider, autoFinish, scan("s1", true, 90, "APPROVED", "Grace"))
		}, "Grace"},
		{"kept over an earlier signal that came later", scanned, func(w *world) {
			w.tell(&idenfy.Provider, manualFinish, scan("s1", true, 90, "APPROVED", "Grace"))
			w.tell(&idenfy.Provider, autoFinish, scan("s1", false, 60, "APPROVED", "Ada"))
		}, "Grace"},
		{"kept over a later signal without claims", scanned, func(w *world) {
			w.tell(&idenfy.Provider, autoFinish, scan("s1", true, 60, "DENIED", "Ada"))
			w.tell(&idenfy.Provider, autoFinish, scanOfNobody("s1", 90, "APPROVED"))
		}, "Ada"},
		{"of two verifications", scanned, func(w *world) {
			w.tell(&idenfy.Provider, autoFinish, scan("s2", true, 90, "APPROVED", "Grace"))
			w.tell(&idenfy.Provider, autoFinish, scan("s1", true, 60, "APPROVED", "Ada"))
		}, "Ada"},
		{"anonymized", scanned, func(w *world) {
			w.anonymize(scanned, w.tell(&idenfy.Provider, autoFinish, scan("s1", true, 60, "APPROVED", "Ada")))
		}, ""},
		{"anonymized and told again", scanned, func(w *world) {
			d := w.tell(&idenfy.Provider, autoFinish, scan("s1", true, 60, "APPROVED", "Ada"))
			w.anonymize(scanned, d)
			w.fold(w.receive(&idenfy.Provider, manualFinish, string(d.body)))
		}, ""},
		{"of a delivery after the anonymized", scanned, func(w *world) {
			w.anonymize(scanned, w.tell(&idenfy.Provider, autoFinish, scan("s1", true, 60, "DENIED", "Ada")))
			w.tell(&idenfy.Provider, autoFinish, scan("s1", true, 90, "APPROVED", "Grace"))
		}, "Grace"},
		{"of the applicant alone", filmed, func(w *world) {
			w.tell(&treezor.Provider, liveness, live("f1", 1, "7", "Ada"))
			w.tell(&treezor.Provider, liveness, live("f1", 2, "8", "Eve"))
		}, "Ada"},
		{"of an applicant that turned out to be the wrong one", filmed, func(w *world) {
			first := w.receive(&treezor.Provider, liveness, live("f1", 1, "7", "Ada"))
			w.tell(&treezor.Provider, liveness, live("f1", 2, "8", "Eve"))
			w.fold(first)
		}, "Ada"},
		{"of a payload that belongs to another", filmed, func(w *world) {
			d := w.tell(&treezor.Provider, liveness, live("f1", 1, "7", "Ada"))
			w.disown(filmed, d)
		}, ""},
		{"under the payload that belongs to another", filmed, func(w *world) {
			w.tell(&treezor.Provider, liveness, live("f1", 1, "7", "Ada"))
			w.disown(filmed, w.tell(&treezor.Provider, liveness, live("f1", 2, "7", "Eve")))
		}, "Ada"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			test.happen(w)
			for order, project := range map[string]func(*projector){"in order": w.project, "reversed": w.reversed} {
				p := w.projector(t)
				project(p)
				if got := shown(t, p, test.id.String(), false); got != test.want {
					t.Errorf("%s: the claims are of %q, want %q", order, got, test.want)
				}
				project(p)
				if got := shown(t, p, test.id.String(), false); got != test.want {
					t.Errorf("%s, twice: the claims are of %q, want %q", order, got, test.want)
				}
			}
		})
	}
}

// What the read model lost while its broker kept everything comes back; what is anonymized does not.
func TestClaimsAreNotWrittenAgain(t *testing.T) {
	w := newWorld(t)
	p := w.projector(t)
	d := w.tell(&idenfy.Provider, autoFinish, scan("s1", true, 60, "APPROVED", "Ada"))
	w.project(p)
	if got := shown(t, p, scanned.String(), false); got != "Ada" {
		t.Fatalf("the claims are of %q before", got)
	}
	w.anonymize(scanned, d)
	w.project(p)
	row, err := p.model.Claims(t.Context(), scanned.String(), false)
	if err != nil {
		t.Fatal(err)
	}
	if len(row.Key)+len(row.Sealed) > 0 || row.AnonymizedThrough != d.seq {
		t.Errorf("key of %d bytes, claims of %d, anonymized through %d, want none and %d",
			len(row.Key), len(row.Sealed), row.AnonymizedThrough, d.seq)
	}
}

func TestClaimsOfTheSandboxAreApart(t *testing.T) {
	w := newWorld(t)
	p := w.projector(t)
	w.tell(&yousign.Provider, documentDone, document("d1", "verified", true, false))
	w.tell(&yousign.Provider, documentDone, document("d1", "failed", false, true))
	w.project(p)
	id := verification.NewID("yousign", "identity_document", "d1").String()
	for sandbox, want := range map[bool]verification.Status{true: verification.Approved, false: verification.Rejected} {
		row, err := p.model.Verification(t.Context(), id, sandbox)
		if err != nil {
			t.Fatal(err)
		}
		if row.Data.Status != want || row.Sandbox != sandbox || row.Data.DataAnonymized == sandbox {
			t.Errorf("sandbox %t: status %s, anonymized %t, want %s", sandbox, row.Data.Status, row.Data.DataAnonymized, want)
		}
	}
}

// A body whose time is over has no claims. A key that is missing before its time is a key directory that is not there: nothing is lost
// by waiting for it.
func TestClaimsWithoutKey(t *testing.T) {
	w := newWorld(t)
	handle := func(p *projector) error {
		for _, s := range w.steps(p) {
			if s.Stream != bus.Verifications {
				continue
			}
			if err := p.verification(t.Context(), s.Stored); err != nil {
				return err
			}
		}
		return nil
	}
	w.now = w.now.Add(-retention - 2*time.Hour)
	old := w.now
	w.tell(&idenfy.Provider, autoFinish, scan("s1", true, 60, "APPROVED", "Ada"))
	if _, err := w.keys.DestroyExpired("idenfy", retention, time.Now()); err != nil {
		t.Fatal(err)
	}
	p := w.projector(t)
	if err := handle(p); err != nil {
		t.Errorf("a body whose key was destroyed at %v: %v", old, err)
	}
	if got := shown(t, p, scanned.String(), false); got != "" {
		t.Errorf("the claims are of %q, want none", got)
	}

	w.now = time.Now().UTC()
	w.tell(&idenfy.Provider, autoFinish, scan("s1", true, 90, "APPROVED", "Ada"))
	elsewhere := t.TempDir()
	var err error
	if w.keys, err = seal.Open(filepath.Join(elsewhere, "keys"), make([]byte, seal.MasterKeySize)); err != nil {
		t.Fatal(err)
	}
	if err := handle(w.projector(t)); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("a key that is missing before its time: error %v, want %v", err, bus.ErrUnavailable)
	}
	if err := os.RemoveAll(elsewhere); err != nil {
		t.Fatal(err)
	}
	if err := handle(w.projector(t)); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("without a key directory: error %v, want %v", err, bus.ErrUnavailable)
	}
}

// The first event of a verification is written with its claims; where they cannot be read now, without them.
func TestFirstEventDoesNotWaitForItsClaims(t *testing.T) {
	w := newWorld(t)
	w.tell(&idenfy.Provider, autoFinish, scan("s1", true, 60, "APPROVED", "Ada"))
	config := w.config(t)
	var err error
	if config.Keys, err = seal.Open(filepath.Join(t.TempDir(), "keys"), make([]byte, seal.MasterKeySize)); err != nil {
		t.Fatal(err)
	}
	handle := func(p *projector) error {
		return p.verification(t.Context(), w.messages(p)[ownConsumers+"verifications"][0])
	}
	if err := handle(newProjector(config)); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("error %v, want %v", err, bus.ErrUnavailable)
	}
	row, err := config.Model.Verification(t.Context(), scanned.String(), false)
	if err != nil || row.Data.Status != verification.Approved {
		t.Errorf("status %s, error %v", row.Data.Status, err)
	}
	config.Keys = w.keys
	p := newProjector(config)
	if err := handle(p); err != nil {
		t.Fatal(err)
	}
	if got := shown(t, p, scanned.String(), false); got != "Ada" {
		t.Errorf("the claims are of %q, want Ada", got)
	}
}

// An event whose delivery the stream keeps no more is written all the same.
func TestClaimsOfADeliveryThatIsGone(t *testing.T) {
	w := newWorld(t)
	d := w.receive(&idenfy.Provider, autoFinish, scan("s1", true, 60, "APPROVED", "Ada"))
	d.seq += 1000
	w.fold(d)
	p := w.projector(t)
	w.project(p)
	row, err := p.model.Verification(t.Context(), scanned.String(), false)
	if err != nil {
		t.Fatal(err)
	}
	if got := shown(t, p, scanned.String(), false); got != "" || row.Data.Status != verification.Approved {
		t.Errorf("claims of %q and status %s, want none and approved", got, row.Data.Status)
	}
}

// What somebody else wrote meanwhile is not overwritten.
func TestClaimsThatMoved(t *testing.T) {
	w := newWorld(t)
	p := w.projector(t)
	w.tell(&idenfy.Provider, autoFinish, scan("s1", true, 60, "APPROVED", "Ada"))
	w.project(p)
	before, err := p.model.Claims(t.Context(), scanned.String(), false)
	if err != nil {
		t.Fatal(err)
	}
	moved, next := store.ClaimsRow{Key: []byte("another")}, store.ClaimsRow{Signal: before.Signal}
	err = p.replace(t.Context(), scanned.String(), false, moved, &next)
	if !errors.Is(err, errClaimsMoved) {
		t.Errorf("error %v, want %v", err, errClaimsMoved)
	}
	after, err := p.model.Claims(t.Context(), scanned.String(), false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the row changed (-before +after):\n%s", diff)
	}
}

// Whoever finds that the row has moved looks at the tables again, and needs no redelivery for it.
func TestClaimsThatMovedAreSettled(t *testing.T) {
	w := newWorld(t)
	p := w.projector(t)
	w.tell(&idenfy.Provider, autoFinish, scan("s1", true, 60, "DENIED", "Ada"))
	w.project(p)
	err := p.model.UpdateClaims(t.Context(), scanned.String(), false, func(now store.ClaimsRow) (*store.ClaimsRow, error) {
		return &store.ClaimsRow{Signal: now.Signal, Key: []byte("another"), Sealed: now.Sealed}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.tell(&idenfy.Provider, autoFinish, scan("s1", true, 90, "APPROVED", "Grace"))
	w.project(p)
	if got := shown(t, p, scanned.String(), false); got != "Grace" {
		t.Errorf("the claims are of %q, want Grace", got)
	}
}

// Nothing that the projector makes of a delivery that it cannot read repeats the delivery.
func TestUnreadable(t *testing.T) {
	const marked = "Quillfeather"
	w := newWorld(t)
	p := w.projector(t)
	for _, c := range p.consumers() {
		for name, message := range map[string]bus.Message{
			"no headers": {Data: []byte(marked)},
			"another event": {Header: map[string][]string{
				"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"/test"}, "ce-type": {"test"},
			}, Data: []byte(`"` + marked + `"`)},
			"no object": {Header: map[string][]string{
				"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"/test"}, "ce-type": {"kyc.v1.verification.approved"},
			}, Data: []byte(`["` + marked + `"]`)},
		} {
			err := c.Handle(t.Context(), bus.Stored{Message: message, Stream: c.Stream, Seq: 1})
			if err != nil && strings.Contains(err.Error(), marked) {
				t.Errorf("%s, %s: the error repeats the message: %v", c.Name, name, err)
			}
			if cause, permanent := bus.PermanentCause(err); !permanent || cause != causeUnreadable {
				t.Errorf("%s, %s: error %v, want a permanent one of cause %s", c.Name, name, err, causeUnreadable)
			}
		}
	}
}
