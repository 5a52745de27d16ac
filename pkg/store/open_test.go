package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func testReopen(t *testing.T, at place) {
	place := at(t)
	l, err := OpenLifecycle(t.Context(), place, testProvider)
	must(t, err)
	save(t, l, waitingRecord("a", start), Dates{})
	want := dump(t, l.db, lifecycleTables...)
	must(t, l.Close())
	if diff := cmp.Diff(want, dump(t, newLifecycle(t, place).db, lifecycleTables...)); diff != "" {
		t.Errorf("state after it was opened again (-want +got):\n%s", diff)
	}

	m, err := OpenReadModel(t.Context(), place)
	must(t, err)
	put(t, m, testEventRow("a", 1, 1, 1))
	want = dump(t, m.db, readModelTables...)
	must(t, m.Close())
	if diff := cmp.Diff(want, dump(t, newReadModel(t, place).db, readModelTables...)); diff != "" {
		t.Errorf("read model after it was opened again (-want +got):\n%s", diff)
	}
}

func testNewerSchema(t *testing.T, at place) {
	place := at(t)
	l, err := OpenLifecycle(t.Context(), place, testProvider)
	must(t, err)
	m, err := OpenReadModel(t.Context(), place)
	must(t, err)
	for _, x := range []struct {
		db *database
		s  schema
	}{{l.db, lifecycleSchema(testProvider)}, {m.db, readModelSchema}} {
		_, err := x.db.write().exec(t.Context(), `INSERT INTO `+x.s.versionTable()+` (version_id, is_applied) VALUES (99999, $1)`, true)
		must(t, err)
	}
	must(t, errors.Join(l.Close(), m.Close()))

	for name, open := range map[string]func() error{
		"lifecycle":  func() error { _, err := OpenLifecycle(t.Context(), place, testProvider); return err },
		"read model": func() error { _, err := OpenReadModel(t.Context(), place); return err },
		"reader":     func() error { _, err := OpenReader(t.Context(), place); return err },
	} {
		if err := open(); !errors.Is(err, errNewerSchema) || errors.Is(err, ErrUnavailable) {
			t.Errorf("%s of a newer program: error %v", name, err)
		}
	}
}

func testReaderWaits(t *testing.T, at place) {
	place := at(t)
	type opened struct {
		m   *ReadModel
		err error
	}
	result := make(chan opened)
	go func() {
		m, err := OpenReader(t.Context(), place)
		result <- opened{m, err}
	}()
	m := newReadModel(t, place)
	reader := <-result
	must(t, reader.err)
	defer func() { check(t, reader.m.Close()) }()

	e := testEventRow("a", 1, 1, 1)
	put(t, m, e)
	got, err := reader.m.Verification(t.Context(), e.Data.ID, false)
	must(t, err)
	if diff := cmp.Diff(asRow(e), got); diff != "" {
		t.Errorf("read while it is open for writing (-want +got):\n%s", diff)
	}
}

func testReaderGivesUp(t *testing.T, at place) {
	ctx, cancel := context.WithCancel(t.Context())
	onLog(t, "waiting for the tables of the read model", cancel)
	if _, err := OpenReader(ctx, at(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("a reader without tables: error %v", err)
	}
}

func testReaderCannotWrite(t *testing.T, at place) {
	place := at(t)
	newReadModel(t, place)
	m, err := OpenReader(t.Context(), place)
	must(t, err)
	defer func() { check(t, m.Close()) }()
	for name, write := range map[string]func() error{
		"event":    func() error { return m.PutEvent(t.Context(), testEventRow("a", 1, 1, 1)) },
		"delivery": func() error { return m.PutDelivery(t.Context(), testDeliveryOf(1)) },
		"progress": func() error { return m.PutProgress(t.Context(), Progress{}) },
		"claims": func() error {
			return m.UpdateClaims(t.Context(), "a", false, func(ClaimsRow) (*ClaimsRow, error) { return claimsOf(1), nil })
		},
		"expire": func() error { _, err := m.ExpireUnprocessed(t.Context(), testProvider, start, start); return err },
	} {
		if err := write(); !errors.Is(err, errReadOnly) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestFilesAreLeased opens what another process has open. A lock on a file knows no processes: two openings of one process
// exclude each other too.
func TestFilesAreLeased(t *testing.T) {
	at := sqlitePlace(t)
	l, err := OpenLifecycle(t.Context(), at, testProvider)
	must(t, err)
	m, err := OpenReadModel(t.Context(), at)
	must(t, err)
	for file, open := range map[string]func() error{
		"lifecycle-yousign.db": func() error { _, err := OpenLifecycle(t.Context(), at, testProvider); return err },
		"readmodel.db":         func() error { _, err := OpenReadModel(t.Context(), at); return err },
	} {
		err := open()
		if want := "which holds " + filepath.Join(at.Dir, file) + ".lock"; !errors.Is(err, ErrLeased) || !contains(err, want) {
			t.Errorf("%s: error %v, want one that says %q", file, err, want)
		}
	}
	must(t, errors.Join(l.Close(), m.Close()))
	newLifecycle(t, at)
	newReadModel(t, at)
}

func TestFilesAreTheOwners(t *testing.T) {
	at := Location{Dir: filepath.Join(t.TempDir(), "a b?c#%41", "data")} // a name that is not one in a URL
	newLifecycle(t, at)
	newReadModel(t, at)
	files, err := os.ReadDir(at.Dir)
	must(t, err)
	if len(files) < 4 {
		t.Errorf("only the files %v are in the directory", files)
	}
	for _, file := range files {
		info, err := file.Info()
		must(t, err)
		if info.Mode().Perm() != fileMode {
			t.Errorf("%s has the mode %v", file.Name(), info.Mode())
		}
	}
}

// TestDurability reads back what every commit waits for.
func TestDurability(t *testing.T) {
	at := sqlitePlace(t)
	for name, test := range map[string]struct {
		db   *database
		want map[string]string
	}{
		"lifecycle":  {newLifecycle(t, at).db, map[string]string{"synchronous": "2", "journal_mode": "wal"}},
		"read model": {newReadModel(t, at).db, map[string]string{"synchronous": "1", "journal_mode": "wal", "secure_delete": "1"}},
	} {
		for pragma, want := range test.want {
			var got string
			_, err := test.db.write().one(t.Context(), []any{&got}, "PRAGMA "+pragma)
			must(t, err)
			if got != want {
				t.Errorf("%s: %s is %s, want %s", name, pragma, got, want)
			}
		}
	}
}
