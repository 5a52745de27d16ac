package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/verdict-stream/verdict/pkg/verification"
)

// Snapshot is a read model as it was at one moment. Close it: while there is one, SQLite cannot shorten its log.
type Snapshot struct {
	db *database
	tx *sql.Tx
}

// Snapshot returns the read model as it is now. Writers go on.
func (m *ReadModel) Snapshot(ctx context.Context) (*Snapshot, error) {
	m.db.snapshots.Add(1)
	s := &Snapshot{db: m.db}
	var err error
	// The transaction outlives the call; what is done in it has contexts of its own.
	s.tx, err = m.db.reader.now().BeginTx(context.WithoutCancel(ctx), &sql.TxOptions{Isolation: s.isolation(), ReadOnly: true})
	if err != nil {
		m.db.snapshots.Add(-1)
		return nil, wrap("take a snapshot", classify(ctx, err))
	}
	// Whoever reads it slowly is no process that was frozen.
	if m.db.postgres() {
		if _, err := s.read().exec(ctx, `SET LOCAL idle_in_transaction_session_timeout = 0`); err != nil {
			return nil, wrap("take a snapshot", errors.Join(err, s.Close(ctx)))
		}
	}
	// It begins with the first look.
	if _, err := s.read().one(ctx, []any{new(int64)}, `SELECT count(*) FROM progress`); err != nil {
		return nil, wrap("take a snapshot", errors.Join(err, s.Close(ctx)))
	}
	return s, nil
}

// isolation is what makes a transaction a snapshot. In SQLite each is one.
func (s *Snapshot) isolation() sql.IsolationLevel {
	if s.db.postgres() {
		return sql.LevelRepeatableRead
	}
	return sql.LevelDefault
}

func (s *Snapshot) read() statements { return statements{on: s.tx} }

// Close ends it. It may be called more than once.
func (s *Snapshot) Close(ctx context.Context) error {
	if s.tx == nil {
		return nil
	}
	err := s.tx.Rollback()
	s.tx = nil
	if s.db.snapshots.Add(-1) == 0 && s.db.forgetful.Swap(false) {
		err = errors.Join(err, s.db.forget(context.WithoutCancel(ctx)))
	}
	return wrap("end a snapshot", classify(context.WithoutCancel(ctx), err))
}

// compared is a table and what must be equal in two read models of the same content.
type compared struct {
	table string
	key   []string // the columns that name a row
	// columns are all that are compared, the key first.
	columns string
	where   string // which rows are compared, where not all are
	// change brings a row into the form that is compared; nil leaves it as it is.
	change func(row []sql.RawBytes) error
}

var comparedTables = []compared{
	{table: "verification", key: []string{"id", "sandbox"}, columns: `id, sandbox, version, sequence, updated_at, provider, kind, scope,
		status, final, overdue, applicant, external_reference, data`},
	{table: "verification_event", key: []string{"id", "sandbox", "version"}, columns: `id, sandbox, version, sequence, published, stored_at, data`},
	{table: "unknown_value", key: []string{"provider", "field", "id", "sandbox", "signal"}, columns: `provider, field, id, sandbox, signal`},
	{table: "delivery", key: []string{"stream", "sequence"}, columns: `stream, sequence, event_id, provider, event, received_at, listed_at,
		outcome, outcome_at, cause, verifications, anomalies, traceparent`},
	// Keys and what they seal differ each time. Of which signal claims are is compared where there are any.
	{
		table: "claims", key: []string{"id", "sandbox"},
		columns: `id, sandbox, anonymized_through, CASE WHEN sealed IS NULL THEN '' ELSE signal END, sealed IS NOT NULL, wrapped IS NOT NULL`,
		where:   `sealed IS NOT NULL OR wrapped IS NOT NULL OR anonymized_through > 0`, change: nameSignal,
	},
}

// ComparedTables names the tables that are compared.
func ComparedTables() []string {
	names := make([]string, len(comparedTables))
	for i, c := range comparedTables {
		names[i] = c.table
	}
	return names
}

// signalColumn is where claims have their signal.
const signalColumn = 3

// nameSignal leaves of a signal what names it and its place.
func nameSignal(row []sql.RawBytes) error {
	if len(row[signalColumn]) == 0 {
		return nil
	}
	var signal verification.Signal
	if err := decode(string(row[signalColumn]), &signal); err != nil {
		return err
	}
	row[signalColumn] = fmt.Appendf(nil, "%d %s", signal.Seq, signal.ID)
	return nil
}

