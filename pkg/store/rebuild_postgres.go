package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
)

// schemaSite is the schema of a new read model. The one in use is in the schema that the connections find first.
type schemaSite struct {
	live *ReadModel
	name string
	next *database
}

// How the schemas are named behind the name of the one in use.
const (
	newSuffix  = "_readmodel_new"
	keptSuffix = "_readmodel_old_"
)

// home is the name of the schema in use.
func (d *database) home(ctx context.Context) (name string, err error) {
	found, err := d.write().one(ctx, []any{&name}, `SELECT current_schema()`)
	if err == nil && !found {
		err = errUnreadable
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
	if _, err := live.db.write().exec(ctx, `CREATE SCHEMA `+quoted(s.name)); err != nil {
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

func (s *schemaSite) put() {}

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
	err = s.live.db.alone(ctx, func(on statements) error {
		for _, statement := range moves {
			if _, err := on.exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return kept, next.close()
}

// keptName is that of the next former read model.
func (s *schemaSite) keptName(ctx context.Context, home string) (string, error) {
	known, err := keptSchemas(ctx, s.live.db)
	return fmt.Sprintf("%s%s%d", home, keptSuffix, len(known)+1), err
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
	_, err = s.live.db.write().exec(ctx, `ALTER SCHEMA `+quoted(s.name)+` RENAME TO `+quoted(name))
	return name, err
}

func (s *schemaSite) remove(ctx context.Context) error {
	_, err := s.live.db.write().exec(ctx, `DROP SCHEMA IF EXISTS `+quoted(s.name)+` CASCADE`)
	return err
}

// keptSchemas are those of former read models, the oldest first.
func keptSchemas(ctx context.Context, d *database) ([]string, error) {
	return list(ctx, d.read(), func(scan scanner) (name string, err error) {
		return name, scan(&name)
	}, `SELECT nspname::TEXT FROM pg_namespace WHERE starts_with(nspname::TEXT, current_schema()::TEXT || $1) ORDER BY length(nspname::TEXT), nspname`, keptSuffix)
}

func (m *ReadModel) tidySchemas(ctx context.Context) error {
	home, err := m.db.home(ctx)
	if err != nil {
		return err
	}
	if err := (&schemaSite{live: m, name: home + newSuffix}).remove(ctx); err != nil {
		return err
	}
	kept, err := keptSchemas(ctx, m.db)
	if err != nil {
		return err
	}
	for _, name := range kept {
		if err := m.db.wipe(ctx, quoted(name)+".claims"); err != nil {
			return err
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

// shareWriting lets a transaction wait while another process has the read model for itself.
func shareWriting(ctx context.Context, s statements) error {
	_, err := s.exec(ctx, `SELECT pg_advisory_xact_lock_shared(`+writingLock+`)`)
	return err
}

func (m *ReadModel) aloneInPostgres(ctx context.Context, fn func(ctx context.Context) error) error {
	conn, err := m.db.writer.Conn(ctx)
	if err != nil {
		return wrap("have the read model alone", classify(ctx, err))
	}
	defer func() { _ = conn.Close() }() // it goes back to the others
	on := statements{on: conn}
	if _, err := on.exec(ctx, `SELECT pg_advisory_lock(`+writingLock+`)`); err != nil {
		return wrap("have the read model alone", err)
	}
	guard := m.db.guard
	m.db.guard = nil
	defer func() {
		m.db.guard = guard
		if _, err := on.exec(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock(`+writingLock+`)`); err != nil {
			// The lock ends with its connection.
			_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		}
	}()
	return fn(ctx)
}

// quoted is a name as it stands in a statement.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
