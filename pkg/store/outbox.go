package store

import (
	"context"
	"slices"
	"strings"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// OutboxRow is one event that waits to be published.
type OutboxRow struct {
	ID      int64 // given by Append; ascending, never used twice
	Lane    string
	EventID string // `<verification id>@<version>`; no two rows of a lane have the same
	Subject string
	Header  map[string][]string
	Data    []byte
}

// Append adds rows to the end of the outbox. Their ID is not read.
func (tx *Tx) Append(ctx context.Context, rows ...OutboxRow) error {
	if len(rows) == 0 {
		return nil
	}
	first, err := tx.numbers.take(ctx, tx, int64(len(rows)))
	if err != nil {
		return wrap("append to the outbox", err)
	}
	for i, row := range rows {
		header, err := encodeHeader(row.Header)
		if err != nil {
			return wrap("append to the outbox", errUnreadable)
		}
		row.ID, row.Data = first+int64(i), notNull(row.Data)
		_, err = tx.exec(ctx, `
			INSERT INTO lifecycle_outbox (provider, id, lane, event_id, verification, subject, header, data)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			tx.key, row.ID, row.Lane, row.EventID, verificationOf(row.EventID), row.Subject, header, row.Data)
		if err != nil {
			return wrap("append to the outbox", err)
		}
		tx.numbers.given = append(tx.numbers.given, row)
	}
	return nil
}

// reservedNumbers is how many numbers a transaction reserves at a time. Those that it does not give are never given.
const reservedNumbers = 256

// numbers are those that the transaction under way has reserved for rows of the outbox, and the rows that were given one.
type numbers struct {
	next, end int64
	given     []OutboxRow
}

// take returns the first of n numbers that follow each other.
func (r *numbers) take(ctx context.Context, tx *Tx, n int64) (int64, error) {
	if r.end-r.next < n {
		reserved := max(n, reservedNumbers)
		var last int64
		_, err := tx.one(ctx, []any{&last}, `
			INSERT INTO lifecycle_sequence (provider, last) VALUES ($1, $2)
			ON CONFLICT (provider) DO UPDATE SET last = lifecycle_sequence.last + excluded.last
			RETURNING last`, tx.key, reserved)
		if err != nil {
			return 0, err
		}
		r.next, r.end = last-reserved+1, last+1
	}
	first := r.next
	r.next += n
	return first, nil
}

// verificationOf is the part of an event's id that names its verification. The sign never occurs in one.
func verificationOf(eventID string) string {
	id, _, _ := strings.Cut(eventID, "@")
	return id
}

// notNull keeps a driver from taking no bytes for NULL.
func notNull(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

const (
	selectWaiting = `SELECT id FROM lifecycle_outbox WHERE provider = $1 AND lane = $2 AND id > $3 ORDER BY id LIMIT $4`
	selectRows    = `SELECT id, lane, event_id, subject, header, data FROM lifecycle_outbox
		WHERE provider = $1 AND lane = $2 AND id BETWEEN $3 AND $4 ORDER BY id`
	selectOutbox = `SELECT id, lane, event_id, subject, header, data FROM lifecycle_outbox
		WHERE provider = $1 AND lane = $2 AND verification = $3 ORDER BY id`
)

// Outbox returns the rows of one verification in a lane, in order.
func (tx *Tx) Outbox(ctx context.Context, lane string, id verification.ID) ([]OutboxRow, error) {
	rows, err := list(ctx, tx.statements, scanOutboxRow, selectOutbox, tx.key, lane, id.String())
	return rows, wrap("read the outbox", err)
}

// DropOutbox deletes the rows of these events from a lane; those that are not there are no error.
func (tx *Tx) DropOutbox(ctx context.Context, lane string, eventIDs ...string) error {
	for _, id := range eventIDs {
		_, err := tx.exec(ctx, `DELETE FROM lifecycle_outbox WHERE provider = $1 AND lane = $2 AND event_id = $3`, tx.key, lane, id)
		if err != nil {
			return wrap("drop from the outbox", err)
		}
	}
	return nil
}

// Waiting returns the first rows of a lane whose id is above after, in order. Nothing of a transaction under way is in it.
func (l *Lifecycle) Waiting(ctx context.Context, lane string, after int64, limit int) ([]OutboxRow, error) {
	ids, err := list(ctx, l.db.read(), func(scan scanner) (id int64, err error) {
		err = scan(&id)
		return id, err
	}, selectWaiting, l.key, lane, after, limit)
	if err != nil {
		return nil, wrap("read the outbox", err)
	}
	rows := l.recent.take(ids)
	err = l.complete(ctx, lane, ids, rows)
	// What was deleted meanwhile waits no more.
	return slices.DeleteFunc(rows, func(row OutboxRow) bool { return row.ID == 0 }), wrap("read the outbox", err)
}

// complete reads the rows that are missing.
func (l *Lifecycle) complete(ctx context.Context, lane string, ids []int64, rows []OutboxRow) error {
	missing := func(row OutboxRow) bool { return row.ID == 0 }
	first := slices.IndexFunc(rows, missing)
	if first < 0 {
		return nil
	}
	last := len(rows) - 1
	for !missing(rows[last]) {
		last--
	}
	read, err := list(ctx, l.db.read(), scanOutboxRow, selectRows, l.key, lane, ids[first], ids[last])
	if err != nil {
		return err
	}
	for _, row := range read {
		if i, found := slices.BinarySearch(ids, row.ID); found {
			rows[i] = row
		}
	}
	return nil
}

// MarkPublished deletes the rows of a lane up to an id and records that the stream holds them up to the position lastSeq.
func (l *Lifecycle) MarkPublished(ctx context.Context, lane string, through int64, lastSeq uint64) error {
	err := l.Update(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, `DELETE FROM lifecycle_outbox WHERE provider = $1 AND lane = $2 AND id <= $3`, tx.key, lane, through)
		if err != nil {
			return err
		}
		return tx.advance(ctx, lane, lastSeq)
	})
	return wrap("mark as published", err)
}

// DropRow deletes a row that can never be published.
func (l *Lifecycle) DropRow(ctx context.Context, id int64) error {
	err := l.Update(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, `DELETE FROM lifecycle_outbox WHERE provider = $1 AND id = $2`, tx.key, id)
		return err
	})
	return wrap("drop from the outbox", err)
}

func scanOutboxRow(scan scanner) (OutboxRow, error) {
	var row OutboxRow
	var header string
	if err := scan(&row.ID, &row.Lane, &row.EventID, &row.Subject, &header, &row.Data); err != nil {
		return OutboxRow{}, err
	}
	var err error
	row.Header, err = decodeHeader(header)
	return row, err
}
