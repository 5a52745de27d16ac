package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// schemaSite is the schema of a new read model. The one in use is in the schema that the connections find first.
type schemaSite struct {
	live *ReadModel
	name string
	next *database
	// release gives the lock back that keeps others from rebuilding, and on the connection that has it.
	release func(context.Context)
	on      *sql.Conn
}

// How the schemas are named behind the name of the one in use.
const (
	newSuffix  = "_readmodel_new"
	keptSuffix = "_readmodel_old_"
	// PostgreSQL cuts a longer name off, and what is left of that of a new read model may be that of the one in use. The number behind
	// keptSuffix has the same room.
	longestName = 63
	longestHome = longestName - len(keptSuffix) - 6
)

// errLongName means that there is no room for those names.
var errLongName = fmt.Errorf("the schema of the read model has a name of more than %d bytes, behind which no other fits: rename it, and name it in VERDICT_DATABASE_URL", longestHome)

// home is the name of the schema in use. Errors: errLongName.
func (d *database) home(ctx context.Context) (name string, err error) {
	found, err := d.write().one(ctx, []any{&name}, `SELECT current_schema()`)
	if err == nil && !found {
		err = errUnreadable
	}
	if err == nil && len(name) > longestHome {
		err = errLongName
	}
	return name, err
}

// newSchema makes the schema of a new read model.
func newSchema(ctx context.Context, live *ReadModel) (site, *database, error) {
	home, err := live.db.home(ctx)
	if err != nil {
		return nil, nil, err
	}
	s := &schemaSite{live: live, name: home + newSuffix}
	if err := s.lock(ctx); err != nil {
		return nil, nil, err
	}
	// What somebody has left who had the lock until now.
	if err := s.drop(ctx); err != nil {
		return nil, nil, errors.Join(err, s.remove(context.WithoutCancel(ctx)))
	}
	if _, err := live.db.write().exec(ctx, `CREATE SCHEMA `+quoted(s.name)); err != nil {
		s.release(ctx)
		return nil, nil, fmt.Errorf("make the schema %s, for which the user of the database needs CREATE on it: %w", s.name, err)
	}
	tables := readModelSchema
	tables.searchPath = quoted(s.name)
	s.next, err = openDatabase(ctx, live.at, tables)
	if err != nil {
		return nil, nil, errors.Join(err, s.remove(context.WithoutCancel(ctx)))
	}
	return s, s.next, nil
}

// How long a process is waited for that rebuilds, and how often it is looked for. One that has died may have begun a statement, which the
// database does to its end.
const rebuildLockWait, rebuildLockLook = time.Minute, 250 * time.Millisecond

