package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/verdict-stream/verdict/pkg/event"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// inspectPage bounds the rows that an inspection reads at a time: no statement is open while its function runs.
const inspectPage = 500

// Outcomes hands the outcome of every delivery of a stream within some positions to fn, in order; the empty one is none yet.
func (m *ReadModel) Outcomes(ctx context.Context, stream string, from, through uint64, fn func(seq uint64, outcome string) error) error {
	type row struct {
		seq     uint64
		outcome string
	}
	for {
		page, err := list(ctx, m.db.read(), func(scan scanner) (r row, err error) {
			err = scan(&r.seq, &r.outcome)
			return r, err
		}, `SELECT sequence, outcome FROM delivery WHERE stream = $1 AND sequence >= $2 AND sequence <= $3 ORDER BY sequence LIMIT $4`,
			stream, int64(from), int64(through), inspectPage*10)
		if err != nil {
			return wrap("read outcomes", err)
		}
		for _, r := range page {
			if err := fn(r.seq, r.outcome); err != nil {
				return err
			}
			from = r.seq + 1
		}
		if len(page) < inspectPage*10 {
			return nil
		}
	}
}

// Everything hands pages of all verifications to fn, in any order.
func (m *ReadModel) Everything(ctx context.Context, fn func([]VerificationRow) error) error {
	var after RecordKey
	for {
		page, err := list(ctx, m.db.read(), scanVerification,
			selectVerification+` WHERE (id, sandbox) > ($1, $2) ORDER BY id, sandbox LIMIT $3`, after.ID, after.Sandbox, inspectPage)
		if err != nil {
			return wrap("read verifications", err)
		}
		if len(page) > 0 {
			if err := fn(page); err != nil {
				return err
			}
			last := &page[len(page)-1]
			after = RecordKey{last.Data.ID, last.Sandbox}
		}
		if len(page) < inspectPage {
			return nil
		}
	}
}

// Misfiled hands every verification to fn that lists and counts take for another than its data says, with the names of the columns, in any order.
func (m *ReadModel) Misfiled(ctx context.Context, fn func(key RecordKey, columns []string) error) error {
	type row struct {
		RecordKey
		columns []string
	}
	var after RecordKey
	for {
		page, err := list(ctx, m.db.read(), func(scan scanner) (r row, err error) {
			var version int
			var provider, kind, scope, status, applicant, external, text string
			var final, overdue bool
			if err := scan(&r.ID, &r.Sandbox, &version, &provider, &kind, &scope, &status, &final, &overdue, &applicant, &external, &text); err != nil {
				return r, err
			}
			var data event.Verification
			if err := decode(text, &data); err != nil {
				return r, err
			}
			for _, column := range []struct {
				name string
				same bool
			}{
				{"id", r.ID == data.ID},
				{"version", version == data.Version},
				{"provider", provider == data.Provider},
				{"kind", kind == data.Kind},
				{"scope", scope == string(data.Scope)},
				{"status", status == string(data.Status)},
				{"final", final == data.Final},
				{"overdue", overdue == data.Overdue},
				{"applicant", applicant == filed(data.Applicant)},
				{"external_reference", external == filed(data.ExternalReference)},
			} {
				if !column.same {
					r.columns = append(r.columns, column.name)
				}
			}
			return r, nil
		}, `SELECT id, sandbox, version, provider, kind, scope, status, final, overdue, COALESCE(applicant, ''), COALESCE(external_reference, ''), data
			FROM verification WHERE (id, sandbox) > ($1, $2) ORDER BY id, sandbox LIMIT $3`, after.ID, after.Sandbox, inspectPage)
		if err != nil {
			return wrap("read verifications", err)
		}
		for _, r := range page {
			after = r.RecordKey
			if len(r.columns) == 0 {
				continue
			}
			if err := fn(r.RecordKey, r.columns); err != nil {
				return err
			}
		}
		if len(page) < inspectPage {
			return nil
		}
	}
}

// filed is what the column of a reference holds, empty where it holds nothing.
func filed(text *string) string {
	if text == nil {
		return ""
	}
	return reference(*text)
}

// CountEvents returns how many events of a stream within some positions the timelines hold.
func (m *ReadModel) CountEvents(ctx context.Context, sandbox bool, from, through uint64) (n uint64, err error) {
	_, err = m.db.read().one(ctx, []any{&n}, `SELECT count(*) FROM verification_event WHERE sandbox = $1 AND sequence >= $2 AND sequence <= $3`,
		sandbox, int64(from), int64(through))
	return n, wrap("count events", err)
}

