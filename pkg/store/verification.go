package store

import (
	"context"
	"time"

	"github.com/verdict-stream/verdict/pkg/event"
)

// VerificationFilter chooses verifications. An empty field chooses all, but for Sandbox: the two sets are never mixed.
type VerificationFilter struct {
	Provider, Kind, Scope, Status, Applicant, ExternalReference string

	Final, Overdue *bool
	Sandbox        bool
	UpdatedSince   time.Time
	After          uint64 // the Next of the page before
	Limit          int    // of one page, at least 1
}

// VerificationPage is a part of what a filter chooses, by the sequence of the latest event. A verification that changes
// while the pages are read comes again on a later one.
type VerificationPage struct {
	Rows []VerificationRow
	Next uint64 // the After of the next page; 0 where there is none
	AsOf uint64 // everything in the stream up to this sequence was considered
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
	query, args := f.query()
	rows, err := list(ctx, m.db.read(), scanVerification, query, args...)
	if err != nil {
		return VerificationPage{}, wrap("list verifications", err)
	}
	result := VerificationPage{AsOf: asOf}
	var more bool
	if result.Rows, more = page(rows, f.Limit); more {
		result.Next = result.Rows[f.Limit-1].Sequence
	}
	return result, nil
}

const selectVerification = `SELECT sequence, updated_at, sandbox, data FROM verification`

// query returns the statement for one page and one row more.
func (f VerificationFilter) query() (string, []any) {
	var w where
	w.add("sandbox = %s", f.Sandbox)
	if !f.UpdatedSince.IsZero() {
		w.add("updated_at >= %s", micros(f.UpdatedSince))
	}
	// A person or a case has few verifications: by them the search goes, and an index of the others must not tempt.
	few := f.Applicant != "" || f.ExternalReference != ""
	other := func(column string) string { return column }
	if few {
		other = func(column string) string { return "COALESCE(" + column + ", '')" }
	}
	if few || f.After > 0 || f.UpdatedSince.IsZero() {
		w.add("sequence > %s", int64(f.After))
	} else {
		// Where to begin in the order of sequences is looked up by time, so that what is older is not read.
		w.terms = append(w.terms, "sequence >= (SELECT min(sequence) FROM verification"+w.String()+")")
	}
	w.equal("applicant", f.Applicant)
	w.equal("external_reference", f.ExternalReference)
	w.equal(other("provider"), f.Provider)
	w.equal(other("kind"), f.Kind)
	w.equal("scope", f.Scope)
	w.equal(other("status"), f.Status)
	w.is("final", f.Final)
	w.is("overdue", f.Overdue)
	query := selectVerification + w.String() + " ORDER BY sequence" + w.limit(f.Limit)
	return query, w.args
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
