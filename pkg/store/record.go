package store

import (
	"context"
	"encoding/json"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// Record returns the verification. Where there is none it returns an empty record, with Version 0.
func (tx *Tx) Record(ctx context.Context, id verification.ID, sandbox bool) (*verification.Record, error) {
	return record(ctx, tx.statements, tx.key, id, sandbox)
}

// Record is Tx.Record as of now.
func (l *Lifecycle) Record(ctx context.Context, id verification.ID, sandbox bool) (*verification.Record, error) {
	return record(ctx, l.db.read(), l.key, id, sandbox)
}

func record(ctx context.Context, s statements, provider string, id verification.ID, sandbox bool) (*verification.Record, error) {
	rec := &verification.Record{ID: id, Sandbox: sandbox}
	var state, signals string
	found, err := s.one(ctx, []any{&rec.Version, &state, &signals},
		`SELECT version, state, signals FROM lifecycle_record WHERE provider = $1 AND id = $2 AND sandbox = $3`,
		provider, id.String(), sandbox)
	if err == nil && found {
		err = decodeRecord(rec, state, signals)
	}
	if err != nil {
		return nil, wrap("read record", err)
	}
	return rec, nil
}

// Save writes the verification with its dates.
func (tx *Tx) Save(ctx context.Context, rec *verification.Record, dates Dates) error {
	state, err := json.Marshal(rec.State)
	if err != nil {
		return wrap("save record", errUnreadable)
	}
	signals, err := json.Marshal(rec.Signals)
	if err != nil {
		return wrap("save record", errUnreadable)
	}
	_, err = tx.exec(ctx, `
		INSERT INTO lifecycle_record (provider, id, sandbox, version, status, state, signals, due_at, retain_until)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (provider, id, sandbox) DO UPDATE SET
			version = excluded.version, status = excluded.status, state = excluded.state, signals = excluded.signals,
			due_at = excluded.due_at, retain_until = excluded.retain_until`,
		tx.key, rec.ID.String(), rec.Sandbox, rec.Version, string(rec.State.Status), string(state), string(signals),
		optionalMicros(dates.Due), optionalMicros(dates.RetainUntil))
	return wrap("save record", err)
}

// Records calls fn for every verification. It need not see what is written meanwhile.
func (l *Lifecycle) Records(ctx context.Context, fn func(*verification.Record) error) error {
	err := l.db.read().each(ctx, func(scan scanner) error {
		rec, err := scanRecord(scan)
		if err != nil {
			return err
		}
		return fn(rec)
	}, `SELECT id, sandbox, version, state, signals FROM lifecycle_record WHERE provider = $1 ORDER BY id, sandbox`, l.key)
	return wrap("read records", err)
}

// RecordKey names a verification: the sandbox has its own. The zero key comes before all others.
type RecordKey struct {
	ID      string
	Sandbox bool
}

// KeyOf is the key of a record.
func KeyOf(r *verification.Record) RecordKey { return RecordKey{r.ID.String(), r.Sandbox} }

const selectPage = `SELECT id, sandbox, version, state, signals FROM lifecycle_record
	WHERE provider = $1 AND (id, sandbox) > ($2, $3) ORDER BY id, sandbox LIMIT $4`

// Page returns the first verifications behind a key.
func (l *Lifecycle) Page(ctx context.Context, after RecordKey, limit int) ([]*verification.Record, error) {
	page, err := list(ctx, l.db.read(), scanRecord, selectPage, l.key, after.ID, after.Sandbox, limit)
	return page, wrap("read records", err)
}

// Count returns how many verifications there are.
func (l *Lifecycle) Count(ctx context.Context) (uint64, error) {
	var n int64
	_, err := l.db.read().one(ctx, []any{&n}, `SELECT count(*) FROM lifecycle_record WHERE provider = $1`, l.key)
	return uint64(n), wrap("count records", err)
}

func scanRecord(scan scanner) (*verification.Record, error) {
	rec := &verification.Record{}
	var id, state, signals string
	if err := scan(&id, &rec.Sandbox, &rec.Version, &state, &signals); err != nil {
		return nil, err
	}
	var err error
	if rec.ID, err = decodeID(id); err != nil {
		return nil, err
	}
	return rec, decodeRecord(rec, state, signals)
}

// decodeRecord reads the parts that are kept as JSON.
func decodeRecord(rec *verification.Record, state, signals string) error {
	if err := decode(state, &rec.State); err != nil {
		return err
	}
	return decode(signals, &rec.Signals)
}

// decode reads JSON; its error does not quote it.
func decode(text string, into any) error {
	if json.Unmarshal([]byte(text), into) != nil {
		return errUnreadable
	}
	return nil
}

func decodeID(text string) (verification.ID, error) {
	id, err := verification.ParseID(text)
	if err != nil {
		return verification.ID{}, errUnreadable
	}
	return id, nil
}

// Owner is the verification that a signed payload belongs to: the first one under which it was seen.
type Owner struct {
	Verification verification.ID
	Event        string // the event that it came with
	Seq          uint64 // the position of that delivery
}

// Owner returns the owner of a signal, and whether it has one.
func (tx *Tx) Owner(ctx context.Context, signal string) (Owner, bool, error) {
	var o Owner
	var id string
	found, err := tx.one(ctx, []any{&id, &o.Event, &o.Seq},
		`SELECT verification, event, seq FROM lifecycle_owner WHERE provider = $1 AND signal = $2`, tx.key, signal)
	if err == nil && found {
		o.Verification, err = decodeID(id)
	}
	if err != nil || !found {
		return Owner{}, false, wrap("read owner", err)
	}
	return o, true, nil
}

// DropOwner forgets whose a signal is.
func (tx *Tx) DropOwner(ctx context.Context, signal string) error {
	_, err := tx.exec(ctx, `DELETE FROM lifecycle_owner WHERE provider = $1 AND signal = $2`, tx.key, signal)
	return wrap("drop owner", err)
}

// SetOwner sets the owner of a signal, or replaces it.
func (tx *Tx) SetOwner(ctx context.Context, signal string, o Owner) error {
	_, err := tx.exec(ctx, `
		INSERT INTO lifecycle_owner (provider, signal, verification, event, seq) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (provider, signal) DO UPDATE SET
			verification = excluded.verification, event = excluded.event, seq = excluded.seq`,
		tx.key, signal, o.Verification.String(), o.Event, int64(o.Seq))
	return wrap("set owner", err)
}
