package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/XSAM/otelsql"
	"github.com/pressly/goose/v3"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// database is the connections to one database. On SQLite one connection writes and a pool reads; on PostgreSQL one pool
// does both.
type database struct {
	writer, reader *sql.DB // writer is nil where only reading is allowed
	dialect        goose.Dialect
	lock           *fileLock // held while a SQLite file is written, else nil
	metrics        []metric.Registration
}

// schema is a set of tables.
type schema struct {
	name        string // of its folder of migrations
	file        string // of the file that holds it on SQLite
	synchronous string // what a commit waits for on SQLite
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
func (d *database) write() statements { return statements{d.writer} }
func (d *database) read() statements  { return statements{d.reader} }

// update runs fn in one transaction: all that it wrote takes effect, or nothing does.
func (d *database) update(ctx context.Context, fn func(statements) error) error {
	if d.writer == nil {
		return errReadOnly
	}
	tx, err := d.writer.BeginTx(ctx, nil)
	if err != nil {
		return classify(ctx, err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit this does nothing
	if err := fn(statements{tx}); err != nil {
		return err
	}
	return classify(ctx, tx.Commit())
}

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
	if d.reader != nil && d.reader != d.writer {
		failed = append(failed, d.reader.Close())
	}
	if d.writer != nil {
		failed = append(failed, d.writer.Close())
	}
	d.lock.release()
	return errors.Join(failed...)
}

// connect opens a pool with spans and metrics. A span holds the statement and never an argument or the text of an error,
// and there is none outside of a trace, so that polling makes no noise.
func connect(connector driver.Connector, system attribute.KeyValue, name string) (*sql.DB, metric.Registration, error) {
	about := otelsql.WithAttributes(system, semconv.DBNamespace(name))
	db := otelsql.OpenDB(connector, about, otelsql.WithSpanOptions(otelsql.SpanOptions{
		OmitConnResetSession: true,
		OmitConnPrepare:      true,
		OmitRows:             true,
		OmitConnectorConnect: true,
		RecordError:          func(error) bool { return false },
		SpanFilter: func(ctx context.Context, _ otelsql.Method, _ string, _ []driver.NamedValue) bool {
			return trace.SpanContextFromContext(ctx).IsValid()
		},
	}))
	registration, err := otelsql.RegisterDBStatsMetrics(db, about)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, registration, nil
}
