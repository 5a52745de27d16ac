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
	provider string
	lease    *lease        // nil on SQLite, where the lock on the file is the lease
	turn     chan struct{} // held by the transaction under way
	lost     chan struct{} // never closed on SQLite
}

func lifecycleSchema(provider string) schema {
	return schema{name: "lifecycle", file: "lifecycle-" + provider + ".db", synchronous: "FULL"}
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
// does. An error of fn is returned as it is; fn must write through the Tx alone. Errors: ErrUnavailable, ErrLeaseLost.
func (l *Lifecycle) Update(ctx context.Context, fn func(*Tx) error) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return classify(ctx, ctx.Err())
	}
	defer func() { <-l.turn }()
	return l.db.update(ctx, func(s statements) error {
		if err := l.lease.check(ctx, s); err != nil {
			return err
		}
		return fn(&Tx{statements: s, provider: l.provider})
	})
}

// Reset forgets everything of this provider: state, owners, sightings, outbox and positions. The numbers of the outbox go on.
func (l *Lifecycle) Reset(ctx context.Context) error {
	err := l.Update(ctx, func(tx *Tx) error {
		for _, table := range []string{"lifecycle_record", "lifecycle_owner", "lifecycle_sighting", "lifecycle_outbox", "lifecycle_position"} {
			if _, err := tx.exec(ctx, `DELETE FROM `+table+` WHERE provider = $1`, tx.provider); err != nil {
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
	provider string
}

// wrap says what was tried when err happened.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
