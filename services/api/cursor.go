package api

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"github.com/verdict-stream/verdict/pkg/store"
)

// A cursor is where the next page begins. What is in it is nobody's business but ours: it may change with any version.

// verificationCursor writes a place between two pages; empty for the zero value, which is none.
func verificationCursor(c store.VerificationCursor) string {
	if c.IsZero() {
		return ""
	}
	text := strconv.FormatUint(c.Through, 10)
	if c.Ahead > 0 {
		text += "-" + strconv.FormatUint(c.Ahead, 10)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

var errCursor = errors.New("not a cursor")

// parseVerificationCursor reads what verificationCursor wrote.
func parseVerificationCursor(text string) (store.VerificationCursor, error) {
	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return store.VerificationCursor{}, errCursor
	}
	through, ahead, further := strings.Cut(string(plain), "-")
	var c store.VerificationCursor
	if c.Through, err = parsePosition(through); err == nil && further {
		c.Ahead, err = parsePosition(ahead)
	}
	if err != nil || c.IsZero() || further && c.Ahead <= c.Through {
		return store.VerificationCursor{}, errCursor
	}
	return c, nil
}

// parsePosition reads a position in a stream. The databases count to the largest signed number.
func parsePosition(text string) (uint64, error) {
	return strconv.ParseUint(text, 10, 63)
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
