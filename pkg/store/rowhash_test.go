package store

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"testing"
)

// Rows that differ in anything that is compared have other hashes, even where their columns together have the same text.
func TestRowHash(t *testing.T) {
	m := newReadModel(t, sqlitePlace(t))
	seen := map[string]string{}
	for _, values := range []string{
		`'ab', 'c'`, `'a', 'bc'`, `'abc', ''`, `'', 'abc'`, `'abc', NULL`, `NULL, 'abc'`, `x'616263', ''`, `1, 2`, `12, NULL`, `'1', '2'`, `-1, 2`, `NULL, NULL`, `'', ''`, `0, 0`,
		`'a' || char(0) || 'b', 'c'`, `'a', char(0) || 'bc'`,
	} {
		var hash []byte
		_, err := m.db.read().one(t.Context(), []any{&hash}, `SELECT `+rowHash+`(`+values+`)`)
		must(t, err)
		if other, taken := seen[string(hash)]; taken {
			t.Errorf("%s has the hash of %s", values, other)
		}
		seen[string(hash)] = values
	}
	if _, err := m.db.read().one(t.Context(), []any{new([]byte)}, `SELECT `+rowHash+`(1.5)`); err == nil {
		t.Error("a column of a kind that there is not has a hash")
	}
}

// What SQLite sums up in pages, with pages of no rows among them, is what its rows come to.
func TestSumOfPages(t *testing.T) {
	m := newReadModel(t, sqlitePlace(t))
	var b Bulk
	for n := range 5 * sumPage {
		b.Events = append(b.Events, testEventRow(fmt.Sprint(n), 1, uint64(n+1), 0))
	}
	must(t, m.PutBulk(t.Context(), b))
	_, err := m.db.write().exec(t.Context(), `DELETE FROM verification_event WHERE rowid BETWEEN 1000 AND 4000`)
	must(t, err)
	s, err := m.Snapshot(t.Context())
	must(t, err)
	defer func() { check(t, s.Close(t.Context())) }()
	for _, c := range comparedTables {
		if c.change != nil {
			continue
		}
		var there, here hashSum
		rows, counted := 0, 0
		must(t, s.sumThere(t.Context(), c, func(n int, part hashSum) error {
			counted += n
			there.add(part)
			return nil
		}))
		must(t, s.rows(t.Context(), c, "", func(_ []sql.RawBytes, hash [sha256.Size]byte) error {
			rows++
			here.add(sumOf(hash))
			return nil
		}))
		if there != here || counted != rows {
			t.Errorf("%s: the sum of %d rows is %x, want that of %d: %x", c.table, counted, there, rows, here)
		}
	}
	if _, err := m.db.read().one(t.Context(), []any{new([]byte)}, `SELECT `+rowsSum+`(1.5)`); err == nil {
		t.Error("a column of a kind that there is not has a sum")
	}
}