// Sum is the checksum of a table: the same for the same rows, in whatever order they are.
type Sum struct {
	Table string `json:"table"`
	Rows  uint64 `json:"rows"`
	Sum   string `json:"sum"`
}

// Sum reads a whole table. It calls pace after every few rows, with their number.
func (s *Snapshot) Sum(ctx context.Context, table string, pace func(n int) error) (Sum, error) {
	sum, err := s.sum(ctx, comparedTable(table), pace)
	return sum, wrap("sum up "+table, err)
}

func (s *Snapshot) sum(ctx context.Context, c compared, pace func(n int) error) (Sum, error) {
	parts := s.sumHere
	if c.change == nil && !s.db.postgres() {
		parts = s.sumThere
	}
	sum := Sum{Table: c.table}
	var total hashSum
	err := parts(ctx, c, func(rows int, part hashSum) error {
		sum.Rows += uint64(rows)
		total.add(part)
		return pace(rows)
	})
	sum.Sum = hex.EncodeToString(total.bytes())
	return sum, err
}

// sumPage is how many rows are summed up in one go.
const sumPage = 1024

// sumThere has SQLite sum the rows up, which takes half the time of reading their hashes.
func (s *Snapshot) sumThere(ctx context.Context, c compared, add func(rows int, part hashSum) error) error {
	var last int64
	if _, err := s.read().one(ctx, []any{&last}, `SELECT coalesce(max(rowid), 0) FROM `+c.table); err != nil {
		return err
	}
	for after := int64(0); after < last; after += sumPage {
		var rows int
		var part hashSum
		_, err := s.read().one(ctx, []any{&rows, &part},
			`SELECT count(*), `+rowsSum+`(`+c.columns+`) FROM `+c.from("rowid > $1 AND rowid <= $2"), after, after+sumPage)
		if err != nil {
			return err
		}
		if err := add(rows, part); err != nil {
			return err
		}
	}
	return nil
}

// sumHere reads the rows to sum them up.
func (s *Snapshot) sumHere(ctx context.Context, c compared, add func(rows int, part hashSum) error) error {
	rows, part := 0, hashSum{}
	err := s.rows(ctx, c, "", func(_ []sql.RawBytes, hash [sha256.Size]byte) error {
		part.add(sumOf(hash))
		if rows++; rows < sumPage {
			return nil
		}
		err := add(rows, part)
		rows, part = 0, hashSum{}
		return err
	})
	if err != nil {
		return err
	}
	return add(rows, part)
}

// from is the table with the rows that are compared and meet a condition.
func (c compared) from(condition string) string {
	if c.where != "" {
		condition = "(" + c.where + ") AND (" + condition + ")"
	}
	return c.table + " WHERE " + condition
}

func comparedTable(name string) compared {
	return comparedTables[slices.IndexFunc(comparedTables, func(c compared) bool { return c.table == name })]
}

// rows hands the key of every row over with the hash of what is compared in the row.
func (s *Snapshot) rows(ctx context.Context, c compared, order string, fn func(key []sql.RawBytes, hash [sha256.Size]byte) error) error {
	query, hashOf := c.hashedHere()
	if c.change == nil && !s.db.postgres() {
		query, hashOf = c.hashedThere()
	}
	var row []sql.RawBytes
	var into []any
	return s.read().each(ctx, func(scan scanner) error {
		if row == nil {
			row = make([]sql.RawBytes, query.columns)
			into = make([]any, len(row))
			for i := range row {
				into[i] = &row[i]
			}
		}
		if err := scan(into...); err != nil {
			return err
		}
		hash, err := hashOf(row)
		if err != nil {
			return err
		}
		return fn(row, hash)
	}, `SELECT `+query.text+` FROM `+c.from("TRUE")+order)
}

// hashedQuery is what is selected, and how many columns that are.
type hashedQuery struct {
	text    string
	columns int
}

type hashOf func(row []sql.RawBytes) (hash [sha256.Size]byte, err error)

// hashedThere has SQLite hash the rows, which need not be copied then.
func (c compared) hashedThere() (hashedQuery, hashOf) {
	columns := append(slices.Clone(c.key), rowHash+"("+c.columns+")")
	return hashedQuery{strings.Join(columns, ", "), len(columns)}, func(row []sql.RawBytes) (hash [sha256.Size]byte, err error) {
		if copy(hash[:], row[len(row)-1]) != len(hash) {
			err = errUnreadable
		}
		return hash, err
	}
}

