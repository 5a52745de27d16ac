package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Rebuild is a read model that is made anew beside the one in use, which is written and read all the while. It is used in this order, by one
// goroutine:
//
//	Put …, for all that the streams hold     most often without indexes, and without the means to undo anything
//	Index                                    from here on it is a read model like any other
//	Model().…                                what has come since, compared with what is in use: see Snapshot
//	Switch                                   it is the one in use
//
// Discard removes it at any time before Switch. What a process leaves that dies is removed by Tidy: until Switch nothing but the making
// process knows of it.
type Rebuild struct {
	live, next *ReadModel
	site       site
	indexes    []string // make those that it was begun without
}

// site is where the new read model is: a file of SQLite, or a schema of PostgreSQL.
type site interface {
	// filled is called when all that comes before the indexes was written.
	filled(ctx context.Context) error
	// ready makes what was written durable, and returns the read model opened as it will be used.
	ready(ctx context.Context) (*database, error)
	// put is called when something was written.
	put()
	// become makes it the one in use, and keeps the one before under the returned name.
	become(ctx context.Context, next *database) (kept string, err error)
	// keep gives it a name among the former ones, once nothing has it open.
	keep(ctx context.Context) (name string, err error)
	// remove removes it, once nothing has it open.
	remove(ctx context.Context) error
}

// bulkCache is what SQLite keeps of the tables in memory while they are filled, in KiB: above all the index by ids, which is written all over.
const bulkCache = 64 << 10

// Rebuild begins a new read model. The process must be the only one that does. What is indexed from the start is written far slower, but
// there is nothing left that takes long in one go: it is for those who have time, and should not be noticed.
func (m *ReadModel) Rebuild(ctx context.Context, indexed bool) (*Rebuild, error) {
	if err := m.Tidy(ctx, indexed); err != nil {
		return nil, err
	}
	r := &Rebuild{live: m}
	db, err := r.begin(ctx)
	if err != nil {
		return nil, wrap("begin a new read model", err)
	}
	r.next = &ReadModel{db: db, at: m.at}
	if indexed {
		return r, nil
	}
	if r.indexes, err = db.dropIndexes(ctx); err != nil {
		return nil, wrap("begin a new read model", errors.Join(err, r.Discard(context.WithoutCancel(ctx))))
	}
	return r, nil
}

func (r *Rebuild) begin(ctx context.Context) (db *database, err error) {
	if r.live.db.postgres() {
		r.site, db, err = newSchema(ctx, r.live)
	} else {
		r.site, db, err = newFile(ctx, r.live)
	}
	return db, err
}

// Model is the new read model.
func (r *Rebuild) Model() *ReadModel { return r.next }

// Put is PutBulk in the new read model. After an error it can only be discarded.
func (r *Rebuild) Put(ctx context.Context, b Bulk) error {
	err := r.next.PutBulk(ctx, b)
	if err == nil {
		r.site.put()
	}
	return err
}

// Index makes the indexes that are missing, and all that was written durable.
func (r *Rebuild) Index(ctx context.Context) error {
	if err := r.site.filled(ctx); err != nil {
		return wrap("index the new read model", err)
	}
	for _, statement := range r.indexes {
		if _, err := r.next.db.write().exec(ctx, statement); err != nil {
			return wrap("index the new read model", err)
		}
	}
	db, err := r.site.ready(ctx)
	if err != nil {
		return wrap("index the new read model", err)
	}
	r.next.db = db
	return nil
}

// dropIndexes drops the indexes that no constraint needs, and returns the statements that make them.
func (d *database) dropIndexes(ctx context.Context) ([]string, error) {
	query := `SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name`
	if d.postgres() {
		query = `SELECT i.indexname, i.indexdef FROM pg_indexes i WHERE i.schemaname = current_schema() AND NOT EXISTS (
			SELECT 1 FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
			WHERE n.nspname = i.schemaname AND c.conname = i.indexname) ORDER BY i.indexname`
	}
	type index struct{ name, made string }
	all, err := list(ctx, d.write(), func(scan scanner) (i index, err error) {
		err = scan(&i.name, &i.made)
		return i, err
	}, query)
	if err != nil {
		return nil, err
	}
	var statements []string
	for _, i := range all {
		if _, err := d.write().exec(ctx, "DROP INDEX "+i.name); err != nil {
			return nil, err
		}
		statements = append(statements, i.made)
	}
	return statements, nil
}

