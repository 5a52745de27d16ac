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
	row, found, err := readClaims(ctx, m.db.read(), "", reference(id), sandbox)
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
		made, err := s.exec(ctx, `INSERT INTO claims (id, sandbox) VALUES ($1, $2) ON CONFLICT (id, sandbox) DO NOTHING`, id, sandbox)
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
		if next == nil && made > 0 {
			_, err = s.exec(ctx, `DELETE FROM claims WHERE id = $1 AND sandbox = $2`, id, sandbox)
		}
		if next == nil {
			return wrap("update claims", err)
		}
		written := *next
		written.AnonymizedThrough = max(next.AnonymizedThrough, current.AnonymizedThrough)
		if written.AnonymizedThrough > 0 && written.Signal.Seq <= written.AnonymizedThrough {
			written.Key, written.Sealed = nil, nil
		}
		destroyed = current.Key != nil && written.Key == nil
		return wrap("update claims", writeClaims(ctx, s, id, sandbox, written))
	})
	if err == nil && destroyed {
		return wrap("update claims", m.db.forget(ctx))
	}
	return err
}

func readClaims(ctx context.Context, s statements, lock, id string, sandbox bool) (row ClaimsRow, found bool, err error) {
	var signal string
	found, err = s.one(ctx, []any{&signal, &row.Sealed, &row.AnonymizedThrough},
		`SELECT signal, sealed, anonymized_through FROM claims WHERE id = $1 AND sandbox = $2`+lock, id, sandbox)
	if err != nil || !found {
		return ClaimsRow{}, false, err
	}
	if err := decode(signal, &row.Signal); err != nil {
		return ClaimsRow{}, false, err
	}
	_, err = s.one(ctx, []any{&row.Key}, `SELECT wrapped FROM claims_key WHERE id = $1 AND sandbox = $2`, id, sandbox)
	return row, true, err
}

func writeClaims(ctx context.Context, s statements, id string, sandbox bool, row ClaimsRow) error {
	signal, err := json.Marshal(row.Signal)
	if err != nil {
		return errUnreadable
	}
	var sealed any
	if row.Sealed != nil {
		sealed = row.Sealed
	}
	_, err = s.exec(ctx, `UPDATE claims SET signal = $3, signal_seq = $4, sealed = $5, anonymized_through = $6 WHERE id = $1 AND sandbox = $2`,
		id, sandbox, string(signal), int64(row.Signal.Seq), sealed, int64(row.AnonymizedThrough))
	if err != nil {
		return err
	}
	if row.Key == nil {
		_, err = s.exec(ctx, `DELETE FROM claims_key WHERE id = $1 AND sandbox = $2`, id, sandbox)
		return err
	}
	_, err = s.exec(ctx, `
		INSERT INTO claims_key (id, sandbox, wrapped) VALUES ($1, $2, $3)
		ON CONFLICT (id, sandbox) DO UPDATE SET wrapped = excluded.wrapped`, id, sandbox, row.Key)
	return err
}

// destroyClaims records that there must be no claims of deliveries up to a position, and destroys what there are. It
// reports whether there were any.
func destroyClaims(ctx context.Context, s statements, id string, sandbox bool, through uint64) (bool, error) {
	if through == 0 {
		return false, nil
	}
	_, err := s.exec(ctx, `
		INSERT INTO claims (id, sandbox, anonymized_through) VALUES ($1, $2, $3)
		ON CONFLICT (id, sandbox) DO UPDATE SET anonymized_through = excluded.anonymized_through
		WHERE excluded.anonymized_through > claims.anonymized_through`, id, sandbox, int64(through))
	if err != nil {
		return false, err
	}
	n, err := s.exec(ctx, `
		UPDATE claims SET sealed = NULL
		WHERE id = $1 AND sandbox = $2 AND signal_seq <= anonymized_through AND sealed IS NOT NULL`, id, sandbox)
	if err != nil || n == 0 {
		return false, err
	}
	_, err = s.exec(ctx, `DELETE FROM claims_key WHERE id = $1 AND sandbox = $2`, id, sandbox)
	return true, err
}

// forget makes what was deleted unreadable in the files of SQLite: deleted bytes are overwritten in the database file, and
// this empties the log beside it, which may still hold them. Readers may keep it from doing so; then the next one does.
// PostgreSQL reclaims deleted rows by itself.
func (d *database) forget(ctx context.Context) error {
	if d.postgres() {
		return nil
	}
	var busy, logged, moved int64
	_, err := d.write().one(ctx, []any{&busy, &logged, &moved}, `PRAGMA wal_checkpoint(TRUNCATE)`)
	return err
}
