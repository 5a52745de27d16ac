package store

import (
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

const (
	// postgresConnections bounds the connections of one store.
	postgresConnections = 8
	// postgresConnectTimeout bounds one attempt to connect, where the URL does not.
	postgresConnectTimeout = 5 * time.Second
	// postgresIdleTime is how long a connection may wait for its next use, so that those to a server that was replaced end.
	postgresIdleTime = 5 * time.Minute
	// postgresIdleInTransaction ends the transaction of a process that was frozen, so that its locks hold up nobody.
	postgresIdleInTransaction = 30 * time.Second
)

// openPostgres opens a pool; the first use of it connects.
func openPostgres(at URL, s schema) (*database, error) {
	config, err := pgx.ParseConfig(string(at))
	if err != nil {
		return nil, errors.New("the database URL is not one of PostgreSQL") // the parser's text would show parts of it
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = postgresConnectTimeout
	}
	setDefault(config.RuntimeParams, "application_name", "verdict "+s.name)
	setDefault(config.RuntimeParams, "idle_in_transaction_session_timeout", strconv.FormatInt(postgresIdleInTransaction.Milliseconds(), 10))
	if s.searchPath != "" {
		config.RuntimeParams["search_path"] = s.searchPath
	}
	connections, registration, err := connect(stdlib.GetConnector(*config), semconv.DBSystemNamePostgreSQL, s.name)
	if err != nil {
		return nil, err
	}
	connections.SetMaxOpenConns(postgresConnections)
	connections.SetMaxIdleConns(postgresConnections)
	connections.SetConnMaxIdleTime(postgresIdleTime)
	db := newDatabase(goose.DialectPostgres)
	db.writer, db.reader = connections, newPool(connections)
	db.metrics = append(db.metrics, registration)
	return db, nil
}

func setDefault(params map[string]string, name, value string) {
	if _, set := params[name]; !set {
		params[name] = value
	}
}
