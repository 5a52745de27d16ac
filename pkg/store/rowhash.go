package store

import (
	"crypto/sha256"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"sync"

	"modernc.org/sqlite"
)

// rowHash is the function of SQLite that hashes a row where it lies, by the values that it is given, and rowsSum the one that sums up the
// hashes of all rows that are selected.
const (
	rowHash = "verdict_row_hash"
	rowsSum = "verdict_rows_sum"
)

// withRowHash has all connections of SQLite that are opened from now on know rowHash and rowsSum.
var withRowHash = sync.OnceValue(func() error {
	return errors.Join(
		sqlite.RegisterFunction(rowHash, &sqlite.FunctionImpl{
			NArgs: -1, Deterministic: true, VolatileArgs: true,
			Scalar: func(_ *sqlite.FunctionContext, values []driver.Value) (driver.Value, error) {
				hash, err := hashValues(values)
				return hash[:], err
			},
		}),
		sqlite.RegisterFunction(rowsSum, &sqlite.FunctionImpl{
			NArgs: -1, Deterministic: true, VolatileArgs: true,
			MakeAggregate: func(sqlite.FunctionContext) (sqlite.AggregateFunction, error) { return new(summing), nil },
		}),
	)
})

// hashSum is the sum of the hashes of rows: the same in whatever order they come.
type hashSum [2]uint64

func (h *hashSum) add(other hashSum) {
	h[0] += other[0]
	h[1] += other[1]
}

// sumOf is that of one row.
func sumOf(hash [sha256.Size]byte) hashSum {
	return hashSum{binary.BigEndian.Uint64(hash[:8]), binary.BigEndian.Uint64(hash[8:16])}
}

func (h *hashSum) bytes() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, h[0]), h[1])
}

// Scan takes what rowsSum gives.
func (h *hashSum) Scan(value any) error {
	text, ok := value.([]byte)
	if !ok || len(text) != 16 {
		return errUnreadable
	}
	*h = hashSum{binary.BigEndian.Uint64(text[:8]), binary.BigEndian.Uint64(text[8:])}
	return nil
}

// summing is rowsSum at work.
type summing struct{ total hashSum }

// Step implements sqlite.AggregateFunction.
func (s *summing) Step(_ *sqlite.FunctionContext, values []driver.Value) error {
	hash, err := hashValues(values)
	s.total.add(sumOf(hash))
	return err
}

// WindowInverse implements sqlite.AggregateFunction. Rows are not taken out of a sum.
func (*summing) WindowInverse(*sqlite.FunctionContext, []driver.Value) error { return errUnreadable }

// WindowValue implements sqlite.AggregateFunction.
func (s *summing) WindowValue(*sqlite.FunctionContext) (driver.Value, error) {
	return s.total.bytes(), nil
}

// Final implements sqlite.AggregateFunction.
func (*summing) Final(*sqlite.FunctionContext) {}

// hashValues hashes the values of a row, which are not kept.
func hashValues(values []driver.Value) (hash [sha256.Size]byte, err error) {
	text := hashed.Get().(*[]byte)
	defer hashed.Put(text)
	if *text, err = appendValues((*text)[:0], values); err != nil {
		return hash, err
	}
	return sha256.Sum256(*text), nil
}

// hashed are buffers for what is hashed.
var hashed = sync.Pool{New: func() any { return new([]byte) }}

// The kinds of values, none of which is taken for another.
const (
	hashedNull = iota
	hashedInteger
	hashedText
	hashedBytes
)

// appendValues appends values so that no others have the same text. Text and bytes are not kept.
func appendValues(b []byte, values []driver.Value) ([]byte, error) {
	for _, value := range values {
		switch v := value.(type) {
		case nil:
			b = append(b, hashedNull)
		case int64:
			b = binary.AppendVarint(append(b, hashedInteger), v)
		case string:
			b = append(binary.AppendUvarint(append(b, hashedText), uint64(len(v))), v...)
		case []byte:
			b = append(binary.AppendUvarint(append(b, hashedBytes), uint64(len(v))), v...)
		default:
			return nil, errUnreadable
		}
	}
	return b, nil
}
