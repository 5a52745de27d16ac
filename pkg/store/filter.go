package store

import (
	"errors"
	"fmt"
	"strings"
)

// errLimit is a defect of the caller.
var errLimit = errors.New("the limit of a page must be positive")

// where collects the conditions of a query. Only what is asked for becomes a condition, so that the database sees which
// index fits.
type where struct {
	terms []string
	args  []any
}

// add adds a condition that compares with an argument, which stands as %s in it.
func (w *where) add(term string, arg any) { w.terms = append(w.terms, w.bind(term, arg)) }

// bind adds the argument alone and returns the condition.
func (w *where) bind(term string, arg any) string {
	w.args = append(w.args, arg)
	return fmt.Sprintf(term, w.param(len(w.args)))
}

// equal adds that a column has the value from outside, unless that is empty.
func (w *where) equal(column, value string) {
	if value != "" {
		w.add(column+" = %s", reference(value))
	}
}

// is adds that a column of truth values is as wanted, unless that is nil. It compares with an argument, so that no index of some of the
// values is chosen for it.
func (w *where) is(column string, wanted *bool) {
	if wanted != nil {
		w.add(column+" = %s", *wanted)
	}
}

func (w *where) param(n int) string { return fmt.Sprintf("$%d", n) }

func (w *where) String() string { return " WHERE " + strings.Join(w.terms, " AND ") }

// limit returns the clause for one row more than a page has, which tells whether another page follows.
func (w *where) limit(n int) string {
	w.args = append(w.args, n+1)
	return " LIMIT " + w.param(len(w.args))
}

// page cuts the rows to the limit and reports whether there was one more.
func page[T any](rows []T, limit int) ([]T, bool) {
	if len(rows) <= limit {
		return rows, false
	}
	return rows[:limit], true
}
