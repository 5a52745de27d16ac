package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/verdict-stream/verdict/pkg/event"
)

// EventRow is one event of a stream of verifications.
type EventRow struct {
	Sandbox   bool      // which of the two streams it is in
	Sequence  uint64    // its position there
	Published string    // the status that it was published under
	StoredAt  time.Time // when the stream stored it
	Data      event.Verification
	// Encoded is Data as it came, in JSON. Where it is nil, Data is encoded to be written. It is read only to be taken over as it stands.
	Encoded []byte

	// CauseGone means that the delivery which caused it was in a stream that is no more: the one in its place is another. It is not stored.
	CauseGone bool
}

// PutEvent writes what an event says, in one transaction: the event, the verification where no later event is known, the
// outcome of the delivery that caused it, the unknown values, and the end of the claims that it says are gone.
func (m *ReadModel) PutEvent(ctx context.Context, e EventRow) error {
	_, err := m.PutFirstEvent(ctx, e, nil)
	return err
}

// PutFirstEvent is PutEvent for an event of version 1. It reports whether nothing was in the tables about its verification before; then it
// has written the claims too, in the same transaction. Claims that are nil are none.
func (m *ReadModel) PutFirstEvent(ctx context.Context, e EventRow, claims *ClaimsRow) (first bool, err error) {
	data, err := e.encoded()
	if err != nil {
		return false, wrap("put event", err)
	}
	destroyed := false
	err = m.db.update(ctx, func(s statements) error {
		if err := m.putCausation(ctx, s, e); err != nil {
			return err
		}
		if err := putEvent(ctx, s, e, data); err != nil {
			return err
		}
		if first, err = putVerification(ctx, s, e, data); err != nil {
			return err
		}
		if err := putUnknown(ctx, s, e); err != nil {
			return err
		}
		if first && claims != nil {
			if first, err = writeClaims(ctx, s, e.Data.ID, e.Sandbox, *claims, keepClaims); err != nil {
				return err
			}
		}
		destroyed, err = destroyClaims(ctx, s, e.Data.ID, e.Sandbox, e.Data.AnonymizedThrough)
		return err
	})
	if err == nil && destroyed {
		err = m.db.forget(ctx)
	}
	return first && err == nil, wrap("put event", err)
}

// encoded is the event in JSON. PostgreSQL takes no text that is not UTF-8; encoded anew, it is.
func (e *EventRow) encoded() (string, error) {
	if e.Encoded != nil && utf8.Valid(e.Encoded) {
		return string(e.Encoded), nil
	}
	data, err := json.Marshal(e.Data)
	if err != nil {
		return "", errUnreadable
	}
	return string(data), nil
}

// putCausation records that the delivery was applied. A made signal has none, and that of another stream is not in the tables.
func (m *ReadModel) putCausation(ctx context.Context, s statements, e EventRow) error {
	d, caused := e.causation()
	if !caused {
		return nil
	}
	return m.putDelivery(ctx, s, d)
}

// causation returns what an event says of the delivery that caused it, if one in the tables did.
func (e *EventRow) causation() (Delivery, bool) {
	if e.Data.CausationSequence == 0 || e.CauseGone {
		return Delivery{}, false
	}
	return Delivery{
		Stream: webhookStream, Sequence: e.Data.CausationSequence, EventID: e.Data.CausationID, Provider: e.Data.Provider,
		Outcome: OutcomeApplied, OutcomeAt: e.StoredAt,
		Verifications: []string{e.Data.ID}, Anomalies: e.Data.Signal.Anomalies,
	}, true
}

// putEvent writes the event. The stream never holds two of one id and version.
func putEvent(ctx context.Context, s statements, e EventRow, data string) error {
	_, err := s.exec(ctx, insertEvent+` VALUES ($1, $2, $3, $4, $5, $6, $7)`+keepEvent, e.columns(data)...)
	return err
}

const (
	insertEvent = `INSERT INTO verification_event (id, sandbox, version, sequence, published, stored_at, data)`
	keepEvent   = ` ON CONFLICT (id, sandbox, version) DO NOTHING`
)

