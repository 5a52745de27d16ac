package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync/atomic"

	"github.com/XSAM/otelsql"
	"github.com/pressly/goose/v3"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/verdict-stream/verdict/pkg/batch"
)

// database is the connections to one database. On SQLite one connection writes and a pool reads; on PostgreSQL one pool
// does both.
type database struct {
	writer  *sql.DB // nil where only reading is allowed
	reader  *pool
	dialect goose.Dialect
	lock    *fileLock // held while a SQLite file is written, else nil
	metrics []metric.Registration

	// guard is asked at the start of every transaction whether it may write; nil is always.
	guard func(context.Context, statements) error
	// committed gets the rows of the outbox of every transaction, before any of its callers returns; nil is nobody.
	committed func([]OutboxRow)
	// shared has the transactions of many callers become one; turn is held by the one under way.
	shared   *batch.Group[*work, struct{}]
	turn     chan struct{}
	prepared prepared

	// snapshots is how many there are, and forgetful whether something is to be forgotten once there are none.
	snapshots atomic.Int32
	forgetful atomic.Bool
}

// schema is a set of tables.
type schema struct {
	name        string // of its folder of migrations
	file        string // of the file that holds it on SQLite
	synchronous string // what a commit waits for on SQLite
	journal     string // how SQLite can undo a transaction; empty is its log of writes
	searchPath  string // the schema of PostgreSQL that it is in, where that is not the one that the URL names
	lock        string // whose lock file keeps other processes from writing the file of SQLite, that of file itself where it is empty
	// pragmas are further settings of the connection that writes, on SQLite.
	pragmas []string
	// prepare is called before the file of SQLite is opened for writing, with its lock; nil is nothing to do.
	prepare func(dir string, s schema) error
}

// unlocked is the lock of a file that no other process knows of.
const unlocked = "-"

// newDatabase returns a database without connections.
func newDatabase(dialect goose.Dialect) *database {
	d := &database{dialect: dialect, turn: make(chan struct{}, 1), prepared: prepared{}}
	d.shared = batch.New(maxShared, d.commit)
	return d
}

// openDatabase opens the database for writing and migrates it.
func openDatabase(ctx context.Context, at Location, s schema) (db *database, err error) {
	if at.URL == "" {
		db, err = openSQLite(at.Dir, s)
	} else {
		db, err = openPostgres(at.URL, s)
	}
	if err != nil {
		return nil, err
	}
	if err := db.migrate(ctx, s); err != nil {
		return nil, errors.Join(err, db.close())
	}
	return db, nil
}

// write and read run single statements.
func (d *database) write() statements { return statements{on: d.writer} }
func (d *database) read() statements  { return statements{on: d.reader} }

func (d *database) postgres() bool { return d.dialect == goose.DialectPostgres }

// forUpdate ends a SELECT whose row the transaction will write, so that no other transaction writes it between. A
// transaction of SQLite has the file for itself.
func (d *database) forUpdate() string {
	if d.postgres() {
		return " FOR UPDATE"
	}
	return ""
}

func (d *database) close() error {
	var failed []error
	for _, m := range d.metrics {
		failed = append(failed, m.Unregister())
	}
	if d.reader != nil && d.reader.now() != d.writer {
		failed = append(failed, d.reader.now().Close())
	}
	if d.writer != nil {
		failed = append(failed, d.writer.Close())
	}
	d.lock.release()
	return errors.Join(failed...)
}

// connect opens a pool with metrics.
func connect(connector driver.Connector, system attribute.KeyValue, name string) (*sql.DB, metric.Registration, error) {
	db := sql.OpenDB(connector)
	registration, err := otelsql.RegisterDBStatsMetrics(db, otelsql.WithAttributes(system, semconv.DBNamespace(name)))
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, registration, nil
}