// hashedHere hashes rows as they were read.
func (c compared) hashedHere() (hashedQuery, hashOf) {
	var text []byte
	return hashedQuery{c.columns, strings.Count(c.columns, ",") + 1}, func(row []sql.RawBytes) (hash [sha256.Size]byte, err error) {
		if c.change != nil {
			if err := c.change(row); err != nil {
				return hash, err
			}
		}
		text = text[:0]
		for _, value := range row {
			if value == nil {
				text = append(text, 0)
				continue
			}
			text = binary.AppendUvarint(text, uint64(len(value))+1)
			text = append(text, value...)
		}
		return sha256.Sum256(text), nil
	}
}

// Difference is how a table differs from what it is compared with.
type Difference struct {
	Table   string `json:"table"`
	Changed int    `json:"changed"` // rows that are not the same
	Missing int    `json:"missing"` // rows that are in the other one alone
	Added   int    `json:"added"`   // rows that are in this one alone
	// Examples name a few of them.
	Examples []string `json:"examples"`
}

// String says it in a line.
func (d Difference) String() string {
	return fmt.Sprintf("%s: %d rows changed, %d missing, %d added, among them %s", d.Table, d.Changed, d.Missing, d.Added, strings.Join(d.Examples, ", "))
}

// Difference compares a table with that of another snapshot, row by row, and gives up to a number of examples. It takes far longer than the
// sums do.
func (s *Snapshot) Difference(ctx context.Context, other *Snapshot, table string, examples int) (Difference, error) {
	c := comparedTable(table)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	mine, others := s.sorted(ctx, c), other.sorted(ctx, c)
	d := Difference{Table: table, Examples: []string{}}
	count := func(n *int, r hashedRow) {
		*n++
		if len(d.Examples) < examples {
			d.Examples = append(d.Examples, c.name(r))
		}
	}
	a, moreA := <-mine.rows
	b, moreB := <-others.rows
	for moreA || moreB {
		order := a.compare(b)
		switch {
		case !moreB || moreA && order < 0:
			count(&d.Added, a)
			a, moreA = <-mine.rows
		case !moreA || order > 0:
			count(&d.Missing, b)
			b, moreB = <-others.rows
		default:
			if a.hash != b.hash {
				count(&d.Changed, a)
			}
			a, moreA = <-mine.rows
			b, moreB = <-others.rows
		}
	}
	return d, wrap("compare "+table, errors.Join(<-mine.err, <-others.err))
}

// hashedRow is a row by the columns of its key.
type hashedRow struct {
	key  [][]byte
	hash [sha256.Size]byte
}

// compare puts rows in the order of sorted.
func (r hashedRow) compare(other hashedRow) int {
	return slices.CompareFunc(r.key, other.key, func(a, b []byte) int {
		return bytes.Compare(a, b)
	})
}

// name names a row for people, by its key. Of sandbox only what is true is said: the databases have two texts for that.
func (c compared) name(r hashedRow) string {
	var parts []string
	for i, column := range c.key {
		switch text := string(r.key[i]); {
		case column != "sandbox":
			parts = append(parts, text)
		case text == "1" || text == "true":
			parts = append(parts, column)
		}
	}
	return strings.Join(parts, " ")
}

// sortedRows are rows that come one after the other; err says, once, how that ended.
type sortedRows struct {
	rows chan hashedRow
	err  chan error
}

// readAhead is how many rows wait for whoever compares them.
const readAhead = 256

// sorted reads the table in the order of the texts of its key.
func (s *Snapshot) sorted(ctx context.Context, c compared) sortedRows {
	out := sortedRows{rows: make(chan hashedRow, readAhead), err: make(chan error, 1)}
	var order []string
	for _, column := range c.key {
		column = "CAST(" + column + " AS TEXT)"
		if s.db.postgres() {
			column += ` COLLATE "C"`
		}
		order = append(order, column)
	}
	go func() {
		defer close(out.rows)
		out.err <- s.rows(ctx, c, " ORDER BY "+strings.Join(order, ", "), func(row []sql.RawBytes, hash [sha256.Size]byte) error {
			r := hashedRow{hash: hash}
			for i := range c.key {
				r.key = append(r.key, bytes.Clone(row[i]))
			}
			select {
			case out.rows <- r:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return out
}
