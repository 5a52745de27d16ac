package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	// ErrUnavailable means that the database did not do what it was asked for, and that this is not for what it was given: it is
	// away, busy, closed or damaged, has no room, refuses this program or has not its tables. The same call may succeed later, once
	// somebody has put that right. Whether a transaction that ended so took effect is not known.
	ErrUnavailable = errors.New("database unavailable")
	// ErrDamaged means that a file of SQLite is none any more. It comes with ErrUnavailable; see SetAside.
	ErrDamaged = errors.New("database file damaged")
	// ErrLeased means that another process writes this state.
	ErrLeased = errors.New("in use by another process")
	// ErrLeaseLost means that another process writes this state now: nothing was written, and nothing can be any more.
	ErrLeaseLost = errors.New("lease lost")
	// ErrNotFound means that there is no such row.
	ErrNotFound = errors.New("not found")
)

// errReadOnly is a defect of the caller: it writes through a reader.
var errReadOnly = errors.New("opened for reading only")

// errUnreadable is reported for a value that cannot be stored, or cannot be read back.
var errUnreadable = errors.New("stored value is not readable")

// databaseError is what a database refused, told without the values that it was given.
type databaseError string

func (e databaseError) Error() string { return string(e) }

// classify turns an error of a driver into one of this package: ErrUnavailable, unless it is among the few that a value causes which
// the database was given. A caller may give up what it was given then, and must not for anything else. The texts of drivers quote
// values, so none is passed on. What ended because ctx did is reported as that, and where ctx had a deadline also as unavailable: the
// database took too long.
func classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ended := classifyEnd(ctx); ended != nil {
		return ended
	}
	var pg *pgconn.PgError
	var lite *sqlite.Error
	switch {
	case errors.As(err, &pg):
		return classifyPostgres(pg)
	case errors.As(err, &lite):
		return classifySQLite(lite.Code())
	default:
		return fmt.Errorf("%w: %s", ErrUnavailable, reason(err))
	}
}

// classifyEnd returns the error of a call whose ctx has ended, nil where it has not.
func classifyEnd(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	return ctx.Err()
}

// classifyScan is classify for a row that has come and that does not fit what it is read into.
func classifyScan(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ended := classifyEnd(ctx); ended != nil {
		return ended
	}
	return errUnreadable
}

// refusedStates are the classes of PostgreSQL's codes that a value causes which it was given.
var refusedStates = []string{
	"22", // data exception
	"23", // integrity constraint violation
}

func classifyPostgres(err *pgconn.PgError) error {
	text := "SQLSTATE " + err.Code
	if err.ConstraintName != "" {
		text += " by constraint " + err.ConstraintName
	}
	if slices.ContainsFunc(refusedStates, func(class string) bool { return strings.HasPrefix(err.Code, class) }) {
		return databaseError("database error: " + text)
	}
	return fmt.Errorf("%w: %s", ErrUnavailable, text)
}

var (
	// refusedCodes are the primary result codes of SQLite that a value causes which it was given.
	refusedCodes = []int{sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE}
	// damagedCodes are those of a file that is not a database, or no longer a sound one.
	damagedCodes = []int{sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
)

// primaryCode masks the part of an extended result code of SQLite that says what happened, without the details.
const primaryCode = 0xff

func classifySQLite(code int) error {
	text := fmt.Sprintf("%s (%d)", sqlite.ErrorCodeString[code&primaryCode], code)
	switch {
	case slices.Contains(refusedCodes, code&primaryCode):
		return databaseError("database error: " + text)
	case slices.Contains(damagedCodes, code&primaryCode):
		return fmt.Errorf("%w: %w: %s", ErrUnavailable, ErrDamaged, text)
	default:
		return fmt.Errorf("%w: %s", ErrUnavailable, text)
	}
}

// reason tells why a database is away, as far as that can be said without quoting a driver.
func reason(err error) string {
	var dial *net.OpError
	var errno syscall.Errno
	switch {
	case errors.As(err, &dial):
		return dial.Error()
	case errors.As(err, &errno):
		return errno.Error()
	default:
		return fmt.Sprintf("connection lost or closed, or an error of type %T", err)
	}
}
