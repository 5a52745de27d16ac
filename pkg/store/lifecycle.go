package store

import (
	"context"
	"fmt"
)

// Lifecycle is the state of one provider's verifications with the events that wait to be published. It may be used by many
// goroutines.
//
// It is a cache of the streams: what is lost here can be built again from them.
type Lifecycle struct {
	db       *database
	at       Location
	provider string
	key      string // of its rows: the provider's name, unless the state was made anew on PostgreSQL
	recent   *recent
	lease    *lease        // nil on SQLite, where the lock on the file is the lease
	lost     chan struct{} // never closed on SQLite
}

func lifecycleSchema(provider string) schema {
	return schema{name: "lifecycle", file: "lifecycle-" + provider + ".db", synchronous: "FULL", prepare: finishReplacing}
}

// OpenLifecycle opens the provider's state for writing and migrates the tables. While another process has it open, it
// returns ErrLeased on SQLite, and on PostgreSQL waits until that process ends or stops renewing its lease; where ctx ends
// before, it returns ErrLeased. ErrUnavailable means that the database is away.
func OpenLifecycle(ctx context.Context, at Location, provider string) (*Lifecycle, error) {
	return openLifecycle(ctx, at, provider, leaseTTL)
}

// Lost is closed when another process has taken the lease over.
func (l *Lifecycle) Lost() <-chan struct{} { return l.lost }

// Update runs fn in a transaction that has the provider's state for itself: all that fn wrote takes effect, or nothing
// does. While one is under way, those who come wait and share the next one. Then fn may run on another goroutine, and may
// run again where what it did was rolled back: it must leave nothing behind but what it wrote, and it must write through
// the Tx alone. It runs no more when Update returns. An error of fn is returned as it is. Errors: ErrUnavailable,
// ErrLeaseLost.
func (l *Lifecycle) Update(ctx context.Context, fn func(*Tx) error) error {
	return l.db.update(ctx, func(s statements) error { return fn(&Tx{statements: s, key: l.key, numbers: s.numbers}) })
}

// forgotten are the tables that Reset empties.
var forgotten = []string{
	"lifecycle_record", "lifecycle_owner", "lifecycle_sighting", "lifecycle_outbox", "lifecycle_position", "lifecycle_schedule",
}

// Reset forgets everything of this provider: state, owners, sightings, outbox, positions, and what the dates follow from. The numbers of
// the outbox go on.
func (l *Lifecycle) Reset(ctx context.Context) error {
	err := l.Update(ctx, func(tx *Tx) error {
		for _, table := range forgotten {
			if _, err := tx.exec(ctx, `DELETE FROM `+table+` WHERE provider = $1`, tx.key); err != nil {
				return err
			}
		}
		return nil
	})
	return wrap("reset the state", err)
}

// Close gives the lease back, so that another process can take it at once, and closes the database. Nothing may use it then.
func (l *Lifecycle) Close() error {
	l.lease.release()
	return wrap("close store", l.db.close())
}

// Tx is the state of one provider within a transaction. It ends with the function that it was given to.
type Tx struct {
	statements
	key     string   // of the rows
	numbers *numbers // of all who share the transaction
}

// wrap says what was tried when err happened.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
