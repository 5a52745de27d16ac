package store

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/pressly/goose/v3"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"modernc.org/sqlite"
)

const (
	// sqliteBusyTimeout is how long a connection waits for another process that holds the file.
	sqliteBusyTimeout = 5 * time.Second
	// sqliteReaders bounds the connections that read at the same time.
	sqliteReaders = 4
	// only the owner may read the files, and enter their directory.
	fileMode, dirMode = 0o600, 0o700
)

// openSQLite opens the file for writing and makes it where it is missing. It returns ErrLeased where another process has
// it open for writing.
func openSQLite(dir string, s schema) (*database, error) {
	path, err := filepath.Abs(filepath.Join(dir, s.file))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, classifyFile(err)
	}
	db := newDatabase(goose.DialectSQLite3)
	if s.lock != unlocked {
		if db.lock, err = lockFile(filepath.Join(filepath.Dir(path), cmp.Or(s.lock, s.file)) + ".lock"); err != nil {
			return nil, err
		}
	}
	if s.prepare != nil {
		if err := s.prepare(dir, s); err != nil {
			return nil, errors.Join(err, db.close())
		}
	}
	// SQLite gives the files that it makes beside this one the same mode.
	if file, err := os.OpenFile(path, os.O_CREATE, fileMode); err != nil {
		return nil, errors.Join(classifyFile(err), db.close())
	} else if err := file.Close(); err != nil {
		return nil, errors.Join(classifyFile(err), db.close())
	}
	pragmas := append([]string{"journal_mode(" + cmp.Or(s.journal, "WAL") + ")", "synchronous(" + s.synchronous + ")", "secure_delete(ON)"}, s.pragmas...)
	if db.writer, err = db.connectSQLite(path, s, pragmas...); err != nil {
		return nil, errors.Join(err, db.close())
	}
	db.writer.SetMaxOpenConns(1)
	return db, db.openReaders(path, s)
}

// openSQLiteReader opens an existing file for reading. A file that is missing is reported when it is read.
func openSQLiteReader(dir string, s schema) (*database, error) {
	path, err := filepath.Abs(filepath.Join(dir, s.file))
	if err != nil {
		return nil, err
	}
	db := newDatabase(goose.DialectSQLite3)
	return db, db.openReaders(path, s)
}

// openReaders adds the reading connections; the first use of one opens the file.
func (d *database) openReaders(path string, s schema) error {
	connections, err := d.connectSQLite(path, s, "query_only(ON)")
	if err != nil {
		return errors.Join(err, d.close())
	}
	connections.SetMaxOpenConns(sqliteReaders)
	connections.SetMaxIdleConns(sqliteReaders)
	d.reader = newPool(connections)
	return nil
}

func (d *database) connectSQLite(path string, s schema, pragmas ...string) (*sql.DB, error) {
	options := url.Values{
		"mode":    {"rw"}, // never makes a file
		"_txlock": {"immediate"},
		"_pragma": append([]string{fmt.Sprintf("busy_timeout(%d)", sqliteBusyTimeout.Milliseconds())}, pragmas...),
	}
	if err := withRowHash(); err != nil {
		return nil, err
	}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: options.Encode()}
	connector, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, err
	}
	db, registration, err := connect(connector, semconv.DBSystemNameSQLite, s.file)
	if err != nil {
		return nil, err
	}
	d.metrics = append(d.metrics, registration)
	return db, nil
}

// classifyFile is classify for an error of the file system, whose text names the file and nothing else.
func classifyFile(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }
