package store

import (
	"context"
	"time"

	"github.com/verdict-stream/verdict/pkg/verification"
)

const (
	selectDue = `SELECT id, sandbox, due_at FROM lifecycle_record
		WHERE provider = $1 AND due_at <= $2 ORDER BY due_at, id, sandbox LIMIT $3`
	selectRetained = `SELECT id, sandbox, retain_until FROM lifecycle_record
		WHERE provider = $1 AND retain_until <= $2 ORDER BY retain_until, id, sandbox LIMIT $3`
)

// Due is a verification whose deadline passes at a time, and that is not overdue yet.
type Due struct {
	ID      verification.ID
	Sandbox bool
	At      time.Time
}

// Due returns the verifications whose deadline passes at the given time or before, oldest first.
func (l *Lifecycle) Due(ctx context.Context, before time.Time, limit int) ([]Due, error) {
	due, err := list(ctx, l.db.read(), func(scan scanner) (d Due, err error) {
		d.ID, d.Sandbox, d.At, err = scanDate(scan)
		return d, err
	}, selectDue, l.key, micros(before), limit)
	return due, wrap("read deadlines", err)
}

// Retained is a verification whose personal data has to go at a time.
type Retained struct {
	ID      verification.ID
	Sandbox bool
	Until   time.Time
}

// Retained returns the verifications whose personal data has to go at the given time or before, oldest first.
func (l *Lifecycle) Retained(ctx context.Context, before time.Time, limit int) ([]Retained, error) {
	retained, err := list(ctx, l.db.read(), func(scan scanner) (r Retained, err error) {
		r.ID, r.Sandbox, r.Until, err = scanDate(scan)
		return r, err
	}, selectRetained, l.key, micros(before), limit)
	return retained, wrap("read retention", err)
}

// scanDate reads a verification and a time.
func scanDate(scan scanner) (id verification.ID, sandbox bool, at time.Time, err error) {
	var text string
	var us int64
	if err := scan(&text, &sandbox, &us); err != nil {
		return verification.ID{}, false, time.Time{}, err
	}
	id, err = decodeID(text)
	return id, sandbox, instant(us), err
}
