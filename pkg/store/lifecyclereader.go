package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// OpenLifecycleReader opens a provider's state for reading beside whoever writes it. It returns ErrNotFound where there is none, and what
// writes returns an error.
func OpenLifecycleReader(ctx context.Context, at Location, provider string) (*Lifecycle, error) {
	l, err := openLifecycleReader(ctx, at, provider)
	return l, wrap("open state of "+provider, err)
}

func openLifecycleReader(ctx context.Context, at Location, provider string) (*Lifecycle, error) {
	s := lifecycleSchema(provider)
	var db *database
	var err error
	if at.URL == "" {
		path := filepath.Join(at.Dir, s.file)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: there is no %s", ErrNotFound, path)
		}
		db, err = openSQLiteReader(at.Dir, s)
	} else if db, err = openPostgres(at.URL, s); err == nil {
		db.writer = nil
	}
	if err != nil {
		return nil, err
	}
	l := &Lifecycle{db: db, at: at, provider: provider, key: provider, recent: &recent{}, lost: make(chan struct{})}
	if err = db.checkVersion(ctx, db.read(), s); errors.Is(err, errNoSchema) {
		err = fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if err == nil && db.postgres() {
		l.key, _, err = lifecycleKeys(ctx, db, provider)
	}
	if err != nil {
		return nil, errors.Join(err, db.close())
	}
	return l, nil
}

// Payload is Tx.Payload as of now.
func (l *Lifecycle) Payload(ctx context.Context, signal string) (Payload, error) {
	return payload(ctx, l.db.read(), l.key, signal)
}
