package store

import (
	"context"
	"encoding/json"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// ClaimsRow is the sealed personal data of one verification.
type ClaimsRow struct {
	// Signal is the one whose claims these are, or were.
	Signal verification.Signal
	// Key is the wrapped key that Sealed was sealed with; both are nil where there are no claims, or none any more.
	Key, Sealed []byte
	// AnonymizedThrough is the position in the stream of deliveries up to which claims must never be written again.
	AnonymizedThrough uint64
}

// Claims returns the claims of a verification. Errors: ErrNotFound where none were ever written or destroyed.
func (m *ReadModel) Claims(ctx context.Context, id string, sandbox bool) (ClaimsRow, error) {
	from := m.db.reader.now()
	row, found, err := readClaims(ctx, m.db.read(), "", reference(id), sandbox)
	if err == nil && len(row.Sealed) == 0 && m.follower.moved(ctx, from) {
		// They may have been destroyed in a read model that was in use until just now.
		row, found, err = readClaims(ctx, m.db.read(), "", reference(id), sandbox)
	}
	if err == nil && !found {
		err = ErrNotFound
	}
	return row, wrap("read claims", err)
}

// UpdateClaims replaces the claims of a verification by what fn makes of them, in one transaction; nil leaves them as they
// are, and an error of fn is returned as it is. fn may run on another goroutine and again, see Lifecycle.Update. Whatever fn returns, AnonymizedThrough never goes back, and of a signal up
// to that position only the signal is kept, so that it keeps its place in the order of signals.
func (m *ReadModel) UpdateClaims(ctx context.Context, id string, sandbox bool, fn func(current ClaimsRow) (next *ClaimsRow, err error)) error {
	destroyed := false
	err := m.db.update(ctx, func(s statements) error {
		destroyed = false
		made, err := m.lockClaims(ctx, s, id, sandbox)
		if err != nil {
			return wrap("update claims", err)
		}
		current, _, err := readClaims(ctx, s, m.db.forUpdate(), id, sandbox)
		if err != nil {
			return wrap("update claims", err)
		}
		next, err := fn(current)
		if err != nil {
			return err
		}
		if next == nil && made {
			_, err = s.exec(ctx, `DELETE FROM claims WHERE id = $1 AND sandbox = $2`, id, sandbox)
		}
		if next == nil {
			return wrap("update claims", err)
		}
		written := next.after(current)
		destroyed = current.Key != nil && written.Key == nil
		_, err = writeClaims(ctx, s, id, sandbox, written, replaceClaims)
		return wrap("update claims", err)
	})
	if err == nil && destroyed {
		return wrap("update claims", m.db.forget(ctx))
	}
	return err
}

// after returns the row as it may be written in the place of another.
func (c ClaimsRow) after(current ClaimsRow) ClaimsRow {
	c.AnonymizedThrough = max(c.AnonymizedThrough, current.AnonymizedThrough)
	if c.AnonymizedThrough > 0 && c.Signal.Seq <= c.AnonymizedThrough {
		c.Key, c.Sealed = nil, nil
	}
	return c
}

// lockClaims keeps other transactions from writing the claims of a verification, for which PostgreSQL needs a row. It reports whether it
// has made an empty one. A transaction of SQLite has the file for itself.
func (m *ReadModel) lockClaims(ctx context.Context, s statements, id string, sandbox bool) (made bool, err error) {
	if !m.db.postgres() {
		return false, nil
	}
	n, err := s.exec(ctx, `INSERT INTO claims (id, sandbox) VALUES ($1, $2) ON CONFLICT (id, sandbox) DO NOTHING`, id, sandbox)
	return n > 0, err
}

func readClaims(ctx context.Context, s statements, lock, id string, sandbox bool) (row ClaimsRow, found bool, err error) {
	var signal string
	found, err = s.one(ctx, []any{&signal, &row.Sealed, &row.Key, &row.AnonymizedThrough},
		`SELECT signal, sealed, wrapped, anonymized_through FROM claims WHERE id = $1 AND sandbox = $2`+lock, id, sandbox)
	if err != nil || !found {
		return ClaimsRow{}, false, err
	}
	return row, true, decode(signal, &row.Signal)
}

// insertMark inserts a row that says no more than up to where claims are gone.
const insertMark = `INSERT INTO claims (id, sandbox, anonymized_through)`

const insertClaims = `INSERT INTO claims (id, sandbox, signal, signal_seq, sealed, wrapped, anonymized_through)`

// What writeClaims does where there is a row already.
const (
	keepClaims    = ` ON CONFLICT (id, sandbox) DO NOTHING`
	replaceClaims = ` ON CONFLICT (id, sandbox) DO UPDATE SET signal = excluded.signal, signal_seq = excluded.signal_seq, sealed = excluded.sealed,
		wrapped = excluded.wrapped, anonymized_through = excluded.anonymized_through`
)

// writeClaims reports whether it has written the row.
func writeClaims(ctx context.Context, s statements, id string, sandbox bool, row ClaimsRow, known string) (bool, error) {
	columns, err := row.columns(id, sandbox)
	if err != nil {
		return false, err
	}
	n, err := s.exec(ctx, insertClaims+` VALUES ($1, $2, $3, $4, $5, $6, $7)`+known, columns...)
	return n > 0, err
}

// columns are the values of insertClaims.
func (c *ClaimsRow) columns(id string, sandbox bool) ([]any, error) {
	signal, err := json.Marshal(c.Signal)
	if err != nil {
		return nil, errUnreadable
	}
	return []any{id, sandbox, string(signal), int64(c.Signal.Seq), optionalBytes(c.Sealed), optionalBytes(c.Key), int64(c.AnonymizedThrough)}, nil
}

// optionalBytes is NULL for nil.
func optionalBytes(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

// destroyClaims records that there must be no claims of deliveries up to a position, and destroys what there are. It
// reports whether there were any.
func destroyClaims(ctx context.Context, s statements, id string, sandbox bool, through uint64) (bool, error) {
	if through == 0 {
		return false, nil
	}
	_, err := s.exec(ctx, insertMark+` VALUES ($1, $2, $3)
		ON CONFLICT (id, sandbox) DO UPDATE SET anonymized_through = excluded.anonymized_through
		WHERE excluded.anonymized_through > claims.anonymized_through`, id, sandbox, int64(through))
	if err != nil {
		return false, err
	}
	n, err := s.exec(ctx, `
		UPDATE claims SET sealed = NULL, wrapped = NULL
		WHERE id = $1 AND sandbox = $2 AND signal_seq <= anonymized_through AND (sealed IS NOT NULL OR wrapped IS NOT NULL)`, id, sandbox)
	return n > 0, err
}

// forget makes what was deleted unreadable in the files of SQLite: deleted bytes are overwritten in the database file, and
// this empties the log beside it, which may still hold them. Readers may keep it from doing so; then the next one does. While there is a
// snapshot, nobody waits for it: its end has the log emptied. PostgreSQL reclaims deleted rows by itself.
func (d *database) forget(ctx context.Context) error {
	if d.postgres() {
		return nil
	}
	if d.snapshots.Load() > 0 {
		d.forgetful.Store(true)
		return nil
	}
	var busy, logged, moved int64
	_, err := d.write().one(ctx, []any{&busy, &logged, &moved}, `PRAGMA wal_checkpoint(TRUNCATE)`)
	return err
}
