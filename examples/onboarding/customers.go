package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	_ "modernc.org/sqlite"

	"github.com/verdict-stream/verdict/pkg/consume"
)

// customers is the team's database.
type customers struct{ db *sql.DB }

const schema = `
CREATE TABLE IF NOT EXISTS customer (
	verification TEXT PRIMARY KEY,
	version      INTEGER NOT NULL, -- the last one that was applied
	status       TEXT NOT NULL,
	final        INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS news (
	number       INTEGER PRIMARY KEY,
	verification TEXT NOT NULL,
	version      INTEGER NOT NULL,
	status       TEXT NOT NULL,
	state        INTEGER NOT NULL -- whether this is what a snapshot told: versions before it may be missing
);
CREATE TABLE IF NOT EXISTS aside (
	stream   TEXT NOT NULL,
	sequence INTEGER NOT NULL,
	reason   TEXT NOT NULL,
	PRIMARY KEY (stream, sequence)
);
CREATE TABLE IF NOT EXISTS identity (one INTEGER PRIMARY KEY CHECK (one = 1), text TEXT NOT NULL);`

func openCustomers(ctx context.Context, file string) (*customers, error) {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db.SetMaxOpenConns(1) // SQLite has one writer.
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("open the database: %w", err), db.Close())
	}
	return &customers{db}, nil
}

func (c *customers) close() {
	if err := c.db.Close(); err != nil {
		fmt.Println("close the database:", err)
	}
}

// apply does what the team does with an event, and keeps its version, in one transaction: both or neither are there, whenever the program is
// killed. An event that comes again changes no row, and is no news.
func (c *customers) apply(ctx context.Context, e consume.Event) (news bool, err error) {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return false, fmt.Errorf("apply: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // It does nothing after a commit.
	result, err := tx.ExecContext(ctx, `
		INSERT INTO customer (verification, version, status, final) VALUES ($1, $2, $3, $4)
		ON CONFLICT (verification) DO UPDATE SET version = excluded.version, status = excluded.status, final = excluded.final
		WHERE customer.version < excluded.version`, e.ID, e.Version, e.Status, e.Final)
	if err != nil {
		return false, fmt.Errorf("apply: %w", err)
	}
	changed, err := result.RowsAffected()
	if err != nil || changed == 0 {
		return false, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO news (verification, version, status, state) VALUES ($1, $2, $3, $4)`, e.ID, e.Version, e.Status, e.Snapshot)
	if err != nil {
		return false, fmt.Errorf("apply: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return false, fmt.Errorf("apply: %w", err)
	}
	return true, nil
}

// setAside keeps the place of an event that will not be handled, for somebody to look at.
func (c *customers) setAside(ctx context.Context, e consume.Event, reason error) error {
	_, err := c.db.ExecContext(ctx, `
		INSERT INTO aside (stream, sequence, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, e.Stream, e.Sequence, reason.Error())
	return err
}

// Load implements consume.Identity.
func (c *customers) Load(ctx context.Context) (text string, err error) {
	err = c.db.QueryRowContext(ctx, `SELECT text FROM identity`).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return text, err
}

// Save implements consume.Identity.
func (c *customers) Save(ctx context.Context, text string) error {
	_, err := c.db.ExecContext(ctx, `INSERT INTO identity (one, text) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET text = excluded.text`, text)
	return err
}
