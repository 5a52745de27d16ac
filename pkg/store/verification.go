package store

import (
	"context"
	"errors"
	"time"

	"github.com/verdict-stream/verdict/pkg/event"
)

// VerificationFilter chooses verifications. An empty field chooses all, but for Sandbox: the two sets are never mixed.
type VerificationFilter struct {
	Provider, Kind, Scope, Status, Applicant, ExternalReference string

	Final, Overdue *bool
	Sandbox        bool
	UpdatedSince   time.Time
	After          VerificationCursor // the Next of the page before
	Limit          int                // of one page, at least 1
}

// VerificationPage is a part of what a filter chooses, by the sequence of the latest event. A verification that changes while the pages are
// read comes again on a later one. Whoever reads to the last page has seen, at least once, all that has an event up to that page's AsOf.
type VerificationPage struct {
	Rows []VerificationRow
	Next VerificationCursor // the After of the next page; zero where there is none
	AsOf uint64             // everything in the stream up to this sequence was considered
}

// VerificationCursor is a place between two pages. The zero value is before the first.
//
// Events are not written in the order of their sequences, so behind a row beyond AsOf another one may still appear before it. Such rows are
// shown, since they may be all that tells of a verification, but the place is only kept for as long as AsOf does not move. Then what lies
// beyond its old position is read again.
type VerificationCursor struct {
	Through uint64 // a position up to which nothing will be written any more, and all was shown
	Ahead   uint64 // the position of the last row, where that is greater; else 0
}

// IsZero reports whether the cursor is before the first page, or after the last.
func (c VerificationCursor) IsZero() bool { return c == VerificationCursor{} }

// from returns the sequence after which to go on.
func (c VerificationCursor) from(asOf uint64) uint64 {
	if asOf > c.Through {
		return c.Through
	}
	return max(c.Through, c.Ahead)
}

// next returns the cursor behind a row.
func (c VerificationCursor) next(asOf, sequence uint64) VerificationCursor {
	if sequence <= asOf {
		return VerificationCursor{Through: sequence}
	}
	return VerificationCursor{Through: max(c.Through, asOf), Ahead: sequence}
}

// VerificationRow is the current state of one verification.
type VerificationRow struct {
	Sequence  uint64    // of its latest event
	UpdatedAt time.Time // when the stream stored that event
	Sandbox   bool
	Data      event.Verification
}

// Verifications returns a page of what the filter chooses.
func (m *ReadModel) Verifications(ctx context.Context, f VerificationFilter) (VerificationPage, error) {
	if f.Limit < 1 {
		return VerificationPage{}, wrap("list verifications", errLimit)
	}
	// Read first, so that the rows hold at least what it promises.
	asOf, err := m.AsOf(ctx, f.Sandbox)
	if err != nil {
		return VerificationPage{}, wrap("list verifications", err)
	}
	result := VerificationPage{AsOf: asOf}
	query, args, err := m.query(ctx, f, f.After.from(asOf))
	if errors.Is(err, errNothing) {
		return result, nil
	}
	if err != nil {
		return VerificationPage{}, wrap("list verifications", err)
	}
	rows, err := list(ctx, m.db.read(), scanVerification, query, args...)
	if err != nil {
		return VerificationPage{}, wrap("list verifications", err)
	}
	var more bool
	if result.Rows, more = page(rows, f.Limit); more {
		result.Next = f.After.next(asOf, result.Rows[f.Limit-1].Sequence)
	}
	return result, nil
}

const selectVerification = `SELECT sequence, updated_at, sandbox, data FROM verification`

const selectSince = `SELECT min(sequence) FROM verification WHERE sandbox = $1 AND updated_at >= $2`

// query returns the statement for one page and one row more, of what comes after a sequence. Errors: errNothing.
//
// Which index serves best is decided here, by what the columns mean; the others are kept from being tempting. Whatever the filter says, no
// more rows are read than it chooses, or than a person, a case or the overdue ones have.
func (m *ReadModel) query(ctx context.Context, f VerificationFilter, from uint64) (string, []any, error) {
	few := f.Applicant != "" || f.ExternalReference != "" || f.Overdue != nil && *f.Overdue
	if !few && from == 0 && !f.UpdatedSince.IsZero() {
		// Where to begin in the order of sequences is looked up by time, so that what is older is not read.
		var since *uint64
		_, err := m.db.read().one(ctx, []any{&since}, selectSince, f.Sandbox, micros(f.UpdatedSince))
		if err == nil && since == nil {
			err = errNothing
		}
		if err != nil {
			return "", nil, err
		}
		from = max(*since, 1) - 1
	}
	if few {
		query, args := f.queryFew(from)
		return query, args, nil
	}
	if f.grouped() {
		groups, err := m.groups(ctx, f)
		if err != nil {
			return "", nil, err
		}
		return f.queryGroups(groups, from)
	}
	query, args := f.queryAll(from)
	return query, args, nil
}

// queryFew goes by the person, the case or the overdue ones, of which there are few.
func (f VerificationFilter) queryFew(from uint64) (string, []any) {
	var w where
	w.add("sandbox = %s", f.Sandbox)
	w.add("sequence > %s", int64(from))
	w.equal("applicant", f.Applicant)
	w.equal("external_reference", f.ExternalReference)
	if f.Overdue != nil && f.Applicant == "" && f.ExternalReference == "" {
		w.terms = append(w.terms, "overdue")
	} else {
		w.is("overdue", f.Overdue)
	}
	w.equal("COALESCE(provider, '')", f.Provider)
	w.equal("COALESCE(kind, '')", f.Kind)
	w.equal("COALESCE(scope, '')", f.Scope)
	w.equal("COALESCE(status, '')", f.Status)
	w.is("final", f.Final)
	if !f.UpdatedSince.IsZero() {
		w.add("COALESCE(updated_at, 0) >= %s", micros(f.UpdatedSince))
	}
	return selectVerification + w.String() + " ORDER BY sequence" + w.limit(f.Limit), w.args
}

// queryAll goes by the order of sequences. Of verifications that are not overdue, or were updated since what comes first was, nearly all
// are chosen.
func (f VerificationFilter) queryAll(from uint64) (string, []any) {
	var w where
	w.add("sandbox = %s", f.Sandbox)
	w.add("sequence > %s", int64(from))
	w.is("overdue", f.Overdue)
	if !f.UpdatedSince.IsZero() {
		w.add("COALESCE(updated_at, 0) >= %s", micros(f.UpdatedSince))
	}
	return selectVerification + w.String() + " ORDER BY sequence" + w.limit(f.Limit), w.args
}

// Verification returns one verification. Errors: ErrNotFound.
func (m *ReadModel) Verification(ctx context.Context, id string, sandbox bool) (VerificationRow, error) {
	rows, err := list(ctx, m.db.read(), scanVerification, selectVerification+` WHERE id = $1 AND sandbox = $2`, reference(id), sandbox)
	if err == nil && len(rows) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return VerificationRow{}, wrap("read verification", err)
	}
	return rows[0], nil
}

func scanVerification(scan scanner) (VerificationRow, error) {
	var row VerificationRow
	var updated int64
	var data string
	if err := scan(&row.Sequence, &updated, &row.Sandbox, &data); err != nil {
		return VerificationRow{}, err
	}
	row.UpdatedAt = instant(updated)
	return row, decode(data, &row.Data)
}
