package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"os"
	"strings"

	"modernc.org/sqlite"
)

// Known is what was noted of one thing: the highest version that was seen, where it was, and whatever else is compared later.
type Known struct {
	Key      string
	Version  int
	Sequence uint64
	Flags    int64
	Digest   []byte
}

// Scratch is a temporary table of things by their keys, for work over streams that are longer than what memory holds. It is one file that goes with Close;
// what a crash leaves of it has a name that begins with scratchPrefix. It is for one goroutine.
type Scratch struct {
	db   *sql.DB
	path string
}

const scratchPrefix = ".scratch-"

// scratchLookup bounds the keys of one question.
const scratchLookup = 500

// OpenScratch makes an empty one in a directory, or in that for temporary files where it is empty.
func OpenScratch(dir string) (*Scratch, error) {
	file, err := os.CreateTemp(dir, scratchPrefix+"*.db")
	if err != nil {
		return nil, fmt.Errorf("open temporary table: %w", err)
	}
	s := &Scratch{path: file.Name()}
	if err := file.Close(); err != nil {
		return nil, errors.Join(fmt.Errorf("open temporary table: %w", err), s.Close())
	}
	options := url.Values{"_pragma": {"journal_mode(OFF)", "synchronous(OFF)", "locking_mode(EXCLUSIVE)", "cache_size(-32000)", "temp_store(FILE)"}}
	dsn := url.URL{Scheme: "file", Path: s.path, RawQuery: options.Encode()}
	connector, err := sqlite.NewConnector(dsn.String())
	if err == nil {
		s.db = sql.OpenDB(connector)
		s.db.SetMaxOpenConns(1)
		_, err = s.db.Exec(`CREATE TABLE known (
			key TEXT PRIMARY KEY, version INTEGER NOT NULL, sequence INTEGER NOT NULL, flags INTEGER NOT NULL, digest BLOB) WITHOUT ROWID`)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open temporary table: %w", err), s.Close())
	}
	return s, nil
}

// Close removes it.
func (s *Scratch) Close() error {
	var err error
	if s.db != nil {
		err = s.db.Close()
	}
	return errors.Join(err, os.Remove(s.path))
}

// Put notes all of them, each in the place of what was noted under its key with a lower sequence.
func (s *Scratch) Put(ctx context.Context, list []Known) (err error) {
	if len(list) == 0 {
		return nil
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("note: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("note: %w", err), tx.Rollback())
		}
	}()
	put, err := tx.PrepareContext(ctx, `INSERT INTO known (key, version, sequence, flags, digest) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET version = excluded.version, sequence = excluded.sequence, flags = excluded.flags, digest = excluded.digest
		WHERE excluded.sequence >= known.sequence`)
	if err != nil {
		return err
	}
	defer func() { _ = put.Close() }() // it ends with the transaction
	for i := range list {
		k := &list[i]
		if _, err := put.ExecContext(ctx, k.Key, k.Version, int64(k.Sequence), k.Flags, k.Digest); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// Find returns what is noted under the keys.
func (s *Scratch) Find(ctx context.Context, keys []string) (map[string]Known, error) {
	found := make(map[string]Known, len(keys))
	for len(keys) > 0 {
		some := keys[:min(len(keys), scratchLookup)]
		keys = keys[len(some):]
		args := make([]any, len(some))
		for i, key := range some {
			args[i] = key
		}
		rows, err := s.db.QueryContext(ctx, `SELECT key, version, sequence, flags, digest FROM known WHERE key IN (?`+strings.Repeat(", ?", len(some)-1)+`)`, args...)
		if err != nil {
			return nil, fmt.Errorf("look up notes: %w", err)
		}
		err = scanKnown(rows, func(k Known) error {
			found[k.Key] = k
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look up notes: %w", err)
		}
	}
	return found, nil
}

// Count returns how many things are noted.
func (s *Scratch) Count(ctx context.Context) (n uint64, err error) {
	if err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM known`).Scan(&n); err != nil {
		return 0, fmt.Errorf("count notes: %w", err)
	}
	return n, nil
}

// scratchPage is how many notes Each reads at a time: it holds no statement open while its function runs.
const scratchPage = 1000

// Each hands everything to fn, by key. Nothing may be noted meanwhile.
func (s *Scratch) Each(ctx context.Context, fn func(Known) error) error {
	after := ""
	for {
		rows, err := s.db.QueryContext(ctx, `SELECT key, version, sequence, flags, digest FROM known WHERE key > ? ORDER BY key LIMIT ?`, after, scratchPage)
		if err != nil {
			return fmt.Errorf("read notes: %w", err)
		}
		var page []Known
		if err := scanKnown(rows, func(k Known) error {
			page = append(page, k)
			return nil
		}); err != nil {
			return fmt.Errorf("read notes: %w", err)
		}
		for _, k := range page {
			if err := fn(k); err != nil {
				return err
			}
			after = k.Key
		}
		if len(page) < scratchPage {
			return nil
		}
	}
}

func scanKnown(rows *sql.Rows, fn func(Known) error) error {
	defer rows.Close()
	for rows.Next() {
		var k Known
		if err := rows.Scan(&k.Key, &k.Version, &k.Sequence, &k.Flags, &k.Digest); err != nil {
			return err
		}
		if err := fn(k); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Sequences returns the sequences of all that is noted, one after the other, in order. Stop must be called.
func (s *Scratch) Sequences(ctx context.Context) (next func() (seq uint64, more bool, err error), stop func()) {
	var failed error
	pull, stop := iter.Pull(func(yield func(uint64) bool) {
		rows, err := s.db.QueryContext(ctx, `SELECT sequence FROM known ORDER BY sequence`)
		if err != nil {
			failed = err
			return
		}
		defer rows.Close()
		for rows.Next() {
			var seq uint64
			if failed = rows.Scan(&seq); failed != nil || !yield(seq) {
				return
			}
		}
		failed = rows.Err()
	})
	return func() (uint64, bool, error) {
		seq, more := pull()
		if failed != nil {
			return 0, false, fmt.Errorf("read notes: %w", failed)
		}
		return seq, more, nil
	}, stop
}
