package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"

	"modernc.org/sqlite"

	"github.com/verdict-stream/verdict/pkg/durable"
)

// lifecycleFile matches the files of states in use; those beside them have a dot more.
var lifecycleFile = regexp.MustCompile(`^lifecycle-[a-z0-9_-]+\.db$`)

// BackUp copies the databases of SQLite in a directory to another one, each as it is at one moment, while they are used, and returns the names of the
// copies. Nothing in a copy opens anything: claims are left out, which the projector reads again from the deliveries that are still kept; for that the
// copied read model says that it holds the streams in since only up to before the positions given there. What is on PostgreSQL is not copied.
func BackUp(ctx context.Context, at Location, to string, since map[string]uint64) ([]string, error) {
	names, err := backUp(ctx, at, to, since)
	return names, wrap("back up the databases", err)
}

func backUp(ctx context.Context, at Location, to string, since map[string]uint64) ([]string, error) {
	if at.URL != "" {
		return nil, nil
	}
	entries, err := os.ReadDir(at.Dir)
	if err != nil {
		return nil, err
	}
	var copies []string
	for _, entry := range entries {
		if !lifecycleFile.MatchString(entry.Name()) {
			continue
		}
		if err := copySQLite(ctx, filepath.Join(at.Dir, entry.Name()), filepath.Join(to, entry.Name()), nil); err != nil {
			return nil, err
		}
		copies = append(copies, entry.Name())
	}
	for range pointerTries {
		now, err := readPointer(at.Dir)
		if err != nil {
			return nil, err
		}
		from := filepath.Join(at.Dir, now.File)
		if _, err := os.Stat(from); errors.Is(err, os.ErrNotExist) {
			if now.File == readModelSchema.file {
				return copies, nil
			}
			continue // another one has taken its place
		}
		err = copySQLite(ctx, from, filepath.Join(to, readModelSchema.file), func(db *sql.DB) error { return withoutClaims(ctx, db, since) })
		if err != nil {
			return nil, err
		}
		return append(copies, readModelSchema.file), nil
	}
	return nil, fmt.Errorf("the read model moves: try again")
}

// pointerTries bounds how often another read model may take the place of the one that is about to be copied.
const pointerTries = 3

// copySQLite copies a database that may be in use, and changes the copy: of what the change has deleted, nothing is in it.
func copySQLite(ctx context.Context, from, to string, change func(*sql.DB) error) error {
	if change == nil {
		return vacuumInto(ctx, from, to)
	}
	whole := to + ".whole"
	if err := vacuumInto(ctx, from, whole); err != nil {
		return err
	}
	db, err := openPlain(whole, "journal_mode(OFF)", "synchronous(OFF)")
	if err == nil {
		err = errors.Join(change(db), db.Close())
	}
	if err == nil {
		err = vacuumInto(ctx, whole, to)
	}
	if err = errors.Join(err, removeDatabase(whole)); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(to), err)
	}
	return nil
}

// vacuumInto copies a database as it is at one moment. The copy is on disk.
func vacuumInto(ctx context.Context, from, to string) error {
	db, err := openPlain(from)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, to)
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(from), err)
	}
	if err := os.Chmod(to, fileMode); err != nil {
		return err
	}
	return durable.Sync(to)
}

// openPlain opens an existing file of SQLite.
func openPlain(path string, pragmas ...string) (*sql.DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	options := url.Values{"mode": {"rw"}, "_pragma": append([]string{fmt.Sprintf("busy_timeout(%d)", sqliteBusyTimeout.Milliseconds())}, pragmas...)}
	dsn := url.URL{Scheme: "file", Path: absolute, RawQuery: options.Encode()}
	connector, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	return db, nil
}

// withoutClaims takes the claims with their keys out of a copy of the read model.
func withoutClaims(ctx context.Context, db *sql.DB, since map[string]uint64) error {
	_, err := db.ExecContext(ctx, `UPDATE claims SET sealed = NULL, wrapped = NULL, signal = '{}', signal_seq = 0 WHERE sealed IS NOT NULL OR wrapped IS NOT NULL`)
	for stream, first := range since {
		_, failed := db.ExecContext(ctx, `UPDATE progress SET sequence = min(sequence, ?) WHERE stream = ?`, int64(first)-1, stream)
		err = errors.Join(err, failed)
	}
	return err
}

// Successor says which stream has taken the place of another one of its name, with the same messages up to a position.
type Successor struct {
	Stream   string
	From, To string // their identities
	Last     uint64
}

// Rebind has states and read model take streams that were restored for those that they have read, as far as they have read no more than was restored. What has
// read more is left as it is: it finds another stream when it is started, and is made anew. Nothing may use the databases. Those that are missing are none.
func Rebind(ctx context.Context, at Location, successors []Successor) error {
	return wrap("give the databases their streams", rebind(ctx, at, successors))
}

func rebind(ctx context.Context, at Location, successors []Successor) error {
	var databases []*database
	if at.URL != "" {
		db, err := openPostgres(at.URL, readModelSchema)
		if err != nil {
			return err
		}
		databases = append(databases, db)
	} else {
		files, err := filepath.Glob(filepath.Join(at.Dir, "*.db"))
		if err != nil {
			return err
		}
		for _, file := range files {
			db, err := openSQLite(at.Dir, schema{file: filepath.Base(file), synchronous: "FULL"})
			if err != nil {
				return err
			}
			databases = append(databases, db)
		}
	}
	var failed []error
	for _, db := range databases {
		failed = append(failed, db.rebind(ctx, successors), db.close())
	}
	return errors.Join(failed...)
}

// The tables that hold positions of streams, with what each calls the stream and its identity.
var positionTables = []struct{ table, stream, identity, sequence string }{
	{"progress", "stream", "identity", "sequence"}, {"lifecycle_position", "lane", "stream", "seq"},
}

func (d *database) rebind(ctx context.Context, successors []Successor) error {
	return d.update(ctx, func(s statements) error {
		for _, p := range positionTables {
			exists := `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = $1`
			if d.postgres() {
				exists = `SELECT count(to_regclass($1))`
			}
			var tables int
			if _, err := s.one(ctx, []any{&tables}, exists, p.table); err != nil {
				return err
			}
			for _, one := range successors {
				if tables == 0 {
					break
				}
				_, err := s.exec(ctx, `UPDATE `+p.table+` SET `+p.identity+` = $1 WHERE `+p.stream+` = $2 AND `+p.identity+` = $3 AND `+p.sequence+` <= $4`,
					one.To, one.Stream, one.From, int64(one.Last))
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}
