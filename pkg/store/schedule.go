package store

import (
	"context"
	"time"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// Dates are when something happens to a verification by itself; the zero time is never.
type Dates struct {
	Due         time.Time // it becomes overdue
	RetainUntil time.Time // its personal data has to go
}

// rescheduleChunk bounds the verifications of one transaction, so that others do not wait long for it.
const rescheduleChunk = 200

const (
	selectSchedule = `SELECT settings FROM lifecycle_schedule WHERE provider = $1`
	selectChunk    = `SELECT id, sandbox, version, state, signals, due_at, retain_until FROM lifecycle_record
		WHERE provider = $1 AND (id, sandbox) > ($2, $3) ORDER BY id, sandbox LIMIT $4`
)

// Reschedule gives every verification the dates that it has under the settings, unless it was the same settings the last time, which
// costs one look. What Save writes meanwhile must follow from them already. dates may be called again for the same verification, and
// must do nothing but say. Where Reschedule does not come to its end, the next one looks at all verifications again, whatever its settings.
func (l *Lifecycle) Reschedule(ctx context.Context, settings string, dates func(*verification.Record) Dates) error {
	return wrap("reschedule", l.reschedule(ctx, settings, dates))
}

func (l *Lifecycle) reschedule(ctx context.Context, settings string, dates func(*verification.Record) Dates) error {
	var known string
	found, err := l.db.read().one(ctx, []any{&known}, selectSchedule, l.key)
	if err != nil || found && known == settings {
		return err
	}
	err = l.Update(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, `DELETE FROM lifecycle_schedule WHERE provider = $1`, l.key)
		return err
	})
	if err != nil {
		return err
	}
	for last := (dated{record: &verification.Record{}}); ; {
		var chunk []dated
		err := l.Update(ctx, func(tx *Tx) (err error) {
			chunk, err = tx.reschedule(ctx, last, dates)
			return err
		})
		if err != nil {
			return err
		}
		if len(chunk) < rescheduleChunk {
			break
		}
		last = chunk[len(chunk)-1]
	}
	return l.Update(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, `INSERT INTO lifecycle_schedule (provider, settings) VALUES ($1, $2)`, l.key, settings)
		return err
	})
}

// dated is a verification with its dates as they are stored.
type dated struct {
	id               string
	record           *verification.Record
	due, retainUntil *int64
}

// reschedule gives the verifications behind another their dates, and returns them.
func (tx *Tx) reschedule(ctx context.Context, last dated, dates func(*verification.Record) Dates) ([]dated, error) {
	chunk, err := list(ctx, tx.statements, scanDated, selectChunk, tx.key, last.id, last.record.Sandbox, rescheduleChunk)
	if err != nil {
		return nil, err
	}
	for _, d := range chunk {
		next := dates(d.record)
		if same(d.due, next.Due) && same(d.retainUntil, next.RetainUntil) {
			continue
		}
		_, err := tx.exec(ctx, `UPDATE lifecycle_record SET due_at = $4, retain_until = $5 WHERE provider = $1 AND id = $2 AND sandbox = $3`,
			tx.key, d.id, d.record.Sandbox, optionalMicros(next.Due), optionalMicros(next.RetainUntil))
		if err != nil {
			return nil, err
		}
	}
	return chunk, nil
}

func same(stored *int64, date time.Time) bool {
	if stored == nil || date.IsZero() {
		return stored == nil && date.IsZero()
	}
	return *stored == micros(date)
}

func scanDated(scan scanner) (dated, error) {
	d := dated{record: &verification.Record{}}
	var state, signals string
	err := scan(&d.id, &d.record.Sandbox, &d.record.Version, &state, &signals, &d.due, &d.retainUntil)
	if err == nil {
		d.record.ID, err = decodeID(d.id)
	}
	if err == nil {
		err = decodeRecord(d.record, state, signals)
	}
	return d, err
}