// columns are the values of insertEvent.
func (e *EventRow) columns(data string) []any {
	return []any{e.Data.ID, e.Sandbox, e.Data.Version, int64(e.Sequence), e.Published, micros(e.StoredAt), data}
}

// putVerification reports whether it has written the first row of the verification, which it sees for an event of version 1 alone: that
// one replaces no other.
func putVerification(ctx context.Context, s statements, e EventRow, data string) (first bool, err error) {
	known := replaceVerification
	if e.Data.Version == 1 {
		known = keepVerification
	}
	n, err := s.exec(ctx, insertVerification+` VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`+known, e.verificationColumns(data)...)
	return e.Data.Version == 1 && n > 0, err
}

const insertVerification = `INSERT INTO verification (id, sandbox, version, sequence, updated_at, provider, kind, scope, status, final, overdue,
	applicant, external_reference, data)`

// verificationColumns are the values of insertVerification.
func (e *EventRow) verificationColumns(data string) []any {
	v := &e.Data
	return []any{
		v.ID, e.Sandbox, v.Version, int64(e.Sequence), micros(e.StoredAt), v.Provider, v.Kind, string(v.Scope), string(v.Status),
		v.Final, v.Overdue, optionalReference(v.Applicant), optionalReference(v.ExternalReference), data,
	}
}

// What putVerification does where there is a row already.
const (
	keepVerification    = ` ON CONFLICT (id, sandbox) DO NOTHING`
	replaceVerification = ` ON CONFLICT (id, sandbox) DO UPDATE SET
			version = excluded.version, sequence = excluded.sequence, updated_at = excluded.updated_at,
			scope = excluded.scope, status = excluded.status, final = excluded.final, overdue = excluded.overdue, applicant = excluded.applicant,
			external_reference = excluded.external_reference, data = excluded.data
		WHERE excluded.version > verification.version`
)

// putUnknown records the fields that the decoder could not read, each once for a signal.
func putUnknown(ctx context.Context, s statements, e EventRow) error {
	fields := slices.Clone(e.Data.Signal.Unknown)
	slices.Sort(fields) // one order for all, so that no two transactions wait for each other
	for _, field := range fields {
		_, err := s.exec(ctx, `
			INSERT INTO unknown_value (provider, field, id, sandbox, signal) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (provider, field, id, sandbox, signal) DO NOTHING`,
			e.Data.Provider, field, e.Data.ID, e.Sandbox, e.Data.Signal.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

// maxReference is the longest reference that is searched for as it is, in bytes. PostgreSQL indexes up to a third of a page.
const maxReference = 256

// reference is how a text from outside is stored to be searched for, and is searched for: as it is, or hashed where a
// database would refuse it. Ids and names of our own are never changed.
func reference(text string) string {
	if len(text) <= maxReference && utf8.ValidString(text) && !strings.ContainsRune(text, 0) {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func optionalReference(text *string) any {
	if text == nil {
		return nil
	}
	return reference(*text)
}

// Events returns all events of a verification by version; none where it is not known.
func (m *ReadModel) Events(ctx context.Context, id string, sandbox bool) ([]EventRow, error) {
	rows, err := list(ctx, m.db.read(), func(scan scanner) (EventRow, error) { return scanEvent(scan, sandbox) },
		`SELECT sequence, published, stored_at, data FROM verification_event WHERE id = $1 AND sandbox = $2 ORDER BY version`, reference(id), sandbox)
	return rows, wrap("read events", err)
}

func scanEvent(scan scanner, sandbox bool) (EventRow, error) {
	e, _, err := scanEventText(scan, sandbox)
	return e, err
}

// scanEncodedEvent is scanEvent for an event that will be written as it stands.
func scanEncodedEvent(scan scanner, sandbox bool) (EventRow, error) {
	e, data, err := scanEventText(scan, sandbox)
	e.Encoded = []byte(data)
	return e, err
}

func scanEventText(scan scanner, sandbox bool) (e EventRow, data string, err error) {
	e.Sandbox = sandbox
	var stored int64
	if err := scan(&e.Sequence, &e.Published, &stored, &data); err != nil {
		return EventRow{}, "", err
	}
	e.StoredAt = instant(stored)
	return e, data, decode(data, &e.Data)
}
