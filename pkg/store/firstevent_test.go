package store

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"
)

func testFirstEvent(t *testing.T, at place) {
	first := func(m *ReadModel, e EventRow, claims *ClaimsRow) bool {
		t.Helper()
		was, err := m.PutFirstEvent(t.Context(), e, claims)
		must(t, err)
		return was
	}
	later := claimsOf(9)
	later.Key = []byte("other key")
	for _, test := range []struct {
		name string
		do   func(m *ReadModel) bool
		was  bool
		want *ClaimsRow
	}{
		{"the first", func(m *ReadModel) bool { return first(m, testEventRow("a", 1, 1, 4), claimsOf(4)) }, true, claimsOf(4)},
		{"without claims", func(m *ReadModel) bool { return first(m, testEventRow("a", 1, 1, 4), nil) }, true, nil},
		{"again", func(m *ReadModel) bool {
			first(m, testEventRow("a", 1, 1, 4), claimsOf(4))
			return first(m, testEventRow("a", 1, 1, 4), later)
		}, false, claimsOf(4)},
		{"after the second", func(m *ReadModel) bool {
			put(t, m, testEventRow("a", 2, 2, 5))
			return first(m, testEventRow("a", 1, 1, 4), claimsOf(4))
		}, false, nil},
		{"after that of the sandbox", func(m *ReadModel) bool {
			e := testEventRow("a", 1, 1, 4)
			e.Sandbox = true
			put(t, m, e)
			return first(m, testEventRow("a", 1, 1, 4), claimsOf(4))
		}, true, claimsOf(4)},
		{"with claims known", func(m *ReadModel) bool {
			setClaims(t, m, testID("a").String(), later)
			return first(m, testEventRow("a", 1, 1, 4), claimsOf(4))
		}, false, later},
		{"anonymized", func(m *ReadModel) bool {
			e := testEventRow("a", 1, 1, 4)
			e.Data.AnonymizedThrough = 4
			return first(m, e, claimsOf(4))
		}, true, &ClaimsRow{Signal: claimsOf(4).Signal, AnonymizedThrough: 4}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newReadModel(t, at(t))
			if was := test.do(m); was != test.was {
				t.Errorf("the first: %t", was)
			}
			got, err := m.Claims(t.Context(), testID("a").String(), false)
			if test.want == nil {
				if !errors.Is(err, ErrNotFound) {
					t.Errorf("claims %+v, error %v", got, err)
				}
			} else if diff := cmp.Diff(*test.want, got); diff != "" {
				t.Errorf("claims, error %v (-want +got):\n%s", err, diff)
			}
			if events, err := m.Events(t.Context(), testID("a").String(), false); err != nil || events[0].Data.Version != 1 {
				t.Errorf("the event was not written: %v, error %v", events, err)
			}
		})
	}
}

// TestKeysMoveToTheirClaims migrates claims from when their keys stood in a table of their own.
func TestKeysMoveToTheirClaims(t *testing.T) {
	at := sqlitePlace(t)
	db, err := openSQLite(at.Dir, readModelSchema)
	must(t, err)
	var migrator *goose.Provider
	migrator, err = db.migrator(readModelSchema)
	must(t, err)
	_, err = migrator.UpTo(t.Context(), 3)
	must(t, err)
	for _, statement := range []string{
		`INSERT INTO claims (id, sandbox, signal_seq, sealed, anonymized_through) VALUES ('a', FALSE, 4, 'sealed', 2), ('a', TRUE, 5, 'other', 0)`,
		`INSERT INTO claims (id, sandbox, signal_seq, anonymized_through) VALUES ('b', FALSE, 3, 3)`,
		`INSERT INTO claims_key (id, sandbox, wrapped) VALUES ('a', FALSE, 'key'), ('a', TRUE, 'other key')`,
	} {
		_, err := db.write().exec(t.Context(), statement)
		must(t, err)
	}
	must(t, db.close())
	m := newReadModel(t, at)
	for _, want := range []struct {
		id      string
		sandbox bool
		row     ClaimsRow
	}{
		{"a", false, ClaimsRow{Sealed: []byte("sealed"), Key: []byte("key"), AnonymizedThrough: 2}},
		{"a", true, ClaimsRow{Sealed: []byte("other"), Key: []byte("other key")}},
		{"b", false, ClaimsRow{AnonymizedThrough: 3}},
	} {
		got, err := m.Claims(t.Context(), want.id, want.sandbox)
		must(t, err)
		if diff := cmp.Diff(want.row, got); diff != "" {
			t.Errorf("claims of %s, sandbox %t (-want +got):\n%s", want.id, want.sandbox, diff)
		}
	}
}
