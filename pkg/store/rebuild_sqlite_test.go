package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/metric/embedded"

	"github.com/verdict-stream/verdict/pkg/durable"
)

func TestPointerThatNamesNothing(t *testing.T) {
	at := sqlitePlace(t)
	for _, text := range []string{"", "{}", `{"file":"../other.db"}`, `{"file":"readmodel.db","kept":["x"]}`} {
		must(t, os.WriteFile(filepath.Join(at.Dir, pointerFile), []byte(text), fileMode))
		if m, err := OpenReadModel(t.Context(), at); err == nil || !strings.Contains(err.Error(), pointerFile) {
			t.Errorf("pointer %q: %v, error %v", text, m, err)
		}
	}
}

// A crash at any step of the switch leaves the one or the other.
func TestSwitchIsOneRename(t *testing.T) {
	at := sqlitePlace(t)
	m := newReadModel(t, at)
	live(t, m)
	r := beginRebuild(t, m, false)
	must(t, r.Put(t.Context(), Bulk{Events: []EventRow{testEventRow("c", 1, 4, 6)}}))
	must(t, r.Index(t.Context()))
	// The step before the renaming.
	must(t, os.WriteFile(filepath.Join(at.Dir, pointerFile+durable.Unfinished), []byte(`{"file":"half`), fileMode))
	reader, err := OpenReader(t.Context(), at)
	must(t, err)
	defer func() { check(t, reader.Close()) }()
	notFound(t, func() error { _, err := reader.Verification(t.Context(), testID("c").String(), false); return err })
	switched(t, m, r)
	// The next start finds the new one, and the other process is still kept away from it.
	if _, err := OpenReadModel(t.Context(), at); !errors.Is(err, ErrLeased) {
		t.Errorf("a second writer after the switch: error %v", err)
	}
	must(t, m.Close())
	again := newReadModel(t, at)
	if _, err := again.Verification(t.Context(), testID("c").String(), false); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// A pointer that was renamed holds, whatever fails afterwards: the file that it names is not thrown away.
func TestDiscardLeavesWhatThePointerNames(t *testing.T) {
	for _, kept := range []bool{false, true} {
		m := newReadModel(t, sqlitePlace(t))
		r := beginRebuild(t, m, false)
		must(t, r.Index(t.Context()))
		name := filepath.Base(r.site.(*fileSite).path)
		now := pointer{File: name}
		if kept {
			now = pointer{File: readModelSchema.file, Kept: []string{name}}
		}
		must(t, now.write(m.at.Dir))
		must(t, r.Discard(t.Context()))
		if _, err := os.Stat(filepath.Join(m.at.Dir, name)); err != nil {
			t.Errorf("kept %v: %v", kept, err)
		}
	}
}

// failingEnd is a measurement that cannot be ended.
type failingEnd struct{ embedded.Registration }

func (failingEnd) Unregister() error { return errors.New("no end") }

// The new one is in use although the one before was not closed well.
func TestSwitchOutlivesTheOneBefore(t *testing.T) {
	m := newReadModel(t, sqlitePlace(t))
	m.db.metrics = append(m.db.metrics, failingEnd{})
	r := beginRebuild(t, m, false)
	must(t, r.Put(t.Context(), Bulk{Events: []EventRow{testEventRow("c", 1, 4, 6)}}))
	must(t, r.Index(t.Context()))
	switched(t, m, r)
	must(t, r.Discard(t.Context()))
	must(t, m.Close())
	again := newReadModel(t, m.at)
	if _, err := again.Verification(t.Context(), testID("c").String(), false); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// A former read model that is damaged keeps nobody from removing it.
func TestDamagedFormerReadModel(t *testing.T) {
	m := newReadModel(t, sqlitePlace(t))
	live(t, m)
	r := beginRebuild(t, m, false)
	must(t, r.Index(t.Context()))
	kept := switched(t, m, r)
	must(t, os.WriteFile(filepath.Join(m.at.Dir, kept), []byte(strings.Repeat("damaged ", 1000)), fileMode))
	if _, err := m.Rebuild(t.Context(), false); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), kept) || !strings.Contains(err.Error(), "drop-old") {
		t.Errorf("another rebuild: error %v", err)
	}
	_, err := m.DropKept(t.Context())
	must(t, err)
	must(t, beginRebuild(t, m, false).Discard(t.Context()))
}

// What is left of many claims is their rows.
func TestWipeOfManyClaims(t *testing.T) {
	m := newReadModel(t, sqlitePlace(t))
	var b Bulk
	for i := range uint64(2*wipePage + 1) {
		b.Claims = append(b.Claims, Claims{VerificationKey{testID(fmt.Sprint(i)).String(), false}, *claimsOf(1 + i)})
	}
	must(t, m.PutBulk(t.Context(), b))
	must(t, m.db.wipeFile(t.Context(), true))
	var rows, sealed int
	_, err := m.db.read().one(t.Context(), []any{&rows, &sealed}, `SELECT count(*), count(sealed) + count(wrapped) FROM claims`)
	must(t, err)
	if rows != len(b.Claims) || sealed != 0 {
		t.Errorf("%d rows with %d claims and keys, want %d with none", rows, sealed, len(b.Claims))
	}
}
