//go:build postgres

package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/verdict-stream/verdict/pkg/store/postgrestest"
	"github.com/verdict-stream/verdict/pkg/verification"
)

// server is the PostgreSQL of all tests.
var server = sync.OnceValues(func() (*postgrestest.Server, error) {
	s, err := postgrestest.New()
	if err == nil {
		afterTests = append(afterTests, s.Close)
	}
	return s, err
})

func postgresPlace(t *testing.T) Location {
	t.Helper()
	s, err := server()
	must(t, err)
	return Location{URL: URL(s.NewDatabase(t))}
}

func TestPostgres(t *testing.T) { suite(t, postgresPlace) }

// expire stops the holder from renewing its lease, as if its process were frozen, and lets the lease expire.
func expire(t *testing.T, l *Lifecycle) {
	t.Helper()
	l.lease.stop()
	<-l.lease.stopped
	_, err := l.db.write().exec(t.Context(), `UPDATE lifecycle_lease SET expires_at = 0`)
	must(t, err)
}

func TestStandbyTakesOver(t *testing.T) {
	at := postgresPlace(t)
	first, err := OpenLifecycle(t.Context(), at, testProvider)
	must(t, err)
	waiting := make(chan struct{})
	var once sync.Once
	onLog(t, "waiting for the lease", func() { once.Do(func() { close(waiting) }) })

	type opened struct {
		l   *Lifecycle
		err error
	}
	result := make(chan opened)
	go func() {
		l, err := openLifecycle(t.Context(), at, testProvider, 30*time.Millisecond) // it asks often
		result <- opened{l, err}
	}()
	<-waiting
	must(t, first.Update(t.Context(), noUpdate))
	must(t, first.Close())
	second := <-result
	must(t, second.err)
	check(t, second.l.Update(t.Context(), noUpdate))
	check(t, second.l.Close())
}

func TestStandbyGivesUp(t *testing.T) {
	at := postgresPlace(t)
	newLifecycle(t, at)
	ctx, cancel := context.WithCancel(t.Context())
	lines := 0
	onLog(t, "waiting for the lease", func() { lines++; cancel() })
	if _, err := OpenLifecycle(ctx, at, testProvider); !errors.Is(err, ErrLeased) || !errors.Is(err, context.Canceled) {
		t.Errorf("a lease that is held: error %v", err)
	}
	if lines != 1 {
		t.Errorf("the wait was logged %d times", lines)
	}
}

func TestProvidersHaveLeasesOfTheirOwn(t *testing.T) {
	at := postgresPlace(t)
	newLifecycle(t, at)
	other, err := OpenLifecycle(t.Context(), at, "idenfy")
	must(t, err)
	check(t, other.Close())
}

// TestFrozenHolderIsFenced has a holder wake up after another took the lease over.
func TestFrozenHolderIsFenced(t *testing.T) {
	at := postgresPlace(t)
	frozen := newLifecycle(t, at)
	save(t, frozen, waitingRecord("a", start), Dates{})
	expire(t, frozen)
	second := newLifecycle(t, at)

	callers := []*caller{counter(t.Context(), "a", succeed), counter(t.Context(), "b", succeed)}
	share(frozen, callers...)
	for name, write := range map[string]func() error{
		"update":         func() error { return frozen.Update(t.Context(), noUpdate) },
		"first caller":   func() error { return callers[0].err },
		"second caller":  func() error { return callers[1].err },
		"mark published": func() error { return frozen.MarkPublished(t.Context(), "L", 9, 9) },
		"drop row":       func() error { return frozen.DropRow(t.Context(), 1) },
		"set position":   func() error { return frozen.SetPosition(t.Context(), "L", Position{"s", 1}) },
		"reset":          func() error { return frozen.Reset(t.Context()) },
	} {
		if err := write(); !errors.Is(err, ErrLeaseLost) || errors.Is(err, ErrUnavailable) {
			t.Errorf("%s without the lease: error %v", name, err)
		}
	}
	select {
	case <-frozen.Lost():
	default:
		t.Error("the old holder was not told")
	}
	if got := load(t, second, testID("a"), false).Version; got != 1 {
		t.Errorf("the new holder sees version %d", got)
	}
	select {
	case <-second.Lost():
		t.Error("the new holder has lost the lease")
	default:
	}
}

// TestRenewingNoticesLoss takes the lease from a holder that renews it and does nothing else.
func TestRenewingNoticesLoss(t *testing.T) {
	l, err := openLifecycle(t.Context(), postgresPlace(t), testProvider, 30*time.Millisecond)
	must(t, err)
	defer func() { check(t, l.Close()) }()
	_, err = l.db.write().exec(t.Context(), `UPDATE lifecycle_lease SET epoch = epoch + 1`)
	must(t, err)
	<-l.Lost()
}

// TestRenewingProlongs waits until a holder that does nothing has renewed its lease.
func TestRenewingProlongs(t *testing.T) {
	l, err := openLifecycle(t.Context(), postgresPlace(t), testProvider, 30*time.Millisecond)
	must(t, err)
	defer func() { check(t, l.Close()) }()
	expires := func() (at int64) {
		_, err := l.db.read().one(t.Context(), []any{&at}, `SELECT expires_at FROM lifecycle_lease`)
		must(t, err)
		return at
	}
	for first := expires(); expires() <= first; {
	}
}

