package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// ReadModel is what the streams say, in tables: verifications with their events, deliveries, and sealed claims. It may be
// used by many goroutines.
//
// It can be built again from the streams, as far back as they reach.
type ReadModel struct {
	db *database
	at Location
	// follower is that of a reader of SQLite, nil elsewhere.
	follower *follower
}

// Its rows are about verifications in no order, so that a transaction writes to pages all over the file: the writer keeps 16 MB of them in
// memory. The log is copied to the file as often as SQLite does by default, every 4 MB: every 32 MB is less to write, but it is synced in one
// go, and whoever waits for a sync of the same disk then, the spool above all, waits for 20 ms.
var readModelSchema = schema{
	name: "readmodel", file: "readmodel.db", synchronous: "NORMAL", pragmas: []string{"cache_size(-16000)"},
}

const (
	// readerRetry is how often a reader looks whether the tables are there.
	readerRetry = 250 * time.Millisecond
	// readerPatience is how long it says nothing: who makes them may have been started with it.
	readerPatience = 2 * time.Second
)

// OpenReadModel opens the read model for writing and migrates the tables. On SQLite it returns ErrLeased while another
// process writes it. ErrUnavailable means that the database is away.
func OpenReadModel(ctx context.Context, at Location) (*ReadModel, error) {
	s, err := at.readModel()
	if err != nil {
		return nil, wrap("open read model", err)
	}
	db, err := openDatabase(ctx, at, s)
	if err != nil {
		return nil, wrap("open read model", err)
	}
	if db.postgres() {
		db.guard = shareWriting
	}
	return &ReadModel{db: db, at: at}, nil
}

// readModel returns the schema with the file that is the read model now.
func (l Location) readModel() (schema, error) {
	s := readModelSchema
	if l.URL != "" {
		return s, nil
	}
	now, err := readPointer(l.Dir)
	s.file, s.lock = now.File, readModelSchema.file
	return s, err
}

// OpenReader opens the read model for reading. It waits for the database and its tables until ctx ends, and returns an
// error at once where the tables are of a newer program. Calls that write return an error. Where another read model takes its place, see
// Rebuild, it is read from then on.
func OpenReader(ctx context.Context, at Location) (*ReadModel, error) {
	s, err := at.readModel()
	if err != nil {
		return nil, wrap("open read model", err)
	}
	db, err := openReaderDatabase(at, s)
	if err != nil {
		return nil, wrap("open read model", err)
	}
	if err := db.awaitTables(ctx, s); err != nil {
		return nil, wrap("open read model", errors.Join(err, db.close()))
	}
	m := &ReadModel{db: db, at: at}
	if !db.postgres() {
		m.follower = follow(at.Dir, s.file, db)
	}
	return m, nil
}

func openReaderDatabase(at Location, s schema) (*database, error) {
	if at.URL == "" {
		return openSQLiteReader(at.Dir, s)
	}
	db, err := openPostgres(at.URL, s)
	if err != nil {
		return nil, err
	}
	db.writer = nil
	return db, nil
}

// awaitTables waits until the tables are of this program's version.
func (d *database) awaitTables(ctx context.Context, s schema) error {
	retry := time.NewTicker(readerRetry)
	defer retry.Stop()
	said := time.After(readerPatience)
	for {
		err := d.checkVersion(ctx, d.read(), s)
		if !errors.Is(err, errNoSchema) && !errors.Is(err, ErrUnavailable) {
			return err
		}
		select {
		case <-retry.C:
		case <-said:
			slog.InfoContext(ctx, "waiting for the tables of the read model", "reason", err)
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", err, ctx.Err())
		}
	}
}

// Close closes the database. Nothing may use it then.
func (m *ReadModel) Close() error {
	m.follower.close()
	return wrap("close read model", m.db.close())
}

// Progress is how far the tables hold a stream.
type Progress struct {
	Stream   string
	Identity string    // of the stream: another one of that name, made later, has another
	Sequence uint64    // all events up to it are in the tables
	Pending  uint64    // how many were waiting behind it
	At       time.Time // when that was so
}

// PutProgress records how far the tables hold a stream. An earlier sequence changes nothing, and neither does a stream of another identity
// than the recorded one: that one has to be forgotten first.
func (m *ReadModel) PutProgress(ctx context.Context, p Progress) error {
	err := m.db.update(ctx, func(s statements) error { return writeProgress(ctx, s, p) })
	return wrap("put progress", err)
}

func writeProgress(ctx context.Context, s statements, p Progress) error {
	_, err := s.exec(ctx, `
		INSERT INTO progress (stream, identity, sequence, pending, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (stream) DO UPDATE SET sequence = excluded.sequence, pending = excluded.pending, at = excluded.at
		WHERE excluded.identity = progress.identity AND (excluded.sequence, excluded.at) > (progress.sequence, progress.at)`,
		p.Stream, p.Identity, int64(p.Sequence), int64(p.Pending), micros(p.At))
	return err
}

// Progress returns how far the tables hold a stream. Errors: ErrNotFound where they hold nothing of it.
func (m *ReadModel) Progress(ctx context.Context, stream string) (Progress, error) {
	all, err := m.allProgress(ctx)
	if err != nil {
		return Progress{}, wrap("read progress", err)
	}
	for _, p := range all {
		if p.Stream == stream {
			return p, nil
		}
	}
	return Progress{}, wrap("read progress", ErrNotFound)
}

// allProgress returns the progress of every stream; there are few.
func (m *ReadModel) allProgress(ctx context.Context) ([]Progress, error) {
	return list(ctx, m.db.read(), func(scan scanner) (p Progress, err error) {
		var at int64
		err = scan(&p.Stream, &p.Identity, &p.Sequence, &p.Pending, &at)
		p.At = instant(at)
		return p, err
	}, `SELECT stream, identity, sequence, pending, at FROM progress ORDER BY stream`)
}
