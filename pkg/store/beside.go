package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-stream/verdict/pkg/durable"
	"github.com/verdict-stream/verdict/pkg/failpoint"
)

// A state can be made anew beside the one in use, and take its place. On SQLite it is a file of its own:
//
//	lifecycle-<provider>.db          the state in use
//	lifecycle-<provider>.rebuilt.db  the one that is being made
//	lifecycle-<provider>.next.db     one that is whole and takes the place of the one in use, which a crash may hold up
//	lifecycle-<provider>.former.db   the one that was in use before
//
// On PostgreSQL it is the rows under another key.
const (
	filesRebuilt = "rebuilt"
	filesNext    = "next"
	filesFormer  = "former"
)

// beside is the name of another file of the provider's state.
func (s schema) beside(which string) string {
	return strings.TrimSuffix(s.file, ".db") + "." + which + ".db"
}

// Beside makes an empty state beside this one, in the place of one that a crash has left. What is written to it need not survive a crash.
// It is for one goroutine, while this state is open.
func (l *Lifecycle) Beside(ctx context.Context) (*Lifecycle, error) {
	b, err := l.openBeside(ctx)
	return b, wrap("make a state beside that of "+l.provider, err)
}

func (l *Lifecycle) openBeside(ctx context.Context) (*Lifecycle, error) {
	if err := l.DropBeside(ctx); err != nil {
		return nil, err
	}
	s, key := lifecycleSchema(l.provider), l.provider
	if l.db.postgres() {
		// No provider's name has the sign.
		key = l.provider + "/" + strconv.FormatInt(time.Now().UnixNano(), 10)
	} else {
		// This state's lock keeps others away.
		s.file, s.synchronous, s.lock, s.prepare = s.beside(filesRebuilt), "OFF", unlocked, nil
	}
	db, err := openDatabase(ctx, l.at, s)
	if err != nil {
		return nil, err
	}
	b := &Lifecycle{db: db, at: l.at, provider: l.provider, key: key, recent: &recent{}, lost: l.lost}
	db.committed = b.recent.add
	if l.lease != nil {
		db.guard = l.lease.check
	}
	return b, nil
}

// DropBeside removes what is left of states that were being made beside this one, or have been. None may be open.
func (l *Lifecycle) DropBeside(ctx context.Context) error {
	if !l.db.postgres() {
		return removeDatabase(filepath.Join(l.at.Dir, lifecycleSchema(l.provider).beside(filesRebuilt)))
	}
	current, former, err := lifecycleKeys(ctx, l.db, l.provider)
	if err != nil {
		return err
	}
	return dropRows(ctx, l.db, `(provider = $1 OR provider LIKE $1 || '/%') AND provider <> $2 AND provider <> $3`, l.provider, current, former)
}

// TakePlace puts the state that was made beside this one in its place, for good: a crash on the way leaves the one or the other, whole.
// The one that was in use is kept until DropFormer. Both are closed, whatever the result.
func (l *Lifecycle) TakePlace(ctx context.Context, beside *Lifecycle) error {
	var err error
	if l.db.postgres() {
		err = errors.Join(l.pointTo(ctx, beside.key), beside.Close(), l.Close())
	} else {
		err = l.replaceFile(ctx, beside)
	}
	return wrap("put the new state of "+l.provider+" in its place", err)
}

// pointTo makes the rows under a key the state.
func (l *Lifecycle) pointTo(ctx context.Context, key string) error {
	return l.db.update(ctx, func(s statements) error {
		_, err := s.exec(ctx, `
			INSERT INTO lifecycle_key (provider, current, former) VALUES ($1, $2, $3)
			ON CONFLICT (provider) DO UPDATE SET former = excluded.former, current = excluded.current`, l.provider, key, l.key)
		return err
	})
}