// EachEvent hands the events of a stream within some positions to fn, as the timelines hold them, in their order.
func (m *ReadModel) EachEvent(ctx context.Context, sandbox bool, from, through uint64, fn func(*event.Verification) error) error {
	for {
		page, err := list(ctx, m.db.read(), func(scan scanner) (EventRow, error) { return scanEvent(scan, sandbox) },
			`SELECT sequence, published, stored_at, data FROM verification_event WHERE sandbox = $1 AND sequence >= $2 AND sequence <= $3 ORDER BY sequence LIMIT $4`, sandbox, int64(from), int64(through), inspectPage)
		if err != nil {
			return wrap("read timelines", err)
		}
		for i := range page {
			if err := fn(&page[i].Data); err != nil {
				return err
			}
			from = page[i].Sequence + 1
		}
		if len(page) < inspectPage {
			return nil
		}
	}
}

// KeptClaims hands every verification that has claims to fn, with when the delivery was received that they came with, in any order.
func (m *ReadModel) KeptClaims(ctx context.Context, fn func(id string, sandbox bool, received time.Time) error) error {
	var after RecordKey
	type row struct {
		RecordKey
		signal string
	}
	for {
		page, err := list(ctx, m.db.read(), func(scan scanner) (r row, err error) {
			err = scan(&r.ID, &r.Sandbox, &r.signal)
			return r, err
		}, `SELECT id, sandbox, signal FROM claims WHERE sealed IS NOT NULL AND (id, sandbox) > ($1, $2) ORDER BY id, sandbox LIMIT $3`, after.ID, after.Sandbox, inspectPage)
		if err != nil {
			return wrap("read claims", err)
		}
		for _, r := range page {
			var signal verification.Signal
			if json.Unmarshal([]byte(r.signal), &signal) != nil {
				return wrap("read claims", errUnreadable)
			}
			if err := fn(r.ID, r.Sandbox, signal.ReceivedAt); err != nil {
				return err
			}
			after = r.RecordKey
		}
		if len(page) < inspectPage {
			return nil
		}
	}
}

// OutboxSize returns how many events wait in a lane, and the number of the first one, 0 where none does.
func (l *Lifecycle) OutboxSize(ctx context.Context, lane string) (n, first uint64, err error) {
	_, err = l.db.read().one(ctx, []any{&n, &first},
		`SELECT count(*), COALESCE(min(id), 0) FROM lifecycle_outbox WHERE provider = $1 AND lane = $2`, l.key, lane)
	return n, first, wrap("read the outbox", err)
}

// Announced reports whether an event waits in a lane.
func (l *Lifecycle) Announced(ctx context.Context, lane, eventID string) (bool, error) {
	var n int
	_, err := l.db.read().one(ctx, []any{&n},
		`SELECT count(*) FROM lifecycle_outbox WHERE provider = $1 AND lane = $2 AND event_id = $3`, l.key, lane, eventID)
	return n > 0, wrap("read the outbox", err)
}

// Version is how far a verification is.
type Version struct {
	RecordKey
	Version int
}

// Versions hands pages of the versions of all verifications to fn, in any order.
func (l *Lifecycle) Versions(ctx context.Context, fn func([]Version) error) error {
	var after RecordKey
	for {
		page, err := list(ctx, l.db.read(), func(scan scanner) (v Version, err error) {
			err = scan(&v.ID, &v.Sandbox, &v.Version)
			return v, err
		}, `SELECT id, sandbox, version FROM lifecycle_record WHERE provider = $1 AND (id, sandbox) > ($2, $3) ORDER BY id, sandbox LIMIT $4`,
			l.key, after.ID, after.Sandbox, inspectPage)
		if err != nil {
			return wrap("read versions", err)
		}
		if len(page) > 0 {
			if err := fn(page); err != nil {
				return err
			}
			after = page[len(page)-1].RecordKey
		}
		if len(page) < inspectPage {
			return nil
		}
	}
}

// VersionOf returns the version of one verification, 0 where there is none.
func (l *Lifecycle) VersionOf(ctx context.Context, key RecordKey) (version int, err error) {
	_, err = l.db.read().one(ctx, []any{&version}, `SELECT version FROM lifecycle_record WHERE provider = $1 AND id = $2 AND sandbox = $3`, l.key, key.ID, key.Sandbox)
	return version, wrap("read version", err)
}
