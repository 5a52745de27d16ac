package store

import (
	"context"
	"database/sql"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// followInterval is how often a reader looks whether another file of SQLite is the read model now.
const followInterval = 250 * time.Millisecond

// follower keeps a reader at the file that is the read model. Queries that run in the file before are not disturbed.
type follower struct {
	dir     string
	db      *database
	file    string
	stop    context.CancelFunc
	stopped sync.WaitGroup
	looking sync.Mutex
}

// follow begins to follow from the file that the database is open at.
func follow(dir, file string, db *database) *follower {
	ctx, stop := context.WithCancel(context.Background())
	f := &follower{dir: dir, db: db, file: file, stop: stop}
	f.stopped.Go(func() {
		tick := time.NewTicker(followInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := f.look(ctx); err != nil && ctx.Err() == nil {
				slog.WarnContext(ctx, "the read model that was switched to cannot be read; the one before still is", "error", err)
			}
		}
	})
	return f
}

// look opens the file that is the read model now, where that is another one.
func (f *follower) look(ctx context.Context) error {
	f.looking.Lock()
	defer f.looking.Unlock()
	now, err := readPointer(f.dir)
	if err != nil || now.File == f.file {
		return err
	}
	s := readModelSchema
	s.file = now.File
	next, err := openSQLiteReader(f.dir, s)
	if err != nil {
		return err
	}
	if err := next.checkVersion(ctx, next.read(), s); err != nil {
		_ = next.close() // it was only looked at
		return err
	}
	f.file = now.File
	return f.db.become(next)
}

// moved reports whether another file is the read model now than the one that connections are to; readers are at that one then. A nil one never
// moves.
func (f *follower) moved(ctx context.Context, from *sql.DB) bool {
	if f == nil {
		return false
	}
	if err := f.look(ctx); err != nil {
		slog.WarnContext(ctx, "the read model that was switched to cannot be read; the one before still is", "error", err)
	}
	return f.db.reader.now() != from
}

// close ends it. A nil one is nobody.
func (f *follower) close() {
	if f != nil {
		f.stop()
		f.stopped.Wait()
	}
}

// become takes over the connections of another database for reading, and closes its own: queries that run in them end first.
func (d *database) become(next *database) error {
	before := d.reader.swap(next.reader.now())
	metrics := d.metrics
	d.metrics = next.metrics
	for _, m := range metrics {
		_ = m.Unregister() // what is measured by it is closed
	}
	return before.Close()
}

// pool is the connections that read, which may become others at any time.
type pool struct{ current atomic.Pointer[sql.DB] }

func newPool(db *sql.DB) *pool {
	p := &pool{}
	p.current.Store(db)
	return p
}

func (p *pool) now() *sql.DB                    { return p.current.Load() }
func (p *pool) swap(next *sql.DB) (was *sql.DB) { return p.current.Swap(next) }

// ExecContext and QueryContext run a statement on the connections of now: one that meets those that were closed meanwhile runs again.
func (p *pool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	for {
		db := p.now()
		result, err := db.ExecContext(ctx, query, args...)
		if err == nil || p.now() == db {
			return result, err
		}
	}
}

func (p *pool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	for {
		db := p.now()
		rows, err := db.QueryContext(ctx, query, args...)
		if err == nil || p.now() == db {
			return rows, err
		}
	}
}
