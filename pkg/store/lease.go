package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	// leaseTTL is how long after its holder's last sign of life a lease may be taken over.
	leaseTTL = 15 * time.Second
	// leaseRenewals is how often a lease is renewed, and asked for by those who wait, within its time to live.
	leaseRenewals = 3
)

// postgresNow is the database's clock in microseconds: holders on several hosts need not agree on the time.
const postgresNow = `(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT`

// lease is the right to write a provider's state on PostgreSQL. Every change of the holder raises the epoch, and every
// transaction checks the epoch: a holder that was frozen while another took over writes nothing more. A nil lease is
// always held.
type lease struct {
	db       *database
	provider string
	ttl      time.Duration
	epoch    int64
	lost     chan struct{}
	lose     sync.Once
	stop     context.CancelFunc
	stopped  chan struct{}
}

// openLifecycle is OpenLifecycle with the time to live of the lease.
func openLifecycle(ctx context.Context, at Location, provider string, ttl time.Duration) (*Lifecycle, error) {
	db, err := openDatabase(ctx, at, lifecycleSchema(provider))
	if err != nil {
		return nil, wrap("open store of "+provider, err)
	}
	l := &Lifecycle{db: db, at: at, provider: provider, key: provider, recent: &recent{}, lost: make(chan struct{})}
	db.committed = l.recent.add
	if !db.postgres() {
		return l, nil
	}
	if l.lease, err = acquireLease(ctx, db, provider, ttl, l.lost); err != nil {
		_ = db.close() // nothing was written
		return nil, wrap("open store of "+provider, err)
	}
	db.guard = l.lease.check
	// Who held the lease before may have changed it until then.
	if l.key, _, err = lifecycleKeys(ctx, db, provider); err != nil {
		return nil, errors.Join(wrap("open store of "+provider, err), l.Close())
	}
	return l, nil
}

// acquireLease waits until the lease is free, and keeps it until release or until it is lost.
func acquireLease(ctx context.Context, db *database, provider string, ttl time.Duration, lost chan struct{}) (*lease, error) {
	l := &lease{db: db, provider: provider, ttl: ttl, lost: lost, stopped: make(chan struct{})}
	retry := time.NewTicker(ttl / leaseRenewals)
	defer retry.Stop()
	for waiting := false; ; waiting = true {
		taken, err := l.take(ctx)
		if taken {
			break
		}
		if err != nil && !waiting {
			return nil, err
		}
		if !waiting {
			slog.InfoContext(ctx, "waiting for the lease that another process holds", "provider", provider)
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w, which holds the lease of %s: %w", ErrLeased, provider, ctx.Err())
		}
	}
	var renewing context.Context
	renewing, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	go l.renew(renewing)
	return l, nil
}

// take gets the lease if it is free.
func (l *lease) take(ctx context.Context) (bool, error) {
	return l.db.write().one(ctx, []any{&l.epoch}, `
		INSERT INTO lifecycle_lease (provider, epoch, holder, expires_at) VALUES ($1, 1, $2, `+postgresNow+` + $3)
		ON CONFLICT (provider) DO UPDATE SET
			epoch = lifecycle_lease.epoch + 1, holder = excluded.holder, expires_at = excluded.expires_at
		WHERE lifecycle_lease.expires_at <= `+postgresNow+`
		RETURNING epoch`, l.provider, holder(), l.ttl.Microseconds())
}

// holder names this process for whoever looks into the table; nothing depends on it.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}

// renew prolongs the lease until it is lost. While the database is away nobody else can take it.
func (l *lease) renew(ctx context.Context) {
	defer close(l.stopped)
	tick := time.NewTicker(l.ttl / leaseRenewals)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		n, err := l.db.write().exec(ctx, `UPDATE lifecycle_lease SET expires_at = `+postgresNow+` + $3 WHERE provider = $1 AND epoch = $2`,
			l.provider, l.epoch, l.ttl.Microseconds())
		if err == nil && n == 0 {
			l.lose.Do(func() { close(l.lost) })
			return
		}
	}
}

// check returns ErrLeaseLost where another process has the lease, and keeps others from taking it until the transaction ends.
func (l *lease) check(ctx context.Context, s statements) error {
	var epoch int64
	held, err := s.one(ctx, []any{&epoch}, `SELECT epoch FROM lifecycle_lease WHERE provider = $1 AND epoch = $2 FOR SHARE`, l.provider, l.epoch)
	if err == nil && !held {
		l.lose.Do(func() { close(l.lost) })
		return ErrLeaseLost
	}
	return err
}

// release stops renewing and lets the lease expire at once. Where the database is away it expires by itself.
func (l *lease) release() {
	if l == nil {
		return
	}
	l.stop()
	<-l.stopped
	ctx, cancel := context.WithTimeout(context.Background(), l.ttl/leaseRenewals)
	defer cancel()
	_, _ = l.db.write().exec(ctx, `UPDATE lifecycle_lease SET expires_at = 0 WHERE provider = $1 AND epoch = $2`, l.provider, l.epoch)
}
