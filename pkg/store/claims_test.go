package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-stream/verdict/pkg/verification"
)

func claimsOf(seq uint64) *ClaimsRow {
	return &ClaimsRow{
		Signal: verification.Signal{ID: "s", Seq: seq, At: start, ReceivedAt: start, Event: "done", Says: "approved", Decoder: 1},
		Key:    []byte("wrapped-key\x00"), Sealed: []byte("sealed-claims\xff"),
	}
}

// setClaims writes the claims and returns what was there before.
func setClaims(t *testing.T, m *ReadModel, id string, next *ClaimsRow) (before ClaimsRow) {
	t.Helper()
	must(t, m.UpdateClaims(t.Context(), id, false, func(current ClaimsRow) (*ClaimsRow, error) {
		before = current
		return next, nil
	}))
	return before
}

func readBack(t *testing.T, m *ReadModel, id string) ClaimsRow {
	t.Helper()
	row, err := m.Claims(t.Context(), id, false)
	must(t, err)
	return row
}

func notFound(t *testing.T, read func() error) {
	t.Helper()
	if err := read(); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v, want %v", err, ErrNotFound)
	}
}

func testClaims(t *testing.T, at place) {
	m := newReadModel(t, at(t))
	id := testID("a").String()
	nothing := func() error { _, err := m.Claims(t.Context(), id, false); return err }
	notFound(t, nothing)

	if before := setClaims(t, m, id, nil); !cmp.Equal(before, ClaimsRow{}) {
		t.Errorf("claims before the first are %+v", before)
	}
	notFound(t, nothing) // nil leaves no trace
	failure := errors.New("failure")
	if err := m.UpdateClaims(t.Context(), id, false, func(ClaimsRow) (*ClaimsRow, error) { return claimsOf(1), failure }); !errors.Is(err, failure) {
		t.Errorf("the error of the function was reported as %v", err)
	}
	notFound(t, nothing)

	first, second := claimsOf(4), claimsOf(5)
	second.Key, second.Sealed = []byte("other key"), []byte("other claims")
	setClaims(t, m, id, first)
	if diff := cmp.Diff(*first, setClaims(t, m, id, second)); diff != "" {
		t.Errorf("claims before the second (-want +got):\n%s", diff)
	}
	setClaims(t, m, id, nil)
	if diff := cmp.Diff(*second, readBack(t, m, id)); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	if _, err := m.Claims(t.Context(), id, true); !errors.Is(err, ErrNotFound) {
		t.Errorf("the claims are also in the sandbox: error %v", err)
	}
}

func testClaimsDestroyed(t *testing.T, at place) {
	anonymized := func(through uint64) EventRow {
		e := testEventRow("a", int(through), through, 0)
		e.Data.DataAnonymized, e.Data.AnonymizedThrough = true, through
		return e
	}
	id := anonymized(1).Data.ID
	gone := func(row *ClaimsRow, through uint64) ClaimsRow {
		return ClaimsRow{Signal: row.Signal, AnonymizedThrough: through}
	}
	kept := func(row *ClaimsRow, through uint64) ClaimsRow {
		row.AnonymizedThrough = through
		return *row
	}
	for _, test := range []struct {
		name string
		do   func(m *ReadModel)
		want ClaimsRow
	}{
		{"up to the signal", func(m *ReadModel) { setClaims(t, m, id, claimsOf(4)); put(t, m, anonymized(4)) }, gone(claimsOf(4), 4)},
		{"before the signal", func(m *ReadModel) { setClaims(t, m, id, claimsOf(5)); put(t, m, anonymized(4)) }, kept(claimsOf(5), 4)},
		{"never written again", func(m *ReadModel) { put(t, m, anonymized(4)); setClaims(t, m, id, claimsOf(4)) }, gone(claimsOf(4), 4)},
		{"a later one is written", func(m *ReadModel) { put(t, m, anonymized(4)); setClaims(t, m, id, claimsOf(5)) }, kept(claimsOf(5), 4)},
		{"the position never goes back", func(m *ReadModel) { put(t, m, anonymized(4), anonymized(3)) }, ClaimsRow{AnonymizedThrough: 4}},
		{"destroyed by an update", func(m *ReadModel) {
			setClaims(t, m, id, claimsOf(4))
			erased := gone(claimsOf(4), 6)
			setClaims(t, m, id, &erased)
			setClaims(t, m, id, claimsOf(6))
		}, gone(claimsOf(6), 6)},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newReadModel(t, at(t))
			test.do(m)
			if diff := cmp.Diff(test.want, readBack(t, m, id)); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDestroyedKeyIsInNoFile looks at every byte that SQLite has written.
func TestDestroyedKeyIsInNoFile(t *testing.T) {
	at := sqlitePlace(t)
	m := newReadModel(t, at)
	e := testEventRow("a", 1, 1, 4)
	e.Data.AnonymizedThrough = 4
	inFiles := func(what []byte) bool {
		t.Helper()
		found := false
		files, err := filepath.Glob(filepath.Join(at.Dir, "*"))
		must(t, err)
		for _, name := range files {
			content, err := os.ReadFile(name)
			must(t, err)
			found = found || bytes.Contains(content, what)
		}
		return found
	}
	row := claimsOf(4)
	setClaims(t, m, e.Data.ID, row)
	if !inFiles(row.Key) || !inFiles(row.Sealed) {
		t.Fatal("the key or the claims were never in a file: the test looks in the wrong place")
	}
	put(t, m, e)
	if inFiles(row.Key) || inFiles(row.Sealed) {
		t.Error("the key or the claims are still in a file")
	}
}
