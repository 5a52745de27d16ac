package store

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"
)

// Bulk is what many messages of the streams say, to be written at once.
type Bulk struct {
	Events     []EventRow
	Deliveries []Delivery
	Progress   []Progress
	// Claims take the places of those that stand, unless they must not be there any more.
	Claims []Claims
	// Marks say up to where claims are gone; nothing else of their rows counts.
	Marks []Claims
}

// VerificationKey names a verification: real ones and those of the sandbox have the same ids.
type VerificationKey struct {
	ID      string
	Sandbox bool
}

// Claims are those of one verification.
type Claims struct {
	VerificationKey

	Row ClaimsRow
}

// PutBulk writes all of it in one transaction. The tables are the same afterwards as if PutEvent, PutDelivery, PutOutcome, UpdateClaims and
// PutProgress had been called for each, in any order.
func (m *ReadModel) PutBulk(ctx context.Context, b Bulk) error {
	for _, d := range b.Deliveries {
		if d.Outcome != "" && outcomeRank(d.Outcome) < 0 {
			return wrap("put many", errUnknownOutcome)
		}
	}
	destroyed := false
	err := m.db.update(ctx, func(s statements) (err error) {
		destroyed, err = m.putBulk(ctx, s, b)
		return err
	})
	if err == nil && destroyed {
		err = m.db.forget(ctx)
	}
	return wrap("put many", err)
}

func (m *ReadModel) putBulk(ctx context.Context, s statements, b Bulk) (destroyed bool, err error) {
	if err := m.putDeliveries(ctx, s, mergedDeliveries(b)); err != nil {
		return false, err
	}
	marks, err := m.putEvents(ctx, s, b.Events)
	if err != nil {
		return false, err
	}
	marked, err := m.putMarks(ctx, s, append(marks, b.Marks...))
	if err != nil {
		return false, err
	}
	replaced, err := m.putClaims(ctx, s, b.Claims)
	if err != nil {
		return false, err
	}
	for _, p := range b.Progress {
		if err := writeProgress(ctx, s, p); err != nil {
			return false, err
		}
	}
	return marked || replaced, nil
}

// putEvents writes each event, and of the verifications what the latest of their events says. It returns up to where they say that claims
// are gone.
func (m *ReadModel) putEvents(ctx context.Context, s statements, events []EventRow) (marks []Claims, err error) {
	latest := map[VerificationKey]int{}
	rows := make([][]any, len(events))
	encoded := make([]string, len(events))
	for i := range events {
		e := &events[i]
		if encoded[i], err = e.encoded(); err != nil {
			return nil, err
		}
		rows[i] = e.columns(encoded[i])
		if err := putUnknown(ctx, s, *e); err != nil {
			return nil, err
		}
		key := VerificationKey{e.Data.ID, e.Sandbox}
		if last, ok := latest[key]; !ok || events[last].Data.Version < e.Data.Version {
			latest[key] = i
		}
		if e.Data.AnonymizedThrough > 0 {
			marks = append(marks, Claims{key, ClaimsRow{AnonymizedThrough: e.Data.AnonymizedThrough}})
		}
	}
	if _, err := m.db.insertRows(ctx, s, insertEvent, keepEvent, rows); err != nil {
		return nil, err
	}
	rows = rows[:0]
	for i := range events {
		if latest[VerificationKey{events[i].Data.ID, events[i].Sandbox}] == i {
			rows = append(rows, events[i].verificationColumns(encoded[i]))
		}
	}
	_, err = m.db.insertRows(ctx, s, insertVerification, replaceVerification, rows)
	return marks, err
}

// putMarks destroys claims up to the marks, and reports whether there were any. Most often nothing is known of a verification yet but its
// events, so that a row without claims is all there is to write.
func (m *ReadModel) putMarks(ctx context.Context, s statements, marks []Claims) (destroyed bool, err error) {
	rows := make([][]any, len(marks))
	for i, mark := range marks {
		rows[i] = []any{mark.ID, mark.Sandbox, int64(mark.Row.AnonymizedThrough)}
	}
	made, err := m.db.insertRows(ctx, s, insertMark, keepClaims, rows)
	if err != nil || made == int64(len(marks)) {
		return false, err
	}
	for _, mark := range marks {
		gone, err := destroyClaims(ctx, s, mark.ID, mark.Sandbox, mark.Row.AnonymizedThrough)
		if err != nil {
			return false, err
		}
		destroyed = destroyed || gone
	}
	return destroyed, nil
}

// putClaims reports whether others were destroyed. Most often there are none, so that all there is to do is to write these.
func (m *ReadModel) putClaims(ctx context.Context, s statements, list []Claims) (destroyed bool, err error) {
	rows := make([][]any, len(list))
	for i, c := range list {
		row := c.Row.after(ClaimsRow{})
		if rows[i], err = row.columns(c.ID, c.Sandbox); err != nil {
			return false, err
		}
	}
	made, err := m.db.insertRows(ctx, s, insertClaims, keepClaims, rows)
	if err != nil || made == int64(len(list)) {
		return false, err
	}
	for _, c := range list {
		current, _, err := readClaims(ctx, s, m.db.forUpdate(), c.ID, c.Sandbox)
		if err != nil {
			return false, err
		}
		next := c.Row.after(current)
		if _, err := writeClaims(ctx, s, c.ID, c.Sandbox, next, replaceClaims); err != nil {
			return false, err
		}
		destroyed = destroyed || current.Key != nil && next.Key == nil
	}
	return destroyed, nil
}