// errNotReady is a defect of the caller: it switches to what is not finished.
var errNotReady = errors.New("the new read model is not finished")

// Switch makes the new read model the one in use, at one moment: whoever asks gets an answer from the one or the other. Nothing may use the
// one before but through readers, and Alone must be around it. The ReadModel that it was begun for is the new one then. The one before is
// kept under the returned name, without the personal data in it, which nothing would destroy there in time: see Tidy.
func (r *Rebuild) Switch(ctx context.Context) (kept string, err error) {
	if r.next == nil {
		return "", wrap("switch read models", errNotReady)
	}
	kept, err = r.site.become(ctx, r.next.db)
	if err != nil {
		return "", wrap("switch read models", err)
	}
	r.next = nil
	return kept, nil
}

// Discard removes the new read model. After Switch it does nothing.
func (r *Rebuild) Discard(ctx context.Context) error {
	if r.next == nil {
		return nil
	}
	err := errors.Join(r.next.db.close(), r.site.remove(ctx))
	r.next = nil
	return wrap("discard the new read model", err)
}

// Keep keeps the new read model as if it were a former one, and returns its name: for people who want to look into what is not taken into use.
func (r *Rebuild) Keep(ctx context.Context) (name string, err error) {
	if r.next == nil {
		return "", wrap("keep the new read model", errNotReady)
	}
	if err := r.next.db.close(); err != nil {
		return "", wrap("keep the new read model", err)
	}
	r.next = nil
	if name, err = r.site.keep(ctx); err != nil {
		return "", wrap("keep the new read model", errors.Join(err, r.site.remove(ctx)))
	}
	return name, wrap("keep the new read model", r.live.Tidy(ctx, true))
}

// Tidy removes what rebuilds have left that did not come to their end, and destroys the personal data in the read models that are kept.
// Gently, it rests between, so that it should not be noticed. No rebuild may be under way.
func (m *ReadModel) Tidy(ctx context.Context, gently bool) error {
	if m.db.postgres() {
		return wrap("tidy up after rebuilds", m.tidySchemas(ctx))
	}
	return wrap("tidy up after rebuilds", m.tidyFiles(ctx, gently))
}

// Size is how many bytes the read model takes on the disk of this process, about what another one would: none on PostgreSQL.
func (m *ReadModel) Size() (bytes uint64, err error) {
	if m.db.postgres() {
		return 0, nil
	}
	now, err := readPointer(m.at.Dir)
	if err != nil {
		return 0, wrap("measure the read model", err)
	}
	file, err := os.Stat(filepath.Join(m.at.Dir, now.File))
	if err != nil {
		return 0, wrap("measure the read model", classifyFile(err))
	}
	return uint64(file.Size()), nil
}

// Kept returns the names of the former read models that are kept, the oldest first.
func (m *ReadModel) Kept(ctx context.Context) (names []string, err error) {
	if m.db.postgres() {
		names, err = keptSchemas(ctx, m.db)
	} else {
		var now pointer
		now, err = readPointer(m.at.Dir)
		names = now.Kept
	}
	return names, wrap("list kept read models", err)
}

// DropKept removes the former read models that are kept, and returns their names.
func (m *ReadModel) DropKept(ctx context.Context) ([]string, error) {
	names, err := m.Kept(ctx)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	if m.db.postgres() {
		err = m.dropSchemas(ctx, names)
	} else {
		err = m.dropFiles(names)
	}
	return names, wrap("drop kept read models", err)
}

// Alone calls fn while no other process writes the read model. Nothing but fn may use the ReadModel meanwhile.
func (m *ReadModel) Alone(ctx context.Context, fn func(ctx context.Context) error) error {
	if !m.db.postgres() {
		return fn(ctx) // The lock of the file has kept others away all the time.
	}
	return m.aloneInPostgres(ctx, fn)
}

// notWiped says what to do about a former read model whose personal data could not be destroyed.
func notWiped(name string, err error) error {
	return fmt.Errorf("personal data in %s, which is kept, cannot be destroyed; remove it with `verdict rebuild drop-old`: %w", name, err)
}