// lock keeps other processes from rebuilding. Errors: ErrLeased where one does.
func (s *schemaSite) lock(ctx context.Context) (err error) {
	for begun := time.Now(); ; {
		s.on, s.release, err = s.live.db.lockFor(ctx, `pg_try_advisory_lock(`+rebuildLock+`)`)
		if !errors.Is(err, ErrLeased) {
			return err
		}
		if time.Since(begun) > rebuildLockWait {
			return fmt.Errorf("another process is not done with its rebuild: begin again once it is, or has been stopped: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rebuildLockLook):
		}
	}
}

func (s *schemaSite) put() {}

func (s *schemaSite) filled(context.Context) error { return nil }

// ready has the planner learn what the tables hold.
func (s *schemaSite) ready(ctx context.Context) (*database, error) {
	_, err := s.next.write().exec(ctx, `ANALYZE`)
	return s.next, err
}

// switchLockTimeout is how long the switch waits for those who read, while others wait for it.
const switchLockTimeout = "500ms"

// become moves the tables of the one out of the schema and those of the other into it, in one transaction.
func (s *schemaSite) become(ctx context.Context, next *database) (kept string, err error) {
	home, err := s.live.db.home(ctx)
	if err != nil {
		return "", err
	}
	if kept, err = s.keptName(ctx, home); err != nil {
		return "", err
	}
	tables, err := list(ctx, next.read(), func(scan scanner) (name string, err error) {
		return name, scan(&name)
	}, `SELECT tablename::TEXT FROM pg_tables WHERE schemaname = $1 ORDER BY tablename`, s.name)
	if err != nil {
		return "", err
	}
	moves := []string{`SET LOCAL lock_timeout = '` + switchLockTimeout + `'`, `CREATE SCHEMA ` + quoted(kept)}
	for _, table := range tables {
		moves = append(moves,
			fmt.Sprintf(`ALTER TABLE %s.%s SET SCHEMA %s`, quoted(home), quoted(table), quoted(kept)),
			fmt.Sprintf(`ALTER TABLE %s.%s SET SCHEMA %s`, quoted(s.name), quoted(table), quoted(home)))
	}
	moves = append(moves, `DROP SCHEMA `+quoted(s.name))
	if err := s.transact(ctx, moves); err != nil {
		return "", err
	}
	// It is in use, whatever happens to the connections with which it was made.
	s.release(ctx)
	if err := next.close(); err != nil {
		slog.WarnContext(ctx, "the new read model is in use; the change was not ended well", "error", err)
	}
	return kept, nil
}

// transact runs statements in one transaction, on the connection that has the lock: who has lost that changes nothing.
func (s *schemaSite) transact(ctx context.Context, all []string) error {
	tx, err := s.on.BeginTx(ctx, nil)
	if err != nil {
		return classify(ctx, err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit this does nothing
	for _, statement := range all {
		if _, err := (statements{on: tx}).exec(ctx, statement); err != nil {
			return err
		}
	}
	return classify(ctx, tx.Commit())
}

// keptName is that of the next former read model.
func (s *schemaSite) keptName(ctx context.Context, home string) (string, error) {
	known, err := keptSchemas(ctx, s.live.db)
	if err != nil || len(known) == 0 {
		return home + keptSuffix + "1", err
	}
	last, err := strconv.Atoi(strings.TrimPrefix(known[len(known)-1], home+keptSuffix))
	return fmt.Sprintf("%s%s%d", home, keptSuffix, last+1), err
}

func (s *schemaSite) keep(ctx context.Context) (string, error) {
	home, err := s.live.db.home(ctx)
	if err != nil {
		return "", err
	}
	name, err := s.keptName(ctx, home)
	if err != nil {
		return "", err
	}
	if err = s.transact(ctx, []string{`ALTER SCHEMA ` + quoted(s.name) + ` RENAME TO ` + quoted(name)}); err == nil {
		s.release(ctx)
	}
	return name, err
}

// remove gives the lock back, which may have ended with its connection.
func (s *schemaSite) remove(ctx context.Context) error {
	err := s.drop(ctx)
	s.release(ctx)
	if err != nil {
		return s.live.tidySchemas(ctx)
	}
	return nil
}

func (s *schemaSite) drop(ctx context.Context) error {
	return s.transact(ctx, []string{`DROP SCHEMA IF EXISTS ` + quoted(s.name) + ` CASCADE`})
}

// keptSchemas are those of former read models, the oldest first.
func keptSchemas(ctx context.Context, d *database) ([]string, error) {
	return list(ctx, d.read(), func(scan scanner) (name string, err error) {
		return name, scan(&name)
	}, `SELECT nspname::TEXT FROM pg_namespace WHERE starts_with(nspname::TEXT, current_schema()::TEXT || $1)
		AND substr(nspname::TEXT, length(current_schema()::TEXT || $1) + 1) ~ '^[0-9]+$' ORDER BY length(nspname::TEXT), nspname`, keptSuffix)
}

// tidySchemas leaves it to another process that rebuilds: what looks abandoned may be what that one makes.
func (m *ReadModel) tidySchemas(ctx context.Context) error {
	home, err := m.db.home(ctx)
	if errors.Is(err, errLongName) {
		return nil // Nothing was ever made.
	}
	if err != nil {
		return err
	}
	s := &schemaSite{live: m, name: home + newSuffix}
	s.on, s.release, err = m.db.lockFor(ctx, `pg_try_advisory_lock(`+rebuildLock+`)`)
	if errors.Is(err, ErrLeased) {
		return nil
	}
	if err != nil {
		return err
	}
	err = s.drop(ctx)
	s.release(ctx)
	if err != nil {
		return err
	}
	kept, err := keptSchemas(ctx, m.db)
	if err != nil {
		return err
	}
	for _, name := range kept {
		if err := m.db.wipe(ctx, quoted(name)+".claims"); err != nil {
			return notWiped(name, err)
		}
	}
	return nil
}

func (m *ReadModel) dropSchemas(ctx context.Context, names []string) error {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = quoted(name)
	}
	_, err := m.db.write().exec(ctx, `DROP SCHEMA `+strings.Join(all, ", ")+` CASCADE`)
	return err
}

// writingLock is the lock that all who write the tables share, and that Alone has for itself.
const writingLock = `hashtext('verdict read model ' || current_schema())`

// rebuildLock is the lock of whoever rebuilds.
const rebuildLock = `hashtext('verdict read model rebuild ' || current_schema())`

// shareWriting lets a transaction wait while another process has the read model for itself.
func shareWriting(ctx context.Context, s statements) error {
	_, err := s.exec(ctx, `SELECT pg_advisory_xact_lock_shared(`+writingLock+`)`)
	return err
}

func (m *ReadModel) aloneInPostgres(ctx context.Context, fn func(ctx context.Context) error) error {
	_, release, err := m.db.lockFor(ctx, `pg_advisory_lock(`+writingLock+`) IS NOT NULL`)
	if err != nil {
		return wrap("have the read model alone", err)
	}
	guard := m.db.guard
	m.db.guard = nil
	defer func() {
		m.db.guard = guard
		release(ctx)
	}()
	return fn(ctx)
}

// lockFor takes a lock by an expression that says whether it was taken, on a connection of its own, until release. Errors: ErrLeased where it was
// not.
func (d *database) lockFor(ctx context.Context, taking string) (conn *sql.Conn, release func(context.Context), err error) {
	if conn, err = d.writer.Conn(ctx); err != nil {
		return nil, nil, classify(ctx, err)
	}
	var taken bool
	if _, err = (statements{on: conn}).one(ctx, []any{&taken}, `SELECT `+taking); err == nil && !taken {
		err = ErrLeased
	}
	if err != nil {
		_ = conn.Close() // it goes back to the others
		return nil, nil, err
	}
	return conn, func(ctx context.Context) {
		if _, err := (statements{on: conn}).exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock_all()`); err != nil {
			// The lock ends with its connection.
			_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		}
		_ = conn.Close()
	}, nil
}

// quoted is a name as it stands in a statement.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// wipe destroys the personal data of a read model that is in use no more.
func (d *database) wipe(ctx context.Context, table string) error {
	found, err := d.write().one(ctx, []any{new(int)}, fmt.Sprintf(`SELECT 1 FROM %s WHERE sealed IS NOT NULL OR wrapped IS NOT NULL LIMIT 1`, table))
	if err != nil || !found {
		return err
	}
	_, err = d.write().exec(ctx, fmt.Sprintf(`UPDATE %s SET sealed = NULL, wrapped = NULL WHERE sealed IS NOT NULL OR wrapped IS NOT NULL`, table))
	return err
}