// mergedDeliveries are the deliveries that are told of, and those that caused the events, each once, by their places.
func mergedDeliveries(b Bulk) []Delivery {
	all := slices.Clone(b.Deliveries)
	for i := range b.Events {
		if d, ok := b.Events[i].causation(); ok {
			all = append(all, d)
		}
	}
	slices.SortStableFunc(all, compareDeliveries)
	var merged []Delivery
	for _, d := range all {
		if n := len(merged); n > 0 && compareDeliveries(merged[n-1], d) == 0 {
			merged[n-1] = mergeDeliveries(merged[n-1], d)
		} else {
			merged = append(merged, mergeDeliveries(d, d))
		}
	}
	return merged
}

func compareDeliveries(a, b Delivery) int {
	return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Sequence, b.Sequence))
}

// sparse is how many times more positions than deliveries there may be for what is known of all of them to be read at once.
const sparse = 4

// putDeliveries writes what is sorted by place. Most often the places of a stream are near each other, and what is known of them is read at
// once.
func (m *ReadModel) putDeliveries(ctx context.Context, s statements, all []Delivery) error {
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Stream == all[0].Stream {
			n++
		}
		if err := m.putStream(ctx, s, all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

func (m *ReadModel) putStream(ctx context.Context, s statements, of []Delivery) error {
	first, last := of[0].Sequence, of[len(of)-1].Sequence
	if m.db.postgres() || last-first > sparse*uint64(len(of)) {
		for _, d := range of {
			if err := m.putDelivery(ctx, s, d); err != nil {
				return err
			}
		}
		return nil
	}
	rows, err := list(ctx, s, scanDelivery,
		selectDelivery+` WHERE stream = $1 AND sequence BETWEEN $2 AND $3 ORDER BY sequence`, of[0].Stream, int64(first), int64(last))
	if err != nil {
		return err
	}
	var unknown [][]any
	for _, d := range of {
		for len(rows) > 0 && rows[0].Sequence < d.Sequence {
			rows = rows[1:]
		}
		if len(rows) > 0 && rows[0].Sequence == d.Sequence {
			if err := updateDelivery(ctx, s, rows[0], mergeDeliveries(rows[0], d)); err != nil {
				return err
			}
			continue
		}
		columns, err := d.row()
		if err != nil {
			return err
		}
		unknown = append(unknown, columns)
	}
	_, err = m.db.insertRows(ctx, s, intoDelivery, keepDelivery, unknown)
	return err
}

// Unsettled returns the verifications that had an event at some time or later, by that of their latest one, after the place of a row that
// was returned before; no more than limit. Those of one event that have claims are left out: these can be no others.
func (m *ReadModel) Unsettled(ctx context.Context, sandbox bool, since time.Time, after *Updated, limit int) ([]Updated, error) {
	at, sequence := micros(since)-1, int64(math.MaxInt64)
	if after != nil {
		at, sequence = after.at, after.sequence
	}
	rows, err := list(ctx, m.db.read(), func(scan scanner) (u Updated, err error) {
		u.Sandbox = sandbox
		err = scan(&u.ID, &u.at, &u.sequence)
		return u, err
	}, `SELECT v.id, v.updated_at, v.sequence FROM verification v
		WHERE v.sandbox = $1 AND (v.updated_at, v.sequence) > ($2, $3)
			AND NOT (v.version = 1 AND EXISTS (SELECT 1 FROM claims c WHERE c.id = v.id AND c.sandbox = v.sandbox AND c.sealed IS NOT NULL))
		ORDER BY v.updated_at, v.sequence LIMIT $4`, sandbox, at, sequence, limit)
	return rows, wrap("list what is not settled", err)
}

// Updated is a verification by its latest event.
type Updated struct {
	VerificationKey

	at, sequence int64
}

// Sealed returns the verifications that have claims, after one of them; no more than limit.
func (m *ReadModel) Sealed(ctx context.Context, after VerificationKey, limit int) ([]VerificationKey, error) {
	rows, err := list(ctx, m.db.read(), scanKey, `SELECT id, sandbox FROM claims WHERE sealed IS NOT NULL AND (id, sandbox) > ($1, $2) ORDER BY id, sandbox LIMIT $3`,
		after.ID, after.Sandbox, limit)
	return rows, wrap("list what has claims", err)
}

// SealedBetween returns the verifications that have claims, after one and up to another one, in the order of Sealed.
func (m *ReadModel) SealedBetween(ctx context.Context, after, last VerificationKey) ([]VerificationKey, error) {
	rows, err := list(ctx, m.db.read(), scanKey,
		`SELECT id, sandbox FROM claims WHERE sealed IS NOT NULL AND (id, sandbox) > ($1, $2) AND (id, sandbox) <= ($3, $4) ORDER BY id, sandbox`,
		after.ID, after.Sandbox, last.ID, last.Sandbox)
	return rows, wrap("list what has claims", err)
}

func scanKey(scan scanner) (k VerificationKey, err error) {
	err = scan(&k.ID, &k.Sandbox)
	return k, err
}
