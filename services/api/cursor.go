package api

import (
	"encoding/base64"
	"errors"
	"strconv"
)

// A cursor is where the next page begins. What is in it is nobody's business but ours: it may change with any version.

// sequenceCursor writes a position in a stream; empty for 0, which is none.
func sequenceCursor(sequence uint64) string {
	if sequence == 0 {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatUint(sequence, 10)))
}

var errCursor = errors.New("not a cursor")

// parseSequence reads what sequenceCursor wrote.
func parseSequence(text string) (uint64, error) {
	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return 0, errCursor
	}
	// The databases count to the largest signed number.
	sequence, err := strconv.ParseInt(string(plain), 10, 64)
	if err != nil || sequence < 1 {
		return 0, errCursor
	}
	return uint64(sequence), nil
}

// cursor returns the position that the parameter holds, the zero position where it is not there.
func cursor[T any](q *query, parse func(string) (T, error)) T {
	var start T
	text := q.text("cursor")
	if text == "" {
		return start
	}
	position, err := parse(text)
	if err != nil {
		q.invalid("cursor", "must be the next_cursor of an answer to the same question")
		return start
	}
	return position
}