// TestTransactionHoldsOffTakeover has the lease expire within a transaction: the takeover waits for its end and sees what
// it wrote.
func TestTransactionHoldsOffTakeover(t *testing.T) {
	at := postgresPlace(t)
	slow := newLifecycle(t, at)
	expire(t, slow)
	result := make(chan *Lifecycle, 1)
	must(t, slow.Update(t.Context(), func(tx *Tx) error {
		go func() {
			l, err := OpenLifecycle(t.Context(), at, testProvider)
			check(t, err)
			result <- l
		}()
		for blocked := 0; blocked == 0 && len(result) == 0; {
			_, err := slow.db.read().one(t.Context(), []any{&blocked}, `SELECT count(*) FROM pg_locks WHERE NOT granted`)
			must(t, err)
		}
		if len(result) > 0 {
			t.Error("the lease was taken within the transaction")
		}
		return tx.Save(t.Context(), waitingRecord("a", start), Dates{})
	}))
	second := <-result
	if second == nil {
		return
	}
	defer func() { check(t, second.Close()) }()
	if got := load(t, second, testID("a"), false).Version; got != 1 {
		t.Errorf("the new holder sees version %d", got)
	}
	if err := slow.Update(t.Context(), noUpdate); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("the old holder: error %v", err)
	}
}

// TestOutage stops the server and starts it again.
func TestOutage(t *testing.T) {
	s, err := postgrestest.New()
	must(t, err)
	defer func() { check(t, s.Close()) }()
	t.Run("outage", func(t *testing.T) {
		at := Location{URL: URL(s.NewDatabase(t))}
		l, m := newLifecycle(t, at), newReadModel(t, at)
		save(t, l, waitingRecord("a", start), Dates{})

		must(t, s.Stop())
		unavailable(t, l, m)
		if _, err := OpenLifecycle(t.Context(), at, testProvider); !errors.Is(err, ErrUnavailable) {
			t.Errorf("opened without a server: error %v", err)
		}

		must(t, s.Start())
		if got := load(t, l, testID("a"), false).Version; got != 1 {
			t.Errorf("after the outage there is version %d", got)
		}
		put(t, m, testEventRow("a", 1, 1, 1))
	})
}

// TestRefusedByTheServer connects as nobody it knows, and to a database that it has not.
func TestRefusedByTheServer(t *testing.T) {
	at := postgresPlace(t)
	for name, change := range map[string]func(*url.URL){
		"no such user": func(u *url.URL) {
			query := u.Query()
			query.Set("user", "nobody_it_knows")
			u.RawQuery = query.Encode()
		},
		"no such database": func(u *url.URL) { u.Path = "/nowhere" },
	} {
		u, err := url.Parse(string(at.URL))
		must(t, err)
		change(u)
		if _, err := OpenReadModel(t.Context(), Location{URL: URL(u.String())}); !errors.Is(err, ErrUnavailable) || !contains(err, "SQLSTATE") {
			t.Errorf("%s: error %v, want %v", name, err, ErrUnavailable)
		}
	}
}

// TestConnectionLostInTransaction ends the connection under a transaction.
func TestConnectionLostInTransaction(t *testing.T) {
	l := newLifecycle(t, postgresPlace(t))
	err := l.Update(t.Context(), func(tx *Tx) error {
		if err := tx.Save(t.Context(), waitingRecord("a", start), Dates{}); err != nil {
			return err
		}
		var pid int
		_, err := tx.one(t.Context(), []any{&pid}, `SELECT pg_backend_pid()`)
		must(t, err)
		_, err = l.db.read().one(t.Context(), []any{new(bool)}, `SELECT pg_terminate_backend($1)`, pid)
		must(t, err)
		_, err = tx.Record(t.Context(), testID("a"), false)
		return err
	})
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("error %v, want %v", err, ErrUnavailable)
	}
	must(t, l.Records(t.Context(), func(*verification.Record) error { t.Error("the transaction took effect"); return nil }))
}

// TestTwoWritersOfNewDeliveries has two processes tell of deliveries that neither knows.
func TestTwoWritersOfNewDeliveries(t *testing.T) {
	at := postgresPlace(t)
	models := []*ReadModel{newReadModel(t, at), newReadModel(t, at)}
	const total = 50
	var writers sync.WaitGroup
	for i, m := range models {
		writers.Go(func() {
			for sequence := range uint64(total) {
				d := testDeliveryOf(sequence + 1)
				d.Verifications = []string{fmt.Sprint("of writer ", i)}
				check(t, m.PutDelivery(t.Context(), d))
			}
		})
	}
	writers.Wait()
	page, err := models[0].Deliveries(t.Context(), DeliveryFilter{Limit: total + 1})
	must(t, err)
	if len(page.Rows) != total {
		t.Errorf("%d deliveries, want %d", len(page.Rows), total)
	}
	for _, d := range page.Rows {
		if len(d.Verifications) != len(models) {
			t.Errorf("delivery %d is about %q", d.Sequence, d.Verifications)
		}
	}
}

func BenchmarkUpdatePostgres(b *testing.B) {
	benchmarkUpdate(b, func(b *testing.B) Location {
		s, err := server()
		if err != nil {
			b.Fatal(err)
		}
		return Location{URL: URL(s.NewDatabase(b))}
	})
}
