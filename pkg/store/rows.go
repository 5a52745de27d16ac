package store

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// rowsTogether are how many rows one statement inserts, the most first. They are few numbers, so that few statements are to be prepared.
var rowsTogether = []int{64, 8, 1}

// insertRows inserts rows, many with one statement, and returns how many it has written. Where one is there already is what conflict tells;
// it may tell to change it only where no two of the rows are the same one.
func (d *database) insertRows(ctx context.Context, s statements, into, conflict string, rows [][]any) (written int64, err error) {
	for len(rows) > 0 {
		count := rowsTogether[slices.IndexFunc(rowsTogether, func(n int) bool { return n <= len(rows) })]
		args := slices.Concat(rows[:count]...)
		n, err := s.exec(ctx, d.insertion(into, conflict, count, len(rows[0])), args...)
		if err != nil {
			return written, err
		}
		written += n
		rows = rows[count:]
	}
	return written, nil
}

// insertions are the texts of statements that insert many rows, by what they are made of. They are few.
var insertions sync.Map

// insertion returns the statement that inserts so many rows of so many columns.
func (d *database) insertion(into, conflict string, rows, columns int) string {
	type parts struct {
		into, conflict string
		rows           int
		postgres       bool
	}
	of := parts{into: into, conflict: conflict, rows: rows, postgres: d.postgres()}
	if known, ok := insertions.Load(of); ok {
		return known.(string)
	}
	var b strings.Builder
	b.WriteString(into + " VALUES ")
	for n := range rows * columns {
		switch {
		case n == 0:
			b.WriteString("(")
		case n%columns == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		// SQLite looks each name up among all others: parameters by their places alone have none.
		if of.postgres {
			b.WriteString("$" + strconv.Itoa(n+1))
		} else {
			b.WriteString("?")
		}
	}
	b.WriteString(")" + conflict)
	insertions.Store(of, b.String())
	return b.String()
}
