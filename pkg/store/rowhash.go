package store

import (
	"crypto/sha256"
	"database/sql/driver"
	"encoding/binary"
	"sync"

	"modernc.org/sqlite"
)

// rowHash is the function of SQLite that hashes a row where it lies, by the values that it is given.
const rowHash = "verdict_row_hash"

// withRowHash has all connections of SQLite that are opened from now on know rowHash.
var withRowHash = sync.OnceValue(func() error {
	return sqlite.RegisterFunction(rowHash, &sqlite.FunctionImpl{
		NArgs: -1, Deterministic: true, VolatileArgs: true,
		Scalar: func(_ *sqlite.FunctionContext, values []driver.Value) (driver.Value, error) {
			text := hashed.Get().(*[]byte)
			defer hashed.Put(text)
			var err error
			if *text, err = appendValues((*text)[:0], values); err != nil {
				return nil, err
			}
			sum := sha256.Sum256(*text)
			return sum[:], nil
		},
	})
})

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
