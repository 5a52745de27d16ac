//go:build postgres

package store

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// do runs a statement.
func do(t *testing.T, m *ReadModel, format string, args ...any) {
	t.Helper()
	_, err := m.db.write().exec(t.Context(), fmt.Sprintf(format, args...))
	must(t, err)
}

// with returns the place with a parameter of its connections.
func with(t *testing.T, at Location, name, value string) Location {
	t.Helper()
	u, err := url.Parse(string(at.URL))
	must(t, err)
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return Location{URL: URL(u.String())}
}

// Of two processes with one database only one rebuilds, and the other touches nothing of that.
func TestRebuildsOfTwoProcesses(t *testing.T) {
	at := postgresPlace(t)
	one, other := newReadModel(t, at), newReadModel(t, at)
	live(t, one)
	r := beginRebuild(t, one, false)
	must(t, other.Tidy(t.Context(), false))
	must(t, r.Put(t.Context(), Bulk{Events: []EventRow{testEventRow("c", 1, 4, 6)}}))
	begun := make(chan error, 1)
	next := make(chan *Rebuild, 1)
	go func() {
		r, err := other.Rebuild(t.Context(), false)
		begun <- err
		next <- r
	}()
	select {
	case err := <-begun:
		t.Fatalf("a second one at the same time: %v", err)
	case <-time.After(3 * rebuildLockLook):
	}
	must(t, r.Put(t.Context(), Bulk{Events: []EventRow{testEventRow("d", 1, 5, 7)}}))
	must(t, r.Discard(t.Context()))
	must(t, <-begun)
	must(t, (<-next).Discard(t.Context()))
}

// Who has lost the lock, and with it what he made, changes nothing.
func TestSwitchAfterTheLockWasLost(t *testing.T) {
	m := newReadModel(t, postgresPlace(t))
	live(t, m)
	want := sumsOf(t, m)
	r := beginRebuild(t, m, false)
	must(t, r.Index(t.Context()))
	var pid int
	_, err := statements{on: r.site.(*schemaSite).on}.one(t.Context(), []any{&pid}, `SELECT pg_backend_pid()`)
	must(t, err)
	do(t, m, `SELECT pg_terminate_backend(%d, 10000)`, pid)
	// Another process begins.
	other := newReadModel(t, m.at)
	next := beginRebuild(t, other, false)
	if kept, err := r.Switch(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("switched, keeping %s: error %v", kept, err)
	}
	must(t, r.Discard(t.Context()))
	must(t, next.Put(t.Context(), Bulk{Events: []EventRow{testEventRow("c", 1, 4, 6)}}))
	if got := sumsOf(t, m); !slices.Equal(want, got) {
		t.Errorf("checksums of what is in use: %v, want %v", got, want)
	}
}

// PostgreSQL cuts long names off, and what is left is that of the schema in use.
func TestLongSchemaName(t *testing.T) {
	at := postgresPlace(t)
	first := newReadModel(t, at)
	for _, length := range []int{longestHome, longestHome + 1, longestName} {
		name := strings.Repeat("n", length)
		do(t, first, `CREATE SCHEMA %s`, name)
		m := newReadModel(t, with(t, at, "search_path", name))
		live(t, m)
		want := sumsOf(t, m)
		must(t, m.Tidy(t.Context(), false))
		r, err := m.Rebuild(t.Context(), false)
		if length > longestHome && !errors.Is(err, errLongName) {
			t.Errorf("a rebuild beside %d bytes: error %v", length, err)
		}
		if err == nil {
			must(t, r.Index(t.Context()))
			_, err := r.Keep(t.Context())
			must(t, err)
			_, err = m.DropKept(t.Context())
			must(t, err)
		}
		if got := sumsOf(t, m); !slices.Equal(want, got) {
			t.Errorf("checksums of what is in use: %v, want %v", got, want)
		}
	}
}

// Schemas of somebody else, and gaps, between those that are kept.
func TestKeptSchemas(t *testing.T) {
	m := newReadModel(t, postgresPlace(t))
	do(t, m, `CREATE SCHEMA public_readmodel_old_backup`)
	for range 2 {
		r := beginRebuild(t, m, false)
		must(t, r.Index(t.Context()))
		switched(t, m, r)
	}
	do(t, m, `DROP SCHEMA public_readmodel_old_1 CASCADE`)
	r := beginRebuild(t, m, false)
	must(t, r.Index(t.Context()))
	if kept := switched(t, m, r); kept != "public_readmodel_old_3" {
		t.Errorf("kept is %s", kept)
	}
	must(t, m.Tidy(t.Context(), false))
	dropped, err := m.DropKept(t.Context())
	must(t, err)
	if want := []string{"public_readmodel_old_2", "public_readmodel_old_3"}; !slices.Equal(dropped, want) {
		t.Errorf("dropped are %q, want %q", dropped, want)
	}
}

// A snapshot may be read slowly.
func TestSnapshotIsReadSlowly(t *testing.T) {
	m := newReadModel(t, with(t, postgresPlace(t), "idle_in_transaction_session_timeout", "50"))
	live(t, m)
	s, err := m.Snapshot(t.Context())
	must(t, err)
	defer func() { check(t, s.Close(t.Context())) }()
	for _, table := range ComparedTables() {
		_, err := s.Sum(t.Context(), table, func(int) error {
			time.Sleep(100 * time.Millisecond) // the time is what is tested
			return nil
		})
		must(t, err)
	}
}
