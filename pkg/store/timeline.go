package store

import (
	"context"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// EventFilter chooses events of all verifications by what the event says. An empty field chooses all, but for Sandbox: the two
// streams are never mixed.
type EventFilter struct {
	Provider, Kind, Applicant, ExternalReference string

	Scope          verification.Scope
	Status         verification.Status
	Published      string // the status that it was published under
	Final, Overdue *bool
	Sandbox        bool
}

// EventPage is a part of the events that a filter chooses, by sequence.
type EventPage struct {
	Rows     []EventRow
	Through  uint64 // everything up to this sequence was considered
	Identity string // of the stream; empty where nothing of it is in the tables
}

const selectTimeline = `SELECT sequence, published, stored_at, data FROM verification_event
	WHERE sandbox = $1 AND sequence > $2 AND sequence <= $3 ORDER BY sequence LIMIT $4`

// Timeline returns what the filter chooses of the events after a sequence; it looks at no more than limit events, at least 1. Events
// beyond AsOf are left out: one that is missing before them may still come. So whoever goes on from Through misses none and sees none
// twice.
func (m *ReadModel) Timeline(ctx context.Context, f EventFilter, after uint64, limit int) (EventPage, error) {
	if limit < 1 {
		return EventPage{}, wrap("read timeline", errLimit)
	}
	progress, err := m.Followed(ctx, f.Sandbox)
	if err != nil {
		return EventPage{}, wrap("read timeline", err)
	}
	asOf := progress.Sequence
	if asOf <= after {
		return EventPage{Through: after, Identity: progress.Identity}, nil
	}
	rows, err := list(ctx, m.db.read(), func(scan scanner) (EventRow, error) { return scanEvent(scan, f.Sandbox) },
		selectTimeline, f.Sandbox, int64(after), int64(asOf), limit)
	if err != nil {
		return EventPage{}, wrap("read timeline", err)
	}
	page := EventPage{Through: asOf, Identity: progress.Identity}
	if len(rows) == limit {
		page.Through = rows[limit-1].Sequence
	}
	for _, row := range rows {
		if f.chooses(row) {
			page.Rows = append(page.Rows, row)
		}
	}
	return page, nil
}

// chooses reports whether the event is as the filter says. The index is by sequence alone: whoever follows reads every event once.
func (f EventFilter) chooses(e EventRow) bool {
	v := &e.Data
	return agrees(f.Provider, v.Provider) && agrees(f.Kind, v.Kind) && agrees(f.Scope, v.Scope) && agrees(f.Status, v.Status) &&
		agrees(f.Published, e.Published) &&
		(f.Applicant == "" || v.Applicant != nil && *v.Applicant == f.Applicant) &&
		(f.ExternalReference == "" || v.ExternalReference != nil && *v.ExternalReference == f.ExternalReference) &&
		(f.Final == nil || *f.Final == v.Final) && (f.Overdue == nil || *f.Overdue == v.Overdue)
}

// agrees reports whether a value is the wanted one, or none is wanted.
func agrees[T ~string](wanted, value T) bool { return wanted == "" || wanted == value }
