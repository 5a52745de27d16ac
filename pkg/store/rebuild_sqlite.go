package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/verdict-stream/verdict/pkg/durable"
)

// fileSite is the file of a new read model.
type fileSite struct {
	live *ReadModel
	path string
	db   *database // as it is filled
	// file is what has the writes synced while it is filled, so that there is never much to sync at once: whoever waits for the same disk
	// waits for that. syncing is held by the sync under way.
	file    *os.File
	syncing sync.Mutex
	running sync.WaitGroup
}

// newFile makes the file of a new read model, in which nothing can be undone: until it is ready, a crash is its end.
func newFile(ctx context.Context, live *ReadModel) (site, *database, error) {
	s := readModelSchema
	s.file = fmt.Sprintf("readmodel-%d.db", time.Now().UnixMicro())
	s.lock, s.journal, s.synchronous = unlocked, "OFF", "OFF"
	s.pragmas = []string{fmt.Sprintf("cache_size(-%d)", bulkCache)}
	db, err := openDatabase(ctx, live.at, s)
	path := filepath.Join(live.at.Dir, s.file)
	if err != nil {
		return nil, nil, errors.Join(err, removeDatabase(path))
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, errors.Join(classifyFile(err), db.close(), removeDatabase(path))
	}
	return &fileSite{live: live, path: path, db: db, file: file}, db, nil
}

func (f *fileSite) put() {
	if f.file == nil || !f.syncing.TryLock() {
		return
	}
	f.running.Go(func() {
		defer f.syncing.Unlock()
		_ = f.file.Sync() // The last one tells.
	})
}

// mapped is how much of the file is seen in memory while indexes are made, for each of which a table is read as a whole: its pages need not
// be copied then. What lies behind is read as ever.
const mapped = 2 << 30

// filled maps the file, which nobody else has open.
func (f *fileSite) filled(ctx context.Context) error {
	_, err := f.db.write().exec(ctx, fmt.Sprintf(`PRAGMA mmap_size = %d`, mapped))
	return err
}

func (f *fileSite) ready(ctx context.Context) (*database, error) {
	f.running.Wait()
	if err := f.db.close(); err != nil {
		return nil, err
	}
	if err := f.closeFile(); err != nil {
		return nil, err
	}
	// SQLite has it open no more: who opens its file beside it ends its locks.
	if err := errors.Join(durable.Sync(f.path), durable.Sync(filepath.Dir(f.path))); err != nil {
		return nil, classifyFile(err)
	}
	s := readModelSchema
	s.file, s.lock = filepath.Base(f.path), unlocked
	return openDatabase(ctx, f.live.at, s)
}

func (f *fileSite) closeFile() error {
	f.running.Wait()
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}

// become renames the pointer. Before, everything is in the file itself and synced.
func (f *fileSite) become(ctx context.Context, next *database) (string, error) {
	var busy, logged, moved int64
	if _, err := next.write().one(ctx, []any{&busy, &logged, &moved}, `PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		return "", err
	}
	if busy != 0 {
		return "", errNotReady
	}
	now, err := readPointer(f.live.at.Dir)
	if err != nil {
		return "", err
	}
	former := now.File
	err = (pointer{File: filepath.Base(f.path), Kept: append(slices.Clone(now.Kept), former)}).write(f.live.at.Dir)
	if err != nil {
		if now, unknown := readPointer(f.live.at.Dir); unknown != nil || now.File != filepath.Base(f.path) {
			return "", err
		}
	}
	before := f.live.db
	f.live.db = next
	next.lock, before.lock = before.lock, nil
	// It is in use, whatever happens to the one before.
	if err := errors.Join(err, before.close()); err != nil {
		slog.WarnContext(ctx, "the new read model is in use; the change was not ended well", "error", err)
	}
	return former, nil
}

// named reports whether the pointer names the file, as the one in use or as one that is kept; where that cannot be said, it may.
func (f *fileSite) named() bool {
	now, err := readPointer(f.live.at.Dir)
	name := filepath.Base(f.path)
	return err != nil || now.File == name || slices.Contains(now.Kept, name)
}

func (f *fileSite) keep(context.Context) (string, error) {
	now, err := readPointer(f.live.at.Dir)
	if err != nil {
		return "", err
	}
	name := filepath.Base(f.path)
	now.Kept = append(now.Kept, name)
	return name, now.write(f.live.at.Dir)
}

// remove leaves a file that the pointer names: renaming it may have succeeded, and something after that failed.
func (f *fileSite) remove(context.Context) error {
	if err := f.closeFile(); err != nil || f.named() {
		return err
	}
	return removeDatabase(f.path)
}

func (m *ReadModel) tidyFiles(ctx context.Context, gently bool) error {
	now, err := readPointer(m.at.Dir)
	if err != nil {
		return err
	}
	unfinished, err := now.unfinished(m.at.Dir)
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range unfinished {
		failed = append(failed, removeDatabase(filepath.Join(m.at.Dir, name)))
	}
	for _, name := range now.Kept {
		if err := m.wipeFile(ctx, name, gently); err != nil {
			failed = append(failed, notWiped(name, err))
		}
	}
	return errors.Join(failed...)
}

// wipeFile destroys the personal data in the file of a former read model, where it is still there.
func (m *ReadModel) wipeFile(ctx context.Context, name string, gently bool) error {
	if _, err := os.Stat(filepath.Join(m.at.Dir, name)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	s := readModelSchema
	s.file, s.lock = name, unlocked
	db, err := openSQLite(m.at.Dir, s)
	if err != nil {
		return err
	}
	return errors.Join(db.wipeFile(ctx, gently), db.close())
}

// wipePage is how many claims are destroyed in one transaction.
const wipePage = 1000

// wipeFile destroys the personal data in a file, a few rows at a time. Gently, the rests between are as long as the work: whoever writes to
// the same disk goes on then.
func (d *database) wipeFile(ctx context.Context, gently bool) error {
	found, err := d.write().one(ctx, []any{new(int)}, `SELECT 1 FROM claims WHERE sealed IS NOT NULL OR wrapped IS NOT NULL LIMIT 1`)
	if err != nil || !found {
		return err
	}
	for after, last := int64(0), int64(0); ; after = last {
		begun := time.Now()
		if _, err := d.write().one(ctx, []any{&last}, `SELECT coalesce(max(rowid), 0) FROM (SELECT rowid FROM claims WHERE rowid > $1 ORDER BY rowid LIMIT $2)`, after, wipePage); err != nil {
			return err
		}
		if last == 0 {
			return d.forget(ctx)
		}
		if _, err := d.write().exec(ctx, `UPDATE claims SET sealed = NULL, wrapped = NULL
			WHERE rowid > $1 AND rowid <= $2 AND (sealed IS NOT NULL OR wrapped IS NOT NULL)`, after, last); err != nil {
			return err
		}
		if !gently {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Since(begun)):
		}
	}
}

// dropFiles takes the names out of the pointer last: whatever ends it before, another call finds them there. Whoever tidies up removes files that
// no pointer names, but not the first one of all, which is that of who has no pointer.
func (m *ReadModel) dropFiles(names []string) error {
	now, err := readPointer(m.at.Dir)
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range names {
		failed = append(failed, removeDatabase(filepath.Join(m.at.Dir, name)))
	}
	if err := errors.Join(failed...); err != nil {
		return err
	}
	now.Kept = slices.DeleteFunc(now.Kept, func(name string) bool { return slices.Contains(names, name) })
	return now.write(m.at.Dir)
}