// replaceFile renames the files. This state's lock is held until that is done.
func (l *Lifecycle) replaceFile(ctx context.Context, beside *Lifecycle) error {
	lock := l.db.lock
	l.db.lock = nil
	defer lock.release()
	s := lifecycleSchema(l.provider)
	rebuilt, next := filepath.Join(l.at.Dir, s.beside(filesRebuilt)), filepath.Join(l.at.Dir, s.beside(filesNext))
	_, err := beside.db.write().exec(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
	if err = errors.Join(err, beside.Close()); err != nil {
		return errors.Join(err, l.Close())
	}
	if err := durable.Sync(rebuilt); err != nil {
		return errors.Join(classifyFile(err), l.Close())
	}
	if err := l.Close(); err != nil {
		return err
	}
	if err := os.Rename(rebuilt, next); err != nil {
		return classifyFile(err)
	}
	return finishReplacing(l.at.Dir, s)
}

// finishReplacing puts a file that is to take the place of the one in use there, if there is one. The caller has the lock.
func finishReplacing(dir string, s schema) error {
	live, next, former := filepath.Join(dir, s.file), filepath.Join(dir, s.beside(filesNext)), filepath.Join(dir, s.beside(filesFormer))
	if _, err := os.Stat(next); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	// The database of before, if it is still there, goes away after its log: nobody may find a log beside another database.
	if _, err := os.Stat(live); err == nil {
		if err := removeDatabase(former); err != nil {
			return err
		}
		for _, suffix := range []string{"-wal", "-shm", ""} {
			if err := os.Rename(live+suffix, former+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return classifyFile(err)
			}
		}
	}
	failpoint.Hit(failpoint.RebuildRenamed)
	if err := errors.Join(durable.Sync(dir), os.Rename(next, live), durable.Sync(dir)); err != nil {
		return classifyFile(err)
	}
	return nil
}

// DropFormer removes the state that was in use before another took its place, and reports whether there was one.
func DropFormer(ctx context.Context, at Location, provider string) (bool, error) {
	dropped, err := dropFormer(ctx, at, provider)
	return dropped, wrap("drop the former state of "+provider, err)
}

func dropFormer(ctx context.Context, at Location, provider string) (bool, error) {
	s := lifecycleSchema(provider)
	if at.URL == "" {
		former := filepath.Join(at.Dir, s.beside(filesFormer))
		_, err := os.Stat(former)
		return err == nil, removeDatabase(former)
	}
	db, err := openPostgres(at.URL, s)
	if err != nil {
		return false, err
	}
	defer func() { _ = db.close() }() // nothing waits in it
	_, former, err := lifecycleKeys(ctx, db, provider)
	if err != nil || former == "" {
		return false, err
	}
	if err := dropRows(ctx, db, `provider = $1`, former); err != nil {
		return false, err
	}
	_, err = db.write().exec(ctx, `UPDATE lifecycle_key SET former = '' WHERE provider = $1 AND former = $2`, provider, former)
	return true, err
}

// dropChunk bounds the rows of one statement.
const dropChunk = 10_000

// dropRows deletes rows of PostgreSQL from all tables of a state, some at a time.
func dropRows(ctx context.Context, db *database, which string, args ...any) error {
	for _, table := range append([]string{"lifecycle_sequence"}, forgotten...) {
		for {
			n, err := db.write().exec(ctx, fmt.Sprintf(`DELETE FROM %s WHERE ctid = ANY(ARRAY(SELECT ctid FROM %s WHERE %s LIMIT %d))`, table, table, which, dropChunk), args...)
			if err != nil {
				return err
			}
			if n < dropChunk {
				break
			}
		}
	}
	return nil
}

// removeDatabase removes a database of SQLite that nobody has open, after all that lies beside it: nobody may find a log beside another
// database, and whoever looks for databases that were left finds this one until nothing is.
func removeDatabase(path string) error {
	return removeFiles(path+"-wal", path+"-shm", path+"-journal", path)
}

func removeFiles(paths ...string) error {
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return classifyFile(err)
		}
	}
	return nil
}
