package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	// ErrUnavailable means that the database cannot be used now: it is away, busy, closed or has no room. The same call may
	// succeed later. Whether a transaction that ended so took effect is not known.
	ErrUnavailable = errors.New("database unavailable")
	// ErrLeased means that another process writes this state.
	ErrLeased = errors.New("in use by another process")
	// ErrLeaseLost means that another process writes this state now: nothing was written, and nothing can be any more.
	ErrLeaseLost = errors.New("lease lost")
	// ErrNotFound means that there is no such row.
	ErrNotFound = errors.New("not found")
)

// errReadOnly is a defect of the caller: it writes through a reader.
var errReadOnly = errors.New("opened for reading only")

// errDamaged is reported for a stored value that cannot be read back.
var errDamaged = errors.New("stored value is damaged")

// databaseError is what a database refused, told without the values that it was given.
type databaseError string

func (e databaseError) Error() string { return string(e) }

// classify turns an error of a driver into one of this package. The texts of drivers quote values, so none is passed on.
// What ended because ctx did is reported as that, and where ctx had a deadline also as unavailable: the database took too long.
func classify(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	case ctx.Err() != nil:
		return ctx.Err()
	}
	var pg *pgconn.PgError
	var lite *sqlite.Error
	switch {
	case errors.As(err, &pg):
		return classifyPostgres(pg)
	case errors.As(err, &lite):
		return classifySQLite(lite)
	case isGone(err):
		return fmt.Errorf("%w: %s", ErrUnavailable, reason(err))
	default:
		return databaseError(fmt.Sprintf("database error of type %T", err))
	}
}

// unavailableStates are the classes and codes of PostgreSQL that tell of the server and not of the statement.
var unavailableStates = []string{
	"08",    // connection exception
	"40001", // serialization failure
	"40P01", // deadlock detected
	"53",    // insufficient resources: disk full, out of memory, too many connections
	"55P03", // lock not available
	"57",    // operator intervention: shutdown, not accepting connections yet
	"58",    // system error: I/O
	"25006", // read-only transaction: this server has become a standby
	"25P03", // idle in transaction for too long: this process was frozen
}

func classifyPostgres(err *pgconn.PgError) error {
	text := "SQLSTATE " + err.Code
	if err.ConstraintName != "" {
		text += " by constraint " + err.ConstraintName
	}
	if slices.ContainsFunc(unavailableStates, func(s string) bool { return strings.HasPrefix(err.Code, s) }) {
		return fmt.Errorf("%w: %s", ErrUnavailable, text)
	}
	return databaseError("database error: " + text)
}

// unavailableCodes are the primary result codes of SQLite that tell of the file and not of the statement.
var unavailableCodes = []int{
	sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT,
	sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
}

// primaryCode masks the part of an extended result code of SQLite that says what happened, without the details.
const primaryCode = 0xff

func classifySQLite(err *sqlite.Error) error {
	code := err.Code()
	text := fmt.Sprintf("%s (%d)", sqlite.ErrorCodeString[code&primaryCode], code)
	if slices.Contains(unavailableCodes, code&primaryCode) {
		return fmt.Errorf("%w: %s", ErrUnavailable, text)
	}
	return databaseError("database error: " + text)
}

// isGone reports whether the connection or the file system failed, or this program has closed the database.
func isGone(err error) bool {
	var network net.Error
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &network), errors.As(err, &connect), pgconn.SafeToRetry(err):
		return true
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.Is(err, net.ErrClosed),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return true
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EIO), errors.Is(err, syscall.EROFS):
		return true
	default:
		// database/sql keeps this error to itself.
		return err.Error() == "sql: database is closed"
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
		return "connection lost or closed"
	}
}
